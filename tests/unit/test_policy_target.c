// SPDX-License-Identifier: MIT
// Targets from socket addresses and URLs, and their written form.
#include "test_policy_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>

// A URL, the scheme's length, and the target written out; written NULL: refused.
struct url {
    const char *text;
    size_t scheme;
    const char *written;
};

static const struct url urls[] = {
    {"https://user@Host:8443/x", 5, "host:8443"},
    {"https://Api.Example.COM./", 5, "api.example.com:443"},
    {"http://a", 4, "a:80"},
    {"HTTP://a?b/c:1@d", 4, "a:80"},
    {"http://a#b@c", 4, "a:80"},
    {"http://u:p@w@a:81", 4, "a:81"},
    {"http://a:/x", 4, "a:80"},
    {"http://a:65535", 4, "a:65535"},
    {"ws://a", 2, "a:80"},
    {"wss://a", 3, "a:443"},
    {"ftp://a", 3, "a:21"},
    {"gopher://a", 6, "a"},
    {"httpss://a", 6, "a"},
    {"h://a", 1, "a"},
    {"a", 0, "a"},
    {"a:9", 0, "a:9"},
    {"a/path", 0, "a:80"},
    {"a:9/path", 0, "a:9"},
    {"10.1.2.3", 0, "10.1.2.3"},
    {"10.1.2.3:5", 0, "10.1.2.3:5"},
    {"http://10.1.2.3/", 4, "10.1.2.3:80"},
    {"[2001:DB8::1]:5", 0, "[2001:db8::1]:5"},
    {"2001:db8::1", 0, "[2001:db8::1]"},
    {"https://[::1]/x", 5, "[::1]:443"},
    {"https://[fe80::1%25eth0]/x", 5, "[fe80::1]:443"},
    {"http://[::ffff:10.1.2.3]", 4, "10.1.2.3:80"},
    {"unix:/run/App.sock", 0, "unix:/run/App.sock"},
    {"unix:///run/x", 0, "unix:/run/x"},
    {"", 0, NULL},
    {"http://", 0, NULL},
    {"http:///x", 0, NULL},
    {"http://u@", 0, NULL},
    {":80", 0, NULL},
    {"http://a:x", 0, NULL},
    {"http://a:65536", 0, NULL},
    {"http://a:99999999999999999999", 0, NULL},
    {"http://a:1:2", 0, NULL},
    {"http://[::1", 0, NULL},
    {"http://[::1]x", 0, NULL},
    {"http://[a]", 0, NULL},
    {"a b", 0, NULL},
};

static void check_url(void **state)
{
    const struct url *url = *state;
    char *exact = strdup(url->text), out[RB_LABEL_SIZE];
    struct rb_target target;
    size_t scheme = 77;
    int result = rb_target_from_url(&target, exact, &scheme);
    assert_int_equal(rb_target_from_url(&target, exact, NULL), result);
    if (!url->written) {
        assert_int_equal(result, strstr(url->text, "a:6") || strstr(url->text, "a:9") ? -ERANGE : -EINVAL);
        assert_null(target.name);
        assert_int_equal(target.family, 0);
    } else {
        assert_int_equal(result, 0);
        assert_int_equal(scheme, url->scheme);
        assert_int_equal(rb_target_format(&target, out, sizeof(out)), strlen(url->written));
        assert_string_equal(out, url->written);
        assert_true((target.name == NULL) == (target.family == AF_INET || target.family == AF_INET6));
    }
    free(exact);
}

static void test_from_inet(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct rb_target target;
    (void) state;
    inet_pton(AF_INET, "192.0.2.7", &in.sin_addr);
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) &in, sizeof(in)), 0);
    assert_int_equal(target.family, AF_INET);
    assert_int_equal(target.port, 443);
    assert_memory_equal(target.address, "\xc0\x00\x02\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_null(target.name);
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) &in, sizeof(in) - 1), -EINVAL);
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) &in, 1), -EINVAL);
    assert_int_equal(rb_target_from_sockaddr(&target, NULL, 0), -EINVAL);
}

static void test_from_inet6(void **state)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct rb_target target;
    char out[RB_LABEL_SIZE];
    (void) state;
    inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr);
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) &in6, sizeof(in6)), 0);
    rb_target_format(&target, out, sizeof(out));
    assert_string_equal(out, "[2001:db8::7]:80");
    // RFC 2133's address without a scope identifier; the kernel takes it too.
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) &in6, sizeof(in6) - 4), 0);
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) &in6, sizeof(in6) - 5), -EINVAL);
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) &in6, sizeof(in6)), 0);
    assert_int_equal(target.family, AF_INET);
    rb_target_format(&target, out, sizeof(out));
    assert_string_equal(out, "192.0.2.7:80");
}

// A path may fill the whole field without a NUL byte, or end at the length that was given.
static void test_from_unix(void **state)
{
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    struct sockaddr_un *un = calloc(1, sizeof(*un));
    struct rb_target target;
    char out[RB_LABEL_SIZE];
    (void) state;
    un->sun_family = AF_UNIX;
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) un, (socklen_t) head), -EAFNOSUPPORT);
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) un, sizeof(*un)), -EAFNOSUPPORT);
    memset(un->sun_path, 'x', sizeof(un->sun_path));
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) un, sizeof(*un)), 0);
    assert_int_equal(target.name_length, sizeof(un->sun_path));
    assert_ptr_equal(target.name, un->sun_path);
    strcpy(un->sun_path, "/run/a.sock");
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) un, sizeof(*un)), 0);
    rb_target_format(&target, out, sizeof(out));
    assert_string_equal(out, "unix:/run/a.sock");
    assert_int_equal(rb_target_from_sockaddr(&target, (struct sockaddr *) un, (socklen_t) (head + 6)), 0);
    rb_target_format(&target, out, sizeof(out));
    assert_string_equal(out, "unix:/run/a");
    free(un);
}

static void test_cut_between_characters(void **state)
{
    struct rb_target target;
    char out[16], whole[16];
    (void) state;
    assert_int_equal(rb_target_from_url(&target, "b\xc3\xbc\xc3\xbc.\xe4\xbe\x8b\xe4\xbe\x8b:80", NULL), 0);
    assert_int_equal(rb_target_format(&target, whole, sizeof(whole)), 15);
    for (size_t size = 1; size < sizeof(out); size++) {
        size_t length = rb_target_format(&target, out, size);
        assert_true(length + 4 > size && length < size);
        assert_memory_equal(out, whole, length);
        assert_true((whole[length] & 0xc0) != 0x80);
    }
}

static void test_other_families(void **state)
{
    struct sockaddr any = {.sa_family = AF_UNSPEC};
    struct rb_target target;
    (void) state;
    assert_int_equal(rb_target_from_sockaddr(&target, &any, sizeof(any)), -EAFNOSUPPORT);
}

static void test_format_cuts(void **state)
{
    struct rb_target target = {.name = "Example.com.", .name_length = 12, .port = 80};
    (void) state;
    for (size_t size = 1; size < 20; size++) {
        char *exact = malloc(size);
        size_t length = rb_target_format(&target, exact, size);
        assert_int_equal(length, size - 1 < 14 ? size - 1 : 14);
        assert_memory_equal(exact, "example.com:80", length);
        assert_int_equal(exact[length], 0);
        free(exact);
    }
}

static void name_url(const void *row, char *name, size_t size)
{
    snprintf(name, size, "url \"%s\"", ((const struct url *) row)->text);
}

static void test_near(void **state)
{
    static const struct {
        const char *text;
        bool near;
    } rows[] = {
        {"db", true},
        {"db:5432", true},
        {"db.", true},
        {"LOCALHOST", true},
        {"db.example", false},
        {"db.example.", false},
        {"127.0.0.1", true},
        {"127.255.0.9:1", true},
        {"128.0.0.1", false},
        {"10.9.8.7", true},
        {"11.0.0.1", false},
        {"172.15.0.1", false},
        {"172.16.0.1", true},
        {"172.31.9.9", true},
        {"172.32.0.1", false},
        {"192.168.4.4", true},
        {"192.169.0.1", false},
        {"169.254.1.1", true},
        {"100.63.0.1", false},
        {"100.64.0.1", true},
        {"100.127.9.9", true},
        {"100.128.0.1", false},
        {"8.8.8.8", false},
        {"[::1]:80", true},
        {"[::2]", false},
        {"[fc00::1]", true},
        {"[fdff::1]", true},
        {"[fe00::1]", false},
        {"[fe80::1]", true},
        {"[febf::1]", true},
        {"[fec0::1]", false},
        {"[2001:db8::1]", false},
        {"[::ffff:10.0.0.1]", true},
        {"[::ffff:8.8.8.8]", false},
        {"unix:/run/x", true},
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rb_target target;
        assert_int_equal(rb_target_from_url(&target, rows[i].text, NULL), 0);
        if (rb_target_is_near(&target) != rows[i].near)
            fail_msg("%s", rows[i].text);
    }
}

static void test_name_with_private_address_is_near(void **state)
{
    struct rb_target target = {.name = "db.example", .name_length = 10, .family = AF_INET, .address = {10, 0, 0, 1}};
    (void) state;
    assert_true(rb_target_is_near(&target));
    target.address[0] = 8;
    assert_false(rb_target_is_near(&target));
}

int main(void)
{
    static const struct case_table table = {urls, sizeof(urls[0]), sizeof(urls) / sizeof(urls[0]), check_url, name_url};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_from_inet),   cmocka_unit_test(test_from_inet6),
        cmocka_unit_test(test_from_unix),   cmocka_unit_test(test_other_families),
        cmocka_unit_test(test_format_cuts), cmocka_unit_test(test_cut_between_characters),
        cmocka_unit_test(test_near),        cmocka_unit_test(test_name_with_private_address_is_near),
    };
    return run_with_cases("policy targets", &table, others, sizeof(others) / sizeof(others[0]));
}
