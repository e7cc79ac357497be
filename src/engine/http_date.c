// SPDX-License-Identifier: MIT
// A strict parser for the three forms of HTTP-date.
#include "engine/http_date.h"

#include <errno.h>

#include "base/civil.h"

enum { CENTURY = 100, FUTURE_YEARS = 50 };

// The unread rest of a field value. Readers move `at` past the text that they accept.
struct text {
    const char *at;
    const char *end;
};

static bool skip(struct text *text, const char *word)
{
    size_t length = strlen(word);
    if ((size_t) (text->end - text->at) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

// Reads min to max digits (max at most 4, so that an int holds them); a further digit is an error.
static bool number(struct text *text, int min, int max, int *value)
{
    int count = 0;
    *value = 0;
    for (; count < max && text->at < text->end && rb_char_digit(text->at[0]); count++)
        *value = *value * 10 + (*text->at++ - '0');
    return count >= min && (text->at == text->end || !rb_char_digit(text->at[0]));
}

// Reads one of `words`, which are separated by spaces; *index receives its number. No word may be a prefix of another.
static bool one_of(struct text *text, const char *words, int *index)
{
    for (*index = 0; *words != '\0'; (*index)++) {
        size_t length = strcspn(words, " ");
        if ((size_t) (text->end - text->at) >= length && memcmp(text->at, words, length) == 0) {
            text->at += length;
            return true;
        }
        words += length;
        words += strspn(words, " ");
    }
    return false;
}

static bool month_name(struct text *text, int *month)
{
    if (!one_of(text, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", month))
        return false;
    (*month)++;
    return true;
}

static bool clock_time(struct text *text, struct rb_civil *date)
{
    return number(text, 2, 2, &date->hour) && skip(text, ":") && number(text, 2, 2, &date->minute) && skip(text, ":") &&
           number(text, 2, 2, &date->second);
}

// Reads " GMT", " UTC" or " +hhmm". *east receives the zone's offset in seconds east of UTC.
static bool zone(struct text *text, int *east)
{
    int sign, digits;
    *east = 0;
    if (skip(text, " GMT") || skip(text, " UTC"))
        return true;
    if (skip(text, " +"))
        sign = 1;
    else if (skip(text, " -"))
        sign = -1;
    else
        return false;
    if (!number(text, 4, 4, &digits) || digits / 100 > 23 || digits % 100 > 59)
        return false;
    *east = sign * (digits / 100 * 3600 + digits % 100 * 60);
    return true;
}

// "03 Jun 2019 11:30:12 GMT", after "Mon, "
static bool imf_date(struct text *text, struct rb_civil *date, int *east)
{
    int year;
    if (!number(text, 1, 2, &date->day) || !skip(text, " ") || !month_name(text, &date->month) || !skip(text, " ") ||
        !number(text, 4, 4, &year) || !skip(text, " ") || !clock_time(text, date))
        return false;
    date->year = year;
    return zone(text, east);
}

// Two digits mean the latest such year that is not more than 50 years ahead (RFC 9110, section 5.6.7).
static void choose_century(struct rb_civil *date, int64_t now_unix_s)
{
    struct rb_civil limit = rb_civil_from_unix(now_unix_s);
    int64_t digits = date->year;
    limit.year += FUTURE_YEARS;
    date->year = limit.year - ((limit.year % CENTURY) + CENTURY) % CENTURY + digits;
    if (rb_civil_to_unix(date) > rb_civil_to_unix(&limit))
        date->year -= CENTURY;
}

// "03-Jun-19 11:30:12 GMT", after "Monday, "
static bool rfc850_date(struct text *text, struct rb_civil *date, int *east, int64_t now_unix_s)
{
    int year;
    if (!number(text, 1, 2, &date->day) || !skip(text, "-") || !month_name(text, &date->month) || !skip(text, "-") ||
        !number(text, 2, 2, &year) || !skip(text, " ") || !clock_time(text, date))
        return false;
    date->year = year;
    choose_century(date, now_unix_s);
    return zone(text, east);
}

// "Jun  3 11:30:12 2019", after "Mon "
static bool asctime_date(struct text *text, struct rb_civil *date)
{
    int year;
    if (!month_name(text, &date->month) || !skip(text, " "))
        return false;
    bool padded = skip(text, " ");
    if (!number(text, padded ? 1 : 2, padded ? 1 : 2, &date->day) || !skip(text, " ") || !clock_time(text, date) ||
        !skip(text, " ") || !number(text, 4, 4, &year))
        return false;
    date->year = year;
    return true;
}

// The name of the day determines the form. It is not compared with the date.
static bool any_date(struct text *text, int64_t now_unix_s, struct rb_civil *date, int *east)
{
    int day;
    *east = 0;
    if (one_of(text, "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday,", &day))
        return skip(text, " ") && rfc850_date(text, date, east, now_unix_s);
    if (!one_of(text, "Mon Tue Wed Thu Fri Sat Sun", &day))
        return false;
    if (skip(text, ", "))
        return imf_date(text, date, east);
    return skip(text, " ") && asctime_date(text, date);
}

int rb_http_date_parse(struct rb_slice value, int64_t now_unix_s, int64_t *unix_s)
{
    struct text text = {value.at, value.at + value.length};
    struct rb_civil date = {0};
    int east;
    if (value.length == 0 || !any_date(&text, now_unix_s, &date, &east) || text.at != text.end)
        return -EINVAL;
    bool valid = date.day >= 1 && date.day <= rb_civil_month_days(date.year, date.month) && date.hour <= 23 &&
                 date.minute <= 59 && date.second <= 60;
    if (!valid)
        return -EINVAL;
    *unix_s = rb_civil_to_unix(&date) - east;
    return 0;
}
