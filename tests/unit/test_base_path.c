// SPDX-License-Identifier: MIT
// The path that a log may have: never a part of a URL that can hold credentials.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"

static void assert_path(const char *target, const char *wanted)
{
    struct rb_slice path = rb_path_of(rb_slice_of(target));
    if (path.length != strlen(wanted) || memcmp(path.at, wanted, path.length) != 0)
        fail_msg("%s: %.*s, not %s", target, (int) path.length, path.at, wanted);
}

static void test_targets(void **state)
{
    (void) state;
    assert_path("/", "/");
    assert_path("/v1/messages", "/v1/messages");
    assert_path("/v1?key=secret", "/v1");
    assert_path("/v1;session=secret/next", "/v1");
    assert_path("/v1#part", "/v1");
    assert_path("//a/b", "//a/b");
    assert_path("/see/http://u:p@b/", "/see/http://u:p@b/");
    assert_path("*", "");
    assert_path("host:443", "");
    assert_path("", "");
}

static void test_urls(void **state)
{
    (void) state;
    assert_path("http://host/a/b", "/a/b");
    assert_path("https://user:secret@host:8080/a?b=c", "/a");
    assert_path("http://host", "");
    assert_path("http://host?secret/x", "");
    assert_path("http://user:sec;ret@host/a", "");
    assert_path("http://", "");
    assert_path("http:/a", "");
    assert_path("user:secret@host/a", "");
    assert_path("?a=/b", "");
    assert_path("http:/", "");
}

// A long path is cut between two characters.
static void test_long(void **state)
{
    char target[400] = "/";
    (void) state;
    memset(target + 1, 'a', 300);
    assert_int_equal(rb_path_of(rb_slice_of(target)).length, RB_PATH_MAX);
    memcpy(target + RB_PATH_MAX - 1, "\xc3\xa4", 2);
    assert_int_equal(rb_path_of(rb_slice_of(target)).length, RB_PATH_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
