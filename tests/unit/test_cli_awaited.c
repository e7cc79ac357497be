// SPDX-License-Identifier: MIT
// The targets of `rebound wait`: accepted forms, and what is wrong with others.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/wait/awaited.h"

static void reads_host_and_port(void **state)
{
    static const struct {
        const char *text, *host, *port;
    } rows[] = {
        {"db:5432", "db", "5432"},
        {"10.0.0.1:1", "10.0.0.1", "1"},
        {"[::1]:65535", "::1", "65535"},
        {"a_b.c-d.:080", "a_b.c-d.", "80"},
        {"[fe80::1%eth0]:80", "fe80::1%eth0", "80"},
        {"[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", "80"},
        {"b\xc3\xbc.example:80", "b\xc3\xbc.example", "80"},
        {"http:80", "http", "80"},
    };
    struct rb_awaited awaited;
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(rb_awaited_parse(rows[i].text, &awaited));
        assert_int_equal(awaited.kind, RB_AWAITED_TCP);
        assert_string_equal(awaited.host, rows[i].host);
        assert_string_equal(awaited.port, rows[i].port);
        assert_ptr_equal(awaited.text, rows[i].text);
    }
}

// A URL: host, port, Host field, path with query, and the expected status.
static void reads_urls(void **state)
{
    static const struct {
        const char *text, *host, *port, *authority, *resource;
        unsigned status;
    } rows[] = {
        {"http://api", "api", "80", "api", "", 0},
        {"http://api:8080/", "api", "8080", "api:8080", "/", 0},
        {"HTTP://[::1]:81/x/y?z#part", "::1", "81", "[::1]:81", "/x/y?z", 0},
        {"http://api=204", "api", "80", "api", "", 204},
        {"http://api:8080=100", "api", "8080", "api:8080", "", 100},
        {"http://api/health=599", "api", "80", "api", "/health", 599},
        {"http://api?a=200=404", "api", "80", "api", "?a=200", 404},
        {"http://api/?a=200", "api", "80", "api", "/?a", 200},
        {"http://api/?a=200#", "api", "80", "api", "/?a=200", 0},
        {"http://api/?a=200#x=301", "api", "80", "api", "/?a=200", 301},
        {"http://api/?id=999#", "api", "80", "api", "/?id=999", 0},
        {"http://api/?a=20", "api", "80", "api", "/?a=20", 0},
        {"http://api/?a=2000", "api", "80", "api", "/?a=2000", 0},
        {"http://api/?a=+200", "api", "80", "api", "/?a=+200", 0},
        {"http://api/a://b:c@d", "api", "80", "api", "/a://b:c@d", 0},
    };
    struct rb_awaited awaited;
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(rb_awaited_parse(rows[i].text, &awaited));
        assert_int_equal(awaited.kind, RB_AWAITED_HTTP);
        assert_string_equal(awaited.host, rows[i].host);
        assert_string_equal(awaited.port, rows[i].port);
        assert_true(rb_slice_is(awaited.authority, rows[i].authority));
        assert_true(rb_slice_is(awaited.resource, rows[i].resource));
        assert_int_equal(awaited.status, rows[i].status);
    }
}

static void reads_paths_of_sockets(void **state)
{
    char text[128] = "unix:";
    struct rb_awaited awaited;
    (void) state;
    assert_null(rb_awaited_parse("unix:run/my app.sock", &awaited));
    assert_int_equal(awaited.kind, RB_AWAITED_UNIX);
    assert_string_equal(awaited.socket.sun_path, "run/my app.sock");
    memset(text + 5, 'x', 107);
    assert_null(rb_awaited_parse(text, &awaited));
    assert_string_equal(awaited.socket.sun_path, text + 5);
    text[112] = 'x';
    assert_string_equal(rb_awaited_parse(text, &awaited), "the path is longer than 107 bytes");
}

static void says_what_is_wrong(void **state)
{
    static const char port[] = "the port must be a number from 1 to 65535";
    static const char status[] =
        "'=' and three digits at the end are the expected status, from 100 to 599; if they belong "
        "to the URL, append '#'";
    static const struct {
        const char *text, *wrong;
    } rows[] = {
        {"", "the host is missing"},
        {"db", "the port is missing"},
        {"[::1]", "the port is missing"},
        {":5432", "the host is missing"},
        {"db:", port},
        {"db:0", port},
        {"db:65536", port},
        {"db:99999999999999999999", port},
        {"db:-1", port},
        {"db:80x", port},
        {"db:postgresql", port},
        {"db:80/", port},
        {"[::1]80", port},
        {"::1:5432", "an IPv6 address needs brackets: [::1]:5432"},
        {"http://::1/", "an IPv6 address needs brackets: [::1]:5432"},
        {"[::1:80", "the bracket is not closed"},
        {"[]:80", "there is no IPv6 address between the brackets"},
        {"[db]:80", "there is no IPv6 address between the brackets"},
        {"[1.2.3.4]:80", "there is no IPv6 address between the brackets"},
        {"./server", "the host has a character that no host name has"},
        {"db/x:80", "the host has a character that no host name has"},
        {"a b:80", "it has a blank or a control character"},
        {"http://a/\r\nX: y", "it has a blank or a control character"},
        {"http://", "the host is missing"},
        {"http:///x", "the host is missing"},
        {"http://=200", "the host is missing"},
        {"http://a:/", port},
        {"http://a:80=20", port},
        {"http://u:p@a/", "a user name in the URL is not supported"},
        {"http://a/=099", status},
        {"http://a/?id=999", status},
        {"https://a/", "https:// is not supported; wait for HOST:443"},
        {"tcp://a:80", "only http:// is supported"},
        {"://a:80", "only http:// is supported"},
        {"unix:", "the path is missing"},
    };
    struct rb_awaited awaited;
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *wrong = rb_awaited_parse(rows[i].text, &awaited);
        assert_non_null(wrong);
        assert_string_equal(wrong, rows[i].wrong);
    }
}

static void limits_the_length(void **state)
{
    char text[RB_AWAITED_TEXT_MAX + 2];
    struct rb_awaited awaited;
    (void) state;
    memset(text, 'x', sizeof(text));
    memcpy(text + RB_NAME_SIZE, ":80", 4);
    assert_string_equal(rb_awaited_parse(text, &awaited), "the host is too long");
    assert_null(rb_awaited_parse(text + 1, &awaited));
    memcpy(text, "http://a/", 9);
    memset(text + 9, 'x', sizeof(text) - 9);
    text[sizeof(text) - 1] = '\0';
    assert_string_equal(rb_awaited_parse(text, &awaited), "it is longer than 2,048 bytes");
    text[sizeof(text) - 2] = '\0';
    assert_null(rb_awaited_parse(text, &awaited));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_host_and_port),    cmocka_unit_test(reads_urls),
        cmocka_unit_test(reads_paths_of_sockets), cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(limits_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
