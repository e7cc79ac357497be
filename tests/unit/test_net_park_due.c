// SPDX-License-Identifier: MIT
// Due times of connects in flight: the heap against a plain array.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/park/due.h"

enum { STEPS = 200000, SOME = 500 };

static uint64_t expected[RB_DUE_SLOTS];

static uint32_t dice(uint32_t sides)
{
    static uint32_t seed = 1;
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % sides;
}

static uint64_t earliest(void)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < SOME; i++)
        first = expected[i] < first ? expected[i] : first;
    return first;
}

static int clear(void **state)
{
    (void) state;
    for (unsigned i = 0; i < RB_DUE_SLOTS; i++) {
        rb_due_set_locked(i, UINT64_MAX);
        expected[i] = UINT64_MAX;
    }
    return 0;
}

static void test_never_at_first(void **state)
{
    unsigned slot = 0;
    (void) state;
    assert_true(rb_due_at_locked(RB_DUE_SLOTS - 1) == UINT64_MAX);
    assert_true(rb_due_next_ms == UINT64_MAX);
    assert_false(rb_due_next_locked(&slot, UINT64_MAX));
    assert_false(rb_due_take_locked(7, 1000));
}

static void test_random_changes(void **state)
{
    (void) state;
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned slot = dice(SOME);
        uint64_t now = dice(1000), due = dice(4) ? dice(1000) : UINT64_MAX, first = earliest();
        switch (dice(3)) {
        case 0:
            rb_due_set_locked(slot, due);
            expected[slot] = due;
            break;
        case 1:
            assert_int_equal(rb_due_take_locked(slot, now), expected[slot] <= now);
            expected[slot] = expected[slot] <= now ? UINT64_MAX : expected[slot];
            break;
        default:
            assert_int_equal(rb_due_next_locked(&slot, now), first <= now);
            if (first <= now) {
                assert_true(expected[slot] == first);
                expected[slot] = UINT64_MAX;
            }
            break;
        }
        assert_true(rb_due_at_locked(slot) == expected[slot]);
        assert_true(rb_due_next_ms == earliest());
    }
}

// All slots at once, in order of their due times.
static void test_full(void **state)
{
    unsigned slot = 0;
    (void) state;
    for (unsigned i = 0; i < RB_DUE_SLOTS; i++)
        rb_due_set_locked(i, 1 + i * 7919U % RB_DUE_SLOTS);
    for (uint64_t due = 1; due <= RB_DUE_SLOTS; due++) {
        assert_true(rb_due_next_ms == due);
        assert_false(rb_due_next_locked(&slot, due - 1));
        assert_true(rb_due_next_locked(&slot, due));
        assert_int_equal(1 + slot * 7919U % RB_DUE_SLOTS, due);
    }
    assert_false(rb_due_next_locked(&slot, UINT64_MAX));
}

static void test_repair(void **state)
{
    unsigned slot = 0;
    (void) state;
    rb_due_set_locked(5, 50);
    rb_due_set_locked(3, 30);
    rb_due_set_locked(4, 40);
    rb_due_set_locked(3, UINT64_MAX);
    rb_due_repair_locked();
    assert_true(rb_due_next_ms == 40);
    assert_true(rb_due_next_locked(&slot, 50));
    assert_int_equal(slot, 4);
    assert_true(rb_due_next_locked(&slot, 50));
    assert_int_equal(slot, 5);
    assert_false(rb_due_next_locked(&slot, 50));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_at_first),
        cmocka_unit_test_setup(test_random_changes, clear),
        cmocka_unit_test_setup(test_full, clear),
        cmocka_unit_test_setup(test_repair, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
