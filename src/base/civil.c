// SPDX-License-Identifier: MIT
// Conversion between dates of the proleptic Gregorian calendar and seconds since 1970.
#include "base/civil.h"

#include <stdbool.h>

enum { DAY_S = 86400, HOUR_S = 3600, MINUTE_S = 60 };
enum { CYCLE_YEARS = 400, CYCLE_DAYS = 146097 }; // the calendar repeats after 400 years
enum { EPOCH_DAY = 719528 };                     // 1970-01-01, counted from 0000-01-01

// Years beyond this limit do not fit in 64-bit seconds by a wide margin. Clamping to it avoids overflow in the day
// count.
static const int64_t year_limit = INT64_C(300000000000);

static int64_t floor_div(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

static int64_t floor_mod(int64_t value, int64_t divisor)
{
    int64_t rest = value % divisor;
    return rest < 0 ? rest + divisor : rest;
}

// Returns the days from 1 January of year 0 to 1 January of year `year` of a cycle, 0 to 400.
static int64_t days_before(int64_t year)
{
    int64_t past = year - 1;
    return year > 0 ? year * 365 + past / 4 - past / 100 + past / 400 + 1 : 0;
}

int rb_civil_month_days(int64_t year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12)
        return 0;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int64_t day_number(const struct rb_civil *civil)
{
    int64_t year = civil->year;
    if (year > year_limit)
        year = year_limit;
    if (year < -year_limit)
        year = -year_limit;
    int64_t day = floor_div(year, CYCLE_YEARS) * CYCLE_DAYS + days_before(floor_mod(year, CYCLE_YEARS));
    for (int month = 1; month < civil->month && month <= 12; month++)
        day += rb_civil_month_days(year, month);
    return day + civil->day - 1 - EPOCH_DAY;
}

int64_t rb_civil_to_unix(const struct rb_civil *civil)
{
    int64_t day = day_number(civil);
    int64_t second = (int64_t) civil->hour * HOUR_S + (int64_t) civil->minute * MINUTE_S + civil->second;
    int64_t result;
    // The smallest representable second lies within a day, not at its start. Moving one day into `second` keeps the
    // product below from overflowing there.
    if (day < 0) {
        day++;
        second -= DAY_S;
    }
    if (__builtin_mul_overflow(day, (int64_t) DAY_S, &result) || __builtin_add_overflow(result, second, &result))
        return day < 0 ? INT64_MIN : INT64_MAX;
    return result;
}

struct rb_civil rb_civil_from_unix(int64_t unix_s)
{
    int64_t day = floor_div(unix_s, DAY_S) + EPOCH_DAY;
    int second = (int) floor_mod(unix_s, DAY_S);
    int64_t rest = floor_mod(day, CYCLE_DAYS);
    int64_t year = rest / 365; // may be one too large because of leap days
    if (days_before(year) > rest)
        year--;
    rest -= days_before(year);
    struct rb_civil civil = {.year = floor_div(day, CYCLE_DAYS) * CYCLE_YEARS + year, .month = 1};
    for (; rest >= rb_civil_month_days(civil.year, civil.month); civil.month++)
        rest -= rb_civil_month_days(civil.year, civil.month);
    civil.day = (int) rest + 1;
    civil.hour = second / HOUR_S;
    civil.minute = second % HOUR_S / MINUTE_S;
    civil.second = second % MINUTE_S;
    return civil;
}
