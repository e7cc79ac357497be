// SPDX-License-Identifier: MIT
// Tests of the hashes that are stored in the shared state. Their results may never change.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/hash.h"

// Vectors of RFC 9923.
static void test_bytes(void **state)
{
    (void) state;
    assert_int_equal(rb_hash_bytes(RB_HASH_BEGIN, "", 0), UINT64_C(0xcbf29ce484222325));
    assert_int_equal(rb_hash_bytes(RB_HASH_BEGIN, "a", 1), UINT64_C(0xaf63dc4c8601ec8c));
    assert_int_equal(rb_hash_bytes(RB_HASH_BEGIN, "foobar", 6), UINT64_C(0x85944171f73967e8));
    assert_int_equal(rb_hash_bytes(rb_hash_bytes(RB_HASH_BEGIN, "foo", 3), "bar", 3), UINT64_C(0x85944171f73967e8));
    assert_int_equal(rb_hash_bytes(RB_HASH_BEGIN, "\xff", 1), UINT64_C(0xaf64724c8602eb6e));
}

static void test_word(void **state)
{
    (void) state;
    assert_int_equal(rb_hash_word(0), 0);
    assert_int_equal(rb_hash_word(1), UINT64_C(0x9e3779b9e17d05ac));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
