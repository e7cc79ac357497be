// SPDX-License-Identifier: MIT
// Calendar arithmetic in UTC (proleptic Gregorian). It does not use libc, which may take locks and depends on the
// locale and time zone.
#ifndef RB_BASE_CIVIL_H
#define RB_BASE_CIVIL_H

#include <stdint.h>

struct rb_civil {
    int64_t year;
    int month; // 1..12
    int day;   // 1..31
    int hour, minute, second;
};

// Returns the seconds since 1970-01-01T00:00:00Z of a valid UTC date and time. second may be 60. The result is clamped
// to the range of int64_t. Pure.
int64_t rb_civil_to_unix(const struct rb_civil *civil);

// Returns the UTC date and time of `unix_s`. Pure. Inverse of rb_civil_to_unix.
struct rb_civil rb_civil_from_unix(int64_t unix_s);

// Returns the number of days in `month` (1..12) of `year`; 0 for another month.
int rb_civil_month_days(int64_t year, int month);

#endif
