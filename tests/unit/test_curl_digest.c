// SPDX-License-Identifier: MIT
// The running hash of a body. It does not depend on the size of the pieces, and each change of the body changes it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "curl/response/digest.h"

enum { SIZE = 3 * RB_DIGEST_BLOCK + 100 };

static unsigned char body[SIZE];

static void fill(void)
{
    for (uint32_t i = 0; i < SIZE; i++)
        body[i] = (unsigned char) (i * 2654435761U >> 24);
}

static struct rb_digest sum(bool sampled, size_t length, size_t piece)
{
    struct rb_digest digest = {.sampled = sampled};
    for (size_t at = 0; at < length; at += piece)
        rb_digest_add(&digest, body + at, piece < length - at ? piece : length - at);
    return digest;
}

static void test_pieces_of_any_size(void **state)
{
    (void) state;
    for (int sampled = 0; sampled < 2; sampled++) {
        struct rb_digest whole = sum(sampled, SIZE, SIZE);
        assert_int_equal(whole.offset, SIZE);
        for (size_t piece = 1; piece < 600; piece++) {
            struct rb_digest pieces = sum(sampled, SIZE, piece);
            assert_true(rb_digest_equal(&whole, &pieces));
        }
    }
}

static void test_every_length_differs(void **state)
{
    (void) state;
    for (size_t length = 0; length < 1000; length++) {
        struct rb_digest shorter = sum(false, length, SIZE), longer = sum(false, length + 1, SIZE);
        assert_false(rb_digest_equal(&shorter, &longer));
    }
}

// A hash of the whole body sees each changed byte. A hash of samples sees a changed byte within a sample only.
static void test_every_changed_byte(void **state)
{
    (void) state;
    for (int sampled = 0; sampled < 2; sampled++)
        for (size_t length = SIZE - 70; length <= SIZE; length += 35) {
            struct rb_digest before = sum(sampled, length, SIZE);
            for (size_t at = 0; at < length; at++) {
                body[at] ^= 0x80;
                struct rb_digest after = sum(sampled, length, SIZE);
                body[at] ^= 0x80;
                bool seen = !sampled || at % RB_DIGEST_BLOCK < RB_DIGEST_SAMPLE;
                assert_int_equal(rb_digest_equal(&before, &after), !seen);
            }
        }
}

static void test_exchanged_stripes(void **state)
{
    struct rb_digest before = sum(false, SIZE, SIZE);
    (void) state;
    for (size_t at = 0; at + 2 * RB_DIGEST_STRIPE <= SIZE; at += RB_DIGEST_STRIPE) {
        unsigned char saved[2 * RB_DIGEST_STRIPE];
        memcpy(saved, body + at, sizeof(saved));
        memcpy(body + at, saved + RB_DIGEST_STRIPE, RB_DIGEST_STRIPE);
        memcpy(body + at + RB_DIGEST_STRIPE, saved, RB_DIGEST_STRIPE);
        struct rb_digest after = sum(false, SIZE, SIZE);
        memcpy(body + at, saved, sizeof(saved));
        assert_false(rb_digest_equal(&before, &after));
    }
}

// A stripe of zeros more or less is seen by its place.
static void test_moved_among_zeros(void **state)
{
    (void) state;
    memset(body, 0, SIZE);
    body[0] = 1;
    struct rb_digest here = sum(false, SIZE, SIZE);
    body[0] = 0;
    body[5 * RB_DIGEST_STRIPE] = 1;
    struct rb_digest there = sum(false, SIZE, SIZE);
    assert_false(rb_digest_equal(&here, &there));
    fill();
}

static void test_a_copy_is_a_mark(void **state)
{
    struct rb_digest digest = sum(false, 100, 7), mark = digest;
    (void) state;
    rb_digest_add(&digest, body, 50);
    digest = mark;
    rb_digest_add(&digest, body + 100, 900);
    struct rb_digest whole = sum(false, 1000, 1000);
    assert_true(rb_digest_equal(&digest, &whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_any_size), cmocka_unit_test(test_every_length_differs),
        cmocka_unit_test(test_every_changed_byte), cmocka_unit_test(test_exchanged_stripes),
        cmocka_unit_test(test_moved_among_zeros),  cmocka_unit_test(test_a_copy_is_a_mark),
    };
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
