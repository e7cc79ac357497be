// SPDX-License-Identifier: MIT
// Tests of the calendar arithmetic against known dates, libc and itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/civil.h"

static void assert_date(int64_t unix_s, struct rb_civil want)
{
    struct rb_civil got = rb_civil_from_unix(unix_s);
    assert_int_equal(got.year, want.year);
    assert_int_equal(got.month, want.month);
    assert_int_equal(got.day, want.day);
    assert_int_equal(got.hour, want.hour);
    assert_int_equal(got.minute, want.minute);
    assert_int_equal(got.second, want.second);
    assert_int_equal(rb_civil_to_unix(&got), unix_s);
}

static void test_known_dates(void **state)
{
    (void) state;
    assert_date(0, (struct rb_civil){1970, 1, 1, 0, 0, 0});
    assert_date(-1, (struct rb_civil){1969, 12, 31, 23, 59, 59});
    assert_date(1559559600, (struct rb_civil){2019, 6, 3, 11, 0, 0});
    assert_date(951782400, (struct rb_civil){2000, 2, 29, 0, 0, 0});
    assert_date(253402300799, (struct rb_civil){9999, 12, 31, 23, 59, 59});
    assert_date(-62167219200, (struct rb_civil){0, 1, 1, 0, 0, 0});
    assert_date(-62167219201, (struct rb_civil){-1, 12, 31, 23, 59, 59});
    assert_date(INT64_MAX, (struct rb_civil){292277026596, 12, 4, 15, 30, 7});
    assert_date(INT64_MIN, (struct rb_civil){-292277022657, 1, 27, 8, 29, 52});
    assert_date(INT64_MIN + 1, (struct rb_civil){-292277022657, 1, 27, 8, 29, 53});
}

// Every day of eight centuries, forwards and backwards, beside libc's gmtime.
static void test_round_trip(void **state)
{
    (void) state;
    for (int64_t day = -146097; day <= 146097; day++) {
        time_t t = (time_t) (day * 86400 + (day & 0xffff));
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        assert_date(t,
                    (struct rb_civil){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec});
    }
}

static void test_month_days(void **state)
{
    (void) state;
    assert_int_equal(rb_civil_month_days(2019, 2), 28);
    assert_int_equal(rb_civil_month_days(2020, 2), 29);
    assert_int_equal(rb_civil_month_days(1900, 2), 28);
    assert_int_equal(rb_civil_month_days(2000, 2), 29);
    assert_int_equal(rb_civil_month_days(-4, 2), 29);
    assert_int_equal(rb_civil_month_days(2019, 4), 30);
    assert_int_equal(rb_civil_month_days(2019, 12), 31);
    assert_int_equal(rb_civil_month_days(2019, 0), 0);
    assert_int_equal(rb_civil_month_days(2019, 13), 0);
}

// A date that 64 bits cannot hold gives the nearest time that they can.
static void test_saturation(void **state)
{
    (void) state;
    struct rb_civil late = {INT64_MAX, 12, 31, 23, 59, 60}, early = {INT64_MIN, 1, 1, 0, 0, 0};
    struct rb_civil after = {292277026596, 12, 4, 15, 30, 8}, before = {-292277022657, 1, 27, 8, 29, 51};
    assert_int_equal(rb_civil_to_unix(&late), INT64_MAX);
    assert_int_equal(rb_civil_to_unix(&early), INT64_MIN);
    assert_int_equal(rb_civil_to_unix(&after), INT64_MAX);
    assert_int_equal(rb_civil_to_unix(&before), INT64_MIN);
}

static void test_leap_second(void **state)
{
    (void) state;
    struct rb_civil leap = {2016, 12, 31, 23, 59, 60}, next = {2017, 1, 1, 0, 0, 0};
    assert_int_equal(rb_civil_to_unix(&leap), rb_civil_to_unix(&next));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_dates), cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_month_days),
        cmocka_unit_test(test_saturation),  cmocka_unit_test(test_leap_second),
    };
    return cmocka_run_group_tests_name("engine civil", tests, NULL, NULL);
}
