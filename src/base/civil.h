// SPDX-License-Identifier: MIT
// Calendar arithmetic without libc's locale, time zone or locks (proleptic Gregorian, UTC).
#ifndef RB_ENGINE_CIVIL_H
#define RB_ENGINE_CIVIL_H

#include <stdint.h>

struct rb_civil {
    int64_t year;
    int month; // 1..12
    int day;   // 1..31
    int hour, minute, second;
};

// Seconds since 1970-01-01T00:00:00Z of a valid UTC date and time (second may be 60). Pure.
int64_t rb_civil_to_unix(const struct rb_civil *civil);

// The UTC date and time of `unix_s`. Pure. Inverse of rb_civil_to_unix.
struct rb_civil rb_civil_from_unix(int64_t unix_s);

// Days in `month` (1..12) of `year`.
int rb_civil_month_days(int64_t year, int month);

#endif
