// SPDX-License-Identifier: MIT
// The list in LD_PRELOAD: its other entries are kept, and the library is added once at the right place.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/run/preload.h"

static const char ours[] = "/opt/r/librebound.so";

static void test_join(void **state)
{
    static const struct {
        const char *before, *after;
    } rows[] = {
        {NULL, "/opt/r/librebound.so"},
        {"", "/opt/r/librebound.so"},
        {" : ", "/opt/r/librebound.so"},
        {"libasan.so.8", "libasan.so.8:/opt/r/librebound.so"},
        {"/a.so /b.so", "/a.so:/b.so:/opt/r/librebound.so"},
        {"/a.so::/b.so:", "/a.so:/b.so:/opt/r/librebound.so"},
        {"/opt/r/librebound.so", "/opt/r/librebound.so"},
        {"/a.so:/opt/r/librebound.so:/b.so", "/a.so:/opt/r/librebound.so:/b.so"},
        {"/old/librebound.so /b.so", "/opt/r/librebound.so:/b.so"},
        {"librebound.so:/a.so:/opt/r/librebound.so", "/opt/r/librebound.so:/a.so"},
        {"/x/notlibrebound.so:/librebound.so.d/a.so", "/x/notlibrebound.so:/librebound.so.d/a.so:/opt/r/librebound.so"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *list = rb_preload_join(rows[i].before, ours);
        assert_string_equal(list, rows[i].after);
        char *again = rb_preload_join(list, ours);
        assert_string_equal(again, list);
        free(list);
        free(again);
    }
}

static void test_asan_options(void **state)
{
    static const struct {
        const char *before, *after;
    } rows[] = {
        {NULL, "verify_asan_link_order=0"},
        {"", "verify_asan_link_order=0"},
        {"detect_leaks=0:halt_on_error=0", "verify_asan_link_order=0:detect_leaks=0:halt_on_error=0"},
        {"verify_asan_link_order=1", "verify_asan_link_order=1"},
        {"detect_leaks=0 verify_asan_link_order=0", "detect_leaks=0 verify_asan_link_order=0"},
    };
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *options = rb_preload_asan_options(rows[i].before);
        assert_string_equal(options, rows[i].after);
        free(options);
    }
}

static void test_name(void **state)
{
    char name[64];
    (void) state;
    assert_int_equal(rb_preload_name("/nowhere/librebound.so", name, sizeof(name)), 0);
    assert_string_equal(name, "/nowhere/librebound.so");
    assert_int_equal(rb_preload_name("/nowhere/librebound.so", name, 22), -ENAMETOOLONG);
}

static void test_names_us(void **state)
{
    (void) state;
    assert_false(rb_preload_names_us(NULL));
    assert_false(rb_preload_names_us("/a.so:/notlibrebound.so"));
    assert_true(rb_preload_names_us("/a.so /old/librebound.so"));
    assert_true(rb_preload_names_us("librebound.so"));
}

static void test_can_hold(void **state)
{
    (void) state;
    assert_true(rb_preload_can_hold(ours));
    assert_false(rb_preload_can_hold("/my dir/librebound.so"));
    assert_false(rb_preload_can_hold("/a:b/librebound.so"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),     cmocka_unit_test(test_asan_options), cmocka_unit_test(test_name),
        cmocka_unit_test(test_names_us), cmocka_unit_test(test_can_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
