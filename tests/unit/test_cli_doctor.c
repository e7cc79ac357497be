// SPDX-License-Identifier: MIT
// The conclusions of doctor, from findings made by hand, and the table of functions against the linker's map.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/doctor/doctor.h"

// --- the table

// Every function in the map has a family in which a verdict looks for it.
static void test_table_has_the_map(void **state)
{
    char line[256], name[256];
    unsigned count, found = 0;
    const struct rb_family_name *names = rb_family_table(&count);
    FILE *map = fopen(RB_BUILD_DIR "/gen/librebound.map", "r");
    (void) state;
    assert_non_null(map);
    while (fgets(line, sizeof(line), map)) {
        if (sscanf(line, " %255[A-Za-z0-9_];", name) != 1 || !strchr(line, ';'))
            continue;
        int index = rb_family_find(name);
        if (index < 0 || strcmp(names[index].name, name) != 0 || names[index].family > RB_FAMILY_PRIVILEGE)
            fail_msg("%s is in the version script, but not in the table of src/cli/doctor/family.c", name);
        found++;
    }
    fclose(map);
    assert_true(found > 30);
}

static void test_table_finds_each(void **state)
{
    unsigned count;
    const struct rb_family_name *names = rb_family_table(&count);
    (void) state;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(rb_family_find(names[i].name), i);
    assert_int_equal(rb_family_find("io_uring_get_sqe"), rb_family_find("io_uring_"));
    assert_int_equal(rb_family_find("connects"), -1);
    assert_int_equal(rb_family_find("connec"), -1);
    assert_int_equal(rb_family_find(""), -1);
}

// --- the conclusions

struct fixture {
    struct rb_findings findings;
    struct rb_needed items[3];
    struct rb_member members[3];
};

// A readable program `app` with a library `libapp.so`, everything in order on our side, nothing imported.
static struct rb_findings *begin(struct fixture *fixture)
{
    struct rb_findings *f = &fixture->findings;
    unsigned count;
    memset(fixture, 0, sizeof(*fixture));
    rb_family_table(&count);
    fixture->items[0] = (struct rb_needed){.name = (char *) "/bin/app", .path = (char *) "/bin/app"};
    fixture->items[1] = (struct rb_needed){.name = (char *) "libapp.so", .path = (char *) "/lib/libapp.so"};
    fixture->items[2] = (struct rb_needed){.name = (char *) "libcurl.so.4", .path = (char *) "/lib/libcurl.so.4"};
    fixture->members[2].role = RB_ROLE_LIBCURL;
    strcpy(f->chain.files[0], "/bin/app");
    f->chain.count = 1;
    f->readable = true;
    f->list = (struct rb_needed_list){.items = fixture->items, .count = 3};
    f->members = fixture->members;
    strcpy(f->library, "/opt/librebound.so");
    f->library_file.data = (const unsigned char *) "";
    memset(f->in_front, true, count);
    assert_int_equal(rb_policy_load("builtin:default", NULL, &f->policy, NULL, NULL), 0);
    return f;
}

static void import(struct rb_findings *f, unsigned member, const char *name)
{
    int index = rb_family_find(name);
    assert_true(index >= 0);
    f->members[member].imports[index] = true;
}

static void expect(struct rb_findings *f, enum rb_reach whole, enum rb_reach curl, enum rb_reach connect,
                   enum rb_reach nonblocking, enum rb_reach dns)
{
    const enum rb_reach wanted[RB_KIND_COUNT] = {
        [RB_KIND_CURL] = curl, [RB_KIND_CONNECT] = connect, [RB_KIND_NONBLOCKING] = nonblocking, [RB_KIND_DNS] = dns};
    rb_doctor_judge(f);
    for (int kind = 0; kind < RB_KIND_COUNT; kind++)
        if (kind != RB_KIND_HTTP)
            assert_string_equal(rb_reach_name(f->calls[kind].reach), rb_reach_name(wanted[kind]));
    assert_string_equal(rb_reach_name(f->reach), rb_reach_name(whole));
    rb_policy_free(f->policy);
}

static const enum rb_reach UNUSED = RB_REACH_UNUSED, FULL = RB_REACH_FULL, PART = RB_REACH_PART, NONE = RB_REACH_NONE;

static void test_all_well(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    import(f, 0, "curl_easy_perform");
    import(f, 1, "connect");
    import(f, 1, "epoll_wait");
    import(f, 0, "getaddrinfo");
    expect(f, FULL, FULL, FULL, FULL, FULL);
    assert_true(f->calls[RB_KIND_NONBLOCKING].functions[rb_family_find("epoll_wait")]);
    assert_false(f->calls[RB_KIND_CONNECT].functions[rb_family_find("epoll_wait")]);
}

static void test_nothing_used(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    import(f, 0, "poll"); // a wait without a connect waits for something else
    import(f, 2, "connect");
    expect(f, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED);
    assert_false(f->calls[RB_KIND_NONBLOCKING].functions[rb_family_find("poll")]);
}

static void test_waits_not_intercepted(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    import(f, 0, "connect");
    import(f, 0, "poll");
    import(f, 0, "select");
    f->in_front[rb_family_find("poll")] = false;
    expect(f, PART, UNUSED, FULL, PART, UNUSED);
    assert_string_equal(f->calls[RB_KIND_NONBLOCKING].reason, "librebound.so does not intercept poll");
    f = begin(&fixture);
    import(f, 0, "connect");
    import(f, 0, "poll");
    f->in_front[rb_family_find("poll")] = false;
    expect(f, PART, UNUSED, FULL, NONE, UNUSED);
}

// An older library may lack the other functions of a descriptor. The verdict stays the same.
static void test_other_functions_of_sockets(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    import(f, 0, "connect");
    import(f, 0, "poll");
    import(f, 0, "getsockopt");
    f->in_front[rb_family_find("getsockopt")] = false;
    expect(f, FULL, UNUSED, FULL, FULL, UNUSED);
}

static void test_go_in_a_library(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    import(f, 0, "connect");
    f->members[1].go = true;
    expect(f, PART, UNUSED, PART, UNUSED, UNUSED);
    assert_string_equal(f->calls[RB_KIND_CONNECT].reason,
                        "libapp.so was compiled by Go, which makes system calls without libc");
}

static void test_unreadable(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    f->readable = false;
    f->list.count = 0;
    expect(f, RB_REACH_UNKNOWN, RB_REACH_UNKNOWN, RB_REACH_UNKNOWN, RB_REACH_UNKNOWN, RB_REACH_UNKNOWN);
    f = begin(&fixture);
    f->readable = false;
    f->list.count = 0;
    f->obstacle = RB_OBSTACLE_SETUID; // that much is known without reading
    expect(f, NONE, NONE, NONE, NONE, NONE);
}

// A call that the program does not make is reported as unused, whatever the obstacle.
static void test_blocked(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    import(f, 0, "connect");
    f->disabled = true;
    expect(f, NONE, UNUSED, NONE, UNUSED, UNUSED);
    assert_string_equal(f->calls[RB_KIND_CONNECT].reason, "REBOUND_DISABLE is set");
    f = begin(&fixture);
    f->obstacle = RB_OBSTACLE_STATIC; // whose calls nobody sees
    f->disabled = true;
    expect(f, NONE, NONE, NONE, NONE, NONE);
    assert_string_equal(f->reason, "/bin/app is statically linked: no library can be preloaded into it, so it "
                                   "runs without rebound");
}

static void test_old_glibc(void **state)
{
    static const struct {
        const char *version;
        enum rb_reach reach;
    } rows[] = {{"2.16", RB_REACH_NONE}, {"2.9", RB_REACH_NONE}, {"1.99", RB_REACH_NONE}, {"2.17", RB_REACH_FULL},
                {"2.36", RB_REACH_FULL}, {"3.0", RB_REACH_FULL}, {"", RB_REACH_FULL}};
    struct fixture fixture;
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_findings *f = begin(&fixture);
        import(f, 0, "connect");
        snprintf(f->libc_version, sizeof(f->libc_version), "%s", rows[i].version);
        expect(f, rows[i].reach, UNUSED, rows[i].reach, UNUSED, UNUSED);
    }
}

// More notes than there is room for.
static void test_many_missing(void **state)
{
    enum { MANY = 40 };
    struct fixture fixture;
    struct rb_needed items[MANY];
    struct rb_member members[MANY];
    struct rb_findings *f = begin(&fixture);
    (void) state;
    memset(members, 0, sizeof(members));
    for (int i = 0; i < MANY; i++) {
        items[i] = fixture.items[0];
        members[i].role = i > 0 ? RB_ROLE_MISSING : RB_ROLE_PROGRAM;
    }
    f->list = (struct rb_needed_list){.items = items, .count = MANY};
    f->members = members;
    expect(f, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED);
    assert_int_equal(f->note_count, RB_DOCTOR_NOTES_MAX);
}

// --- HTTP without libcurl

static void expect_http(struct rb_findings *f, enum rb_reach reach, const char *piece)
{
    const struct rb_call_reach *call = &f->calls[RB_KIND_HTTP];
    rb_doctor_judge(f);
    assert_string_equal(rb_reach_name(call->reach), rb_reach_name(reach));
    if (!strstr(call->reason, piece))
        fail_msg("'%s' is not in '%s'", piece, call->reason);
    assert_true((call->advice != NULL) == (reach == PART));
    assert_string_equal(rb_reach_name(f->reach), "intercepted"); // the files do not show whether it speaks HTTP
    rb_policy_free(f->policy);
}

static void test_http_on_sockets(void **state)
{
    struct fixture fixture;
    struct rb_findings *f = begin(&fixture);
    (void) state;
    import(f, 0, "connect");
    import(f, 1, "poll");
    expect_http(f, FULL, "is repeated on a plain socket");
    assert_null(strstr(f->calls[RB_KIND_HTTP].reason, "epoll"));
    f = begin(&fixture);
    import(f, 0, "connect");
    import(f, 0, "epoll_wait");
    expect_http(f, PART, "and not in an event loop (epoll)");
    f = begin(&fixture);
    import(f, 0, "connect");
    import(f, 1, "SSL_read");
    import(f, 1, "SSL_set_fd");
    expect_http(f, PART, "on a plain socket, and over OpenSSL on a socket,");
    assert_string_equal(rb_fate_name(f->tls.wait), "repeated-if-kept");
    f = begin(&fixture);
    import(f, 0, "connect");
    import(f, 1, "SSL_read");
    import(f, 1, "SSL_set_bio");
    expect_http(f, PART, "HTTPS by OpenSSL without a socket is counted");
    f = begin(&fixture);
    import(f, 0, "connect");
    fixture.members[1].uv = true;
    expect_http(f, PART, "counted, not repeated: the event loop of libapp.so");
}

static void test_http_over_tls(void **state)
{
    static const struct {
        const char *import;
        size_t property; // offset in struct rb_member of what the executable has; 0: none
        const char *piece;
    } rows[] = {
        {"gnutls_record_recv", 0, "HTTPS by GnuTLS is counted, not repeated"},
        {"SSL_ImportFD", 0, "HTTPS by NSS is not examined"},
        {"nghttp2_session_client_new2", 0, "HTTP/2 is not examined"},
        {NULL, offsetof(struct rb_member, own_ssl), "app contains its own OpenSSL"},
        {NULL, offsetof(struct rb_member, java), "Java has its own TLS"},
        {NULL, offsetof(struct rb_member, erlang), "Erlang has its own TLS"},
        {NULL, offsetof(struct rb_member, dotnet), "the event loop of .NET"},
    };
    struct fixture fixture;
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_findings *f = begin(&fixture);
        import(f, 0, "connect");
        if (rows[i].import)
            import(f, 0, rows[i].import);
        else
            *((bool *) (void *) ((char *) &f->members[0] + rows[i].property)) = true;
        expect_http(f, PART, rows[i].piece);
    }
    struct rb_findings *f = begin(&fixture); // libcurl's own TLS
    import(f, 0, "connect");
    import(f, 2, "gnutls_record_recv");
    expect_http(f, FULL, "is repeated on a plain socket");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_has_the_map),
        cmocka_unit_test(test_table_finds_each),
        cmocka_unit_test(test_all_well),
        cmocka_unit_test(test_nothing_used),
        cmocka_unit_test(test_waits_not_intercepted),
        cmocka_unit_test(test_other_functions_of_sockets),
        cmocka_unit_test(test_go_in_a_library),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_old_glibc),
        cmocka_unit_test(test_many_missing),
        cmocka_unit_test(test_http_on_sockets),
        cmocka_unit_test(test_http_over_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
