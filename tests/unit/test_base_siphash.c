// SPDX-License-Identifier: MIT
// SipHash against the published values: key 00 01 .. 0f, input 00 01 .. (appendix A of the paper, and its reference
// code).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/siphash.h"

static const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static const struct {
    unsigned length;
    uint64_t hash;
} published[] = {
    {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},  {2, UINT64_C(0x0d6c8009d9a94f5a)},
    {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},  {9, UINT64_C(0x9e0082df0ba9e4b0)},
    {15, UINT64_C(0xa129ca6149be45e5)}, {16, UINT64_C(0x3f2acc7f57c29bdb)}, {31, UINT64_C(0x32d892fad841c342)},
    {63, UINT64_C(0x958a324ceb064572)},
};

enum { COUNT = sizeof(published) / sizeof(published[0]) };

// cut: the size of the pieces in which the input is given
static uint64_t hash_of(unsigned length, unsigned cut)
{
    struct rb_siphash hash;
    unsigned char input[64];
    for (unsigned i = 0; i < length; i++)
        input[i] = (unsigned char) i;
    rb_siphash_begin(&hash, key);
    for (unsigned at = 0; at < length; at += cut)
        rb_siphash_add(&hash, input + at, length - at < cut ? length - at : cut);
    return rb_siphash_end(&hash);
}

static void test_published(void **state)
{
    (void) state;
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(hash_of(published[i].length, 64), published[i].hash);
}

static void test_pieces(void **state)
{
    (void) state;
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned cut = 1; cut < 20; cut++)
            assert_int_equal(hash_of(published[i].length, cut), published[i].hash);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_published), cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests_name("engine siphash", tests, NULL, NULL);
}
