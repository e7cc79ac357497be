// SPDX-License-Identifier: MIT
// Parses decimal numbers, Go durations, RFC 3339 times and names of AWS errors.
#include "engine/hint_value.h"

#include "base/arithmetic.h"
#include "base/civil.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60 * SECOND_MS, HOUR_MS = 60 * MINUTE_MS };
#define EPOCH_SECONDS_MIN UINT64_C(1000000000) // 2001; a smaller number is a delay
#define EPOCH_MS_MIN UINT64_C(1000000000000)   // 2001 in milliseconds

// Reads digits with an optional fraction from the start of `rest`. *part receives the fraction in thousandths, rounded
// up; it may be 1000.
static bool hint_value_take(struct rb_slice *rest, uint64_t *whole, uint64_t *part)
{
    size_t i = 0, begin;
    *whole = *part = 0;
    for (; i < rest->length && rb_char_digit(rest->at[i]); i++)
        *whole = rb_arithmetic_add(rb_arithmetic_mul(*whole, 10), (uint64_t) (rest->at[i] - '0'));
    if (i == 0)
        return false;
    if (i < rest->length && rest->at[i] == '.') {
        bool more = false;
        unsigned scale = 100;
        for (begin = ++i; i < rest->length && rb_char_digit(rest->at[i]); i++) {
            *part += scale * (unsigned) (rest->at[i] - '0');
            more |= scale == 0 && rest->at[i] != '0';
            scale /= 10;
        }
        if (i == begin)
            return false;
        *part += more;
    }
    rest->at += i;
    rest->length -= i;
    return true;
}

// Returns a number in milliseconds, rounded up.
static uint64_t hint_value_scale(uint64_t whole, uint64_t part, uint64_t unit_ms)
{
    return rb_arithmetic_add(rb_arithmetic_mul(whole, unit_ms), (part * unit_ms + 999) / 1000);
}

bool rb_hint_value_decimal(struct rb_slice value, unsigned unit_ms, uint64_t *ms)
{
    uint64_t whole, part;
    if (!hint_value_take(&value, &whole, &part) || value.length > 0)
        return false;
    *ms = hint_value_scale(whole, part, unit_ms);
    return true;
}

// Takes the unit of a Go duration. Returns its milliseconds, 0 if there is none. Each unit is smaller than the one
// before.
static uint64_t hint_value_unit(struct rb_slice *rest, uint64_t previous_ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"h", HOUR_MS}, {"m", MINUTE_MS}, {"s", SECOND_MS}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t length = strlen(units[i].name);
        if (rest->length < length || memcmp(rest->at, units[i].name, length) != 0)
            continue;
        rest->at += length;
        rest->length -= length;
        return units[i].ms < previous_ms ? units[i].ms : 0;
    }
    return 0;
}

static bool hint_value_duration(struct rb_slice value, uint64_t *ms)
{
    uint64_t whole, part, unit_ms = UINT64_MAX;
    for (*ms = 0; value.length > 0;) {
        if (!hint_value_take(&value, &whole, &part))
            return false;
        unit_ms = hint_value_unit(&value, unit_ms);
        if (unit_ms == 0)
            return false;
        *ms = rb_arithmetic_add(*ms, hint_value_scale(whole, part, unit_ms));
    }
    return true;
}

// Reads `count` digits at `at`.
static bool hint_value_digits(const char *at, size_t count, int *number)
{
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if (!rb_char_digit(at[i]))
            return false;
        *number = *number * 10 + (at[i] - '0');
    }
    return true;
}

// "2026-11-29T12:00:21Z", with an optional fraction of a second, which is rounded up.
static bool hint_value_rfc3339(struct rb_slice value, uint64_t *ms)
{
    enum { SHORTEST = 20, SECOND_AT = 17 };
    struct rb_civil date = {0};
    int year;
    uint64_t whole, part;
    if (value.length < SHORTEST || value.at[4] != '-' || value.at[7] != '-' || rb_char_lower(value.at[10]) != 't' ||
        value.at[13] != ':' || value.at[16] != ':' || rb_char_lower(value.at[value.length - 1]) != 'z')
        return false;
    if (!hint_value_digits(value.at, 4, &year) || !hint_value_digits(value.at + 5, 2, &date.month) ||
        !hint_value_digits(value.at + 8, 2, &date.day) || !hint_value_digits(value.at + 11, 2, &date.hour) ||
        !hint_value_digits(value.at + 14, 2, &date.minute) || !hint_value_digits(value.at + SECOND_AT, 2, &date.second))
        return false;
    struct rb_slice seconds = {value.at + SECOND_AT, value.length - SECOND_AT - 1};
    date.year = year;
    if (!hint_value_take(&seconds, &whole, &part) || seconds.length > 0 || whole > 60 || date.hour > 23 ||
        date.minute > 59 || date.day < 1 || date.day > rb_civil_month_days(date.year, date.month))
        return false;
    int64_t unix_s = rb_civil_to_unix(&date);
    if (unix_s <= 0)
        return false;
    *ms = rb_arithmetic_mul((uint64_t) unix_s, SECOND_MS) + part;
    return true;
}

enum rb_hint_value rb_hint_value_reset(struct rb_slice value, uint64_t *ms)
{
    struct rb_slice rest = value;
    uint64_t whole, part;
    if (value.length == 0)
        return RB_HINT_VALUE_INVALID;
    if (hint_value_take(&rest, &whole, &part) && rest.length == 0) {
        *ms = whole < EPOCH_MS_MIN ? hint_value_scale(whole, part, SECOND_MS) : whole;
        return whole < EPOCH_SECONDS_MIN ? RB_HINT_VALUE_DELAY : RB_HINT_VALUE_TIME;
    }
    if (hint_value_duration(value, ms))
        return RB_HINT_VALUE_DELAY;
    return hint_value_rfc3339(value, ms) ? RB_HINT_VALUE_TIME : RB_HINT_VALUE_INVALID;
}

bool rb_hint_value_aws_throttling(struct rb_slice value)
{
    static const char *const names[] = {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    };
    const char *colon = memchr(value.at, ':', value.length);
    value.length = colon ? (size_t) (colon - value.at) : value.length;
    const char *hash = memchr(value.at, '#', value.length);
    if (hash) {
        value.length -= (size_t) (hash + 1 - value.at);
        value.at = hash + 1;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (rb_slice_is(value, names[i]))
            return true;
    return false;
}
