// SPDX-License-Identifier: MIT
// Not-before: the latest wish counts, and who waits comes in a slot of his own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/not_before.h"
#include "engine/reading.h"

enum { MAX_MS = 60000 };

static void test_no_wish(void **state)
{
    struct rb_not_before not_before = {0};
    uint32_t numbers = 9;
    (void) state;
    assert_int_equal(rb_not_before_take(&not_before, MAX_MS, 1000), 0);
    assert_int_equal(rb_not_before_left_ms(&not_before, 1000, &numbers), 0);
    assert_int_equal(numbers, 0);
}

static void test_slots(void **state)
{
    struct rb_not_before not_before = {0};
    uint32_t numbers;
    (void) state;
    rb_not_before_set(&not_before, 2000, 1000);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(rb_not_before_take(&not_before, MAX_MS, 1000), 2000 + i * RB_NOT_BEFORE_SLOT_MS);
    assert_int_equal(rb_not_before_left_ms(&not_before, 1500, &numbers), 1500);
    assert_int_equal(numbers, 5);
    assert_int_equal(rb_not_before_take(&not_before, MAX_MS, 3000), 0); // it is over
}

// The numbers of the slots start again at 0. No caller waits longer than twice the time that the host asked for.
static void test_slots_come_round(void **state)
{
    struct rb_not_before not_before = {0};
    (void) state;
    rb_not_before_set(&not_before, 100, 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_in_range(rb_not_before_take(&not_before, MAX_MS, 0), 100, 199);
    rb_not_before_set(&not_before, 1, 200);
    for (unsigned i = 0; i < 100; i++)
        assert_in_range(rb_not_before_take(&not_before, MAX_MS, 200), 1, 1);
}

static void test_the_later_wish_counts(void **state)
{
    struct rb_not_before not_before = {0};
    (void) state;
    rb_not_before_set(&not_before, 5000, 0);
    rb_not_before_set(&not_before, 1000, 100);
    assert_int_equal(rb_not_before_left_ms(&not_before, 100, NULL), 4900);
    rb_not_before_take(&not_before, MAX_MS, 100);
    rb_not_before_set(&not_before, 9000, 100); // who waits already keeps his number
    assert_int_equal(rb_not_before_take(&not_before, MAX_MS, 100), 9000 + RB_NOT_BEFORE_SLOT_MS);
    rb_not_before_set(&not_before, 1000, 20000); // a new one begins anew
    assert_int_equal(rb_not_before_take(&not_before, MAX_MS, 20000), 1000);
}

static void test_what_is_not_believed(void **state)
{
    struct rb_not_before not_before = {UINT64_MAX};
    (void) state;
    assert_int_equal(rb_not_before_take(&not_before, MAX_MS, 1000), 0);
    rb_not_before_set(&not_before, UINT64_MAX, 1000);
    assert_int_equal(rb_not_before_take(&not_before, MAX_MS, 1000), 0);
    rb_not_before_set(&(struct rb_not_before){0}, MAX_MS + 1, 1000);
}

// A time that no host can have asked for (by another clock, or a damaged word) counts as none, and gives way.
static void test_a_time_of_another_clock(void **state)
{
    const uint64_t ahead = UINT64_C(100) * 24 * 3600 * 1000, now_ms = 50000;
    struct rb_not_before not_before = {0};
    uint32_t numbers = 9;
    (void) state;
    rb_not_before_set(&not_before, 2000, ahead);
    rb_not_before_take(&not_before, MAX_MS, ahead);
    assert_int_equal(rb_not_before_left_ms(&not_before, now_ms, &numbers), 0);
    assert_int_equal(numbers, 0);
    assert_int_equal(rb_not_before_take(&not_before, UINT64_MAX, now_ms), 0);
    rb_not_before_set(&not_before, 3000, now_ms);
    assert_int_equal(rb_not_before_left_ms(&not_before, now_ms, NULL), 3000);
    assert_int_equal(rb_not_before_take(&not_before, MAX_MS, now_ms), 3000); // the first number
}

// The longest wish is a day, and a clock reading that is a little old takes nothing of it.
static void test_the_longest_wish(void **state)
{
    struct rb_not_before not_before = {0};
    (void) state;
    rb_not_before_set(&not_before, UINT64_MAX, 1000000);
    assert_int_equal(rb_not_before_left_ms(&not_before, 1000000, NULL), RB_NOT_BEFORE_MAX_MS);
    rb_not_before_set(&not_before, 5000, 1000000 - RB_READINGS_APART_MS);
    assert_int_equal(rb_not_before_left_ms(&not_before, 1000000, NULL), RB_NOT_BEFORE_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_wish),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_slots_come_round),
        cmocka_unit_test(test_the_later_wish_counts),
        cmocka_unit_test(test_what_is_not_believed),
        cmocka_unit_test(test_a_time_of_another_clock),
        cmocka_unit_test(test_the_longest_wish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
