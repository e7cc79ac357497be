// SPDX-License-Identifier: MIT
// glibc's list of libraries: both layouts, several entries of a name, lies and cuts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/doctor/ld_cache.h"

enum { CACHE_SIZE = 512, HEADER = 48, ENTRY = 24 };

static const char *const rows[][2] = {
    {"libc.so.6", "/lib/libc.so.6"}, {"liba.so.1", "/lib/32/liba.so.1"}, {"liba.so.1", "/lib/64/liba.so.1"}};

static void put(char *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

// Writes a cache at `from`, whose offsets count from there. Returns its end.
static size_t make(char *bytes, size_t from)
{
    char *cache = bytes + from;
    size_t text = HEADER + 3 * ENTRY;
    memcpy(cache, "glibc-ld.so.cache1.1", 20);
    put(cache + 20, 3);
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 2; j++) {
            put(cache + HEADER + i * ENTRY + 4 + 4 * j, (uint32_t) text);
            memcpy(cache + text, rows[i][j], strlen(rows[i][j]) + 1);
            text += strlen(rows[i][j]) + 1;
        }
    }
    return from + text;
}

static void expect_all(const char *bytes, size_t size)
{
    uint32_t at = 0;
    assert_string_equal(rb_ld_cache_next(bytes, size, "liba.so.1", &at), rows[1][1]);
    assert_string_equal(rb_ld_cache_next(bytes, size, "liba.so.1", &at), rows[2][1]);
    assert_null(rb_ld_cache_next(bytes, size, "liba.so.1", &at));
    at = 0;
    assert_string_equal(rb_ld_cache_next(bytes, size, "libc.so.6", &at), rows[0][1]);
    at = 0;
    assert_null(rb_ld_cache_next(bytes, size, "libc.so", &at));
}

static void test_layouts(void **state)
{
    char bytes[CACHE_SIZE] = "";
    (void) state;
    expect_all(bytes, make(bytes, 0));
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, "ld.so-1.7.0", 12); // three old entries of 12 bytes, then a gap up to the next multiple of 8
    put(bytes + 12, 3);
    expect_all(bytes, make(bytes, 56));
}

// Reads from a copy that ends where the cache ends.
static void use(const char *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);
    uint32_t at = 0;
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    for (const char *path; (path = rb_ld_cache_next(copy, size, "liba.so.1", &at));)
        assert_true(path >= copy && path + strlen(path) < copy + size);
    free(copy);
}

static void test_cuts_and_lies(void **state)
{
    char bytes[CACHE_SIZE] = "";
    (void) state;
    size_t size = make(bytes, 0);
    for (size_t cut = 0; cut <= size; cut++)
        use(bytes, cut);
    for (size_t at = 0; at < size; at++) {
        char before = bytes[at];
        for (int value = 0; value < 256; value += 51) {
            bytes[at] = (char) value;
            use(bytes, size);
        }
        bytes[at] = before;
    }
    memcpy(bytes, "ld.so-1.7.0", 12);
    put(bytes + 12, UINT32_MAX);
    use(bytes, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_cuts_and_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
