// SPDX-License-Identifier: MIT
// The schedule that `explain` prints, against figures worked out by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/policy/schedule.h"
#include "policy/key.h"

static struct rb_section_values values;
static struct rb_schedule schedule;

static void set(const char *key, const char *value)
{
    unsigned count, offset = 0;
    int index = rb_key_find(key);
    assert_true(index >= 0);
    assert_null(rb_key_kind_parse(&rb_key_table(&count)[index], &values, value, &offset));
}

static void compute(const char *attempts, const char *backoff, const char *jitter)
{
    rb_key_defaults(&values);
    set("retry.attempts", attempts);
    set("retry.backoff", backoff);
    set("retry.base", "1s");
    set("retry.cap", "5s");
    set("retry.jitter", jitter);
    rb_schedule_compute(&values.rules, &schedule);
}

static void expect(const uint64_t (*ranges)[2], uint32_t count)
{
    assert_int_equal(schedule.retries, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(schedule.retry[i].min_ms, ranges[i][0]);
        assert_int_equal(schedule.retry[i].max_ms, ranges[i][1]);
    }
}

static void test_exact(void **state)
{
    (void) state;
    compute("5", "exponential", "none");
    expect((const uint64_t[][2]){{1000, 1000}, {2000, 2000}, {4000, 4000}, {5000, 5000}}, 4);
    assert_int_equal(schedule.waits_ms, 12000);
    compute("4", "linear", "none");
    expect((const uint64_t[][2]){{1000, 1000}, {2000, 2000}, {3000, 3000}}, 3);
    compute("3", "fixed", "none");
    expect((const uint64_t[][2]){{1000, 1000}, {1000, 1000}}, 2);
}

static void test_ranges(void **state)
{
    (void) state;
    compute("5", "exponential", "full");
    expect((const uint64_t[][2]){{0, 1000}, {0, 2000}, {0, 4000}, {0, 5000}}, 4);
    compute("5", "exponential", "equal");
    expect((const uint64_t[][2]){{500, 1000}, {1000, 2000}, {2000, 4000}, {2500, 5000}}, 4);
    compute("5", "exponential", "500ms");
    expect((const uint64_t[][2]){{1000, 1500}, {2000, 2500}, {4000, 4500}, {5000, 5500}}, 4);
    compute("4", "fixed", "decorrelated");
    expect((const uint64_t[][2]){{1000, 3000}, {1000, 5000}, {1000, 5000}}, 3);
}

static void test_no_retries(void **state)
{
    (void) state;
    compute("1", "exponential", "full");
    expect(NULL, 0);
    assert_int_equal(schedule.worst_ms, 0);
}

// The waits, and the attempts where they have a limit; never over the total.
static void test_worst_case(void **state)
{
    (void) state;
    compute("3", "fixed", "none");
    assert_int_equal(schedule.worst_ms, 2000);
    set("timeout.attempt", "2s");
    rb_schedule_compute(&values.rules, &schedule);
    assert_int_equal(schedule.attempts_ms, 6000);
    assert_int_equal(schedule.worst_ms, 8000);
    set("timeout.total", "3s");
    rb_schedule_compute(&values.rules, &schedule);
    assert_int_equal(schedule.worst_ms, 3000);
}

// If the shortest waits before a retry add up to the total time, the retry can never begin.
static void test_what_fits(void **state)
{
    (void) state;
    compute("4", "fixed", "none");
    set("timeout.total", "2s");
    rb_schedule_compute(&values.rules, &schedule);
    assert_true(schedule.retry[0].fits);
    assert_false(schedule.retry[1].fits);
    assert_false(schedule.retry[2].fits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),      cmocka_unit_test(test_ranges),    cmocka_unit_test(test_no_retries),
        cmocka_unit_test(test_worst_case), cmocka_unit_test(test_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
