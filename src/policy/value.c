// SPDX-License-Identifier: MIT
// Parsers of durations, ratios, rates, numbers and words.
#include "policy/value.h"

const char rb_value_out_of_range[] = "out of range";
const char rb_value_unknown_word[] = "not a known word";
const char rb_value_path_too_long[] = "the path is too long";

const struct rb_scale rb_scale_count = {0, "", NULL};
const struct rb_scale rb_scale_factor = {3, "", NULL};
const struct rb_scale rb_scale_ratio = {2, "%", "a ratio needs a percent sign: 20%"};
const struct rb_scale rb_scale_rate = {3, "/s", "a rate needs its unit: 3/s"};

// The largest duration that is parsed, in milliseconds (over 3,000 years). The range of the key is checked afterwards.
static const uint64_t DURATION_READ_MAX = UINT64_C(100000000000000);

// The largest number of digits that is parsed, so that no multiplication below can overflow.
enum { NUMBER_DIGITS_MAX = 14 };

static const struct unit {
    const char *name;
    uint64_t ms;
    uint64_t least; // the shortest time that is written with this unit: one minute is "60s"
} units[] = {{"h", 3600000, 3600000}, {"m", 60000, 120000}, {"s", 1000, 1000}, {"ms", 1, 0}};

enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

// Reads digits at *text and moves *text after them. Returns their number; *out saturates.
static unsigned read_digits(const char **text, uint64_t *out)
{
    unsigned count = 0;
    *out = 0;
    for (; rb_char_digit(**text); (*text)++, count++)
        *out = count < NUMBER_DIGITS_MAX ? *out * 10 + (uint64_t) (**text - '0') : UINT64_MAX / 1000000;
    return count;
}

static const char *value_fail(unsigned *offset, const char *text, const char *at, const char *message)
{
    *offset = (unsigned) (at - text);
    return message;
}

static const char *read_duration(const char *text, unsigned *offset, uint64_t *ms)
{
    const char *at = text;
    uint64_t number;
    unsigned unit = 0;
    if (read_digits(&at, &number) == 0)
        return value_fail(offset, text, at, "a duration is a number with a unit: 2s, 250ms");
    if (*at == '\0')
        return value_fail(offset, text, text, "a duration needs a unit: 2s, 250ms");
    if (*at == '.')
        return value_fail(offset, text, at, "a duration has no decimals: 1500ms in place of 1.5s");
    while (unit < UNIT_COUNT && strcmp(units[unit].name, at) != 0)
        unit++;
    if (unit == UNIT_COUNT)
        return value_fail(offset, text, at, "the units of a duration are ms, s, m and h, right after the number");
    if (number > DURATION_READ_MAX / units[unit].ms)
        return value_fail(offset, text, text, rb_value_out_of_range);
    *ms = number * units[unit].ms;
    return NULL;
}

const char *rb_value_parse_duration(const char *text, uint64_t *ms)
{
    unsigned offset;
    return read_duration(text, &offset, ms);
}

unsigned long rb_value_write_duration(uint64_t ms, char *out, unsigned long size)
{
    struct rb_writer writer = rb_writer_on(out, size);
    for (unsigned i = 0; i < UNIT_COUNT; i++) {
        if (ms % units[i].ms == 0 && ms >= units[i].least) {
            rb_write_number(&writer, ms / units[i].ms);
            rb_write_text(&writer, units[i].name);
            break;
        }
    }
    return writer.length;
}

const char *rb_value_duration(const char *text, unsigned *offset, uint64_t low, uint64_t high, uint64_t *out)
{
    uint64_t ms;
    const char *wrong = read_duration(text, offset, &ms);
    if (wrong)
        return wrong;
    if (ms < low || ms > high)
        return value_fail(offset, text, text, rb_value_out_of_range);
    *out = ms;
    return NULL;
}

const char *rb_value_limit(const char *text, unsigned *offset, const char *word, uint64_t low, uint64_t high,
                           uint64_t *out)
{
    if (strcmp(text, word) == 0) {
        *out = 0;
        return NULL;
    }
    return rb_value_duration(text, offset, low, high, out);
}

const char *rb_value_count(const char *text, unsigned *offset, uint64_t low, uint64_t high, uint32_t *out)
{
    const char *at = text;
    uint64_t number;
    if (read_digits(&at, &number) == 0 || *at != '\0')
        return value_fail(offset, text, at, "not a whole number");
    if (number < low || number > high)
        return value_fail(offset, text, text, rb_value_out_of_range);
    *out = (uint32_t) number;
    return NULL;
}

// Reads the decimal places; *text is at the decimal point or after the number.
static const char *read_fraction(const char **text, unsigned decimals, uint64_t *number)
{
    bool point = **text == '.';
    *text += point;
    for (unsigned i = 0; i < decimals; i++) {
        bool digit = point && rb_char_digit(**text);
        if (point && i == 0 && !digit)
            return "a digit is missing after the decimal point";
        *number = *number * 10 + (digit ? (uint64_t) (**text - '0') : 0);
        *text += digit;
    }
    return point && rb_char_digit(**text) ? "too many decimals" : NULL;
}

const char *rb_value_scaled(const char *text, unsigned *offset, const struct rb_scale *scale, uint32_t low,
                            uint32_t high, uint32_t *out)
{
    const char *at = text;
    uint64_t number;
    if (read_digits(&at, &number) == 0)
        return value_fail(offset, text, at, "not a number");
    const char *wrong = read_fraction(&at, scale->decimals, &number);
    if (wrong)
        return value_fail(offset, text, at, wrong);
    if (*at == '\0' && scale->bare)
        return value_fail(offset, text, text, scale->bare);
    if (strcmp(at, scale->unit) != 0)
        return value_fail(offset, text, at, scale->bare ? scale->bare : "not a number");
    if (number < low || number > high)
        return value_fail(offset, text, text, rb_value_out_of_range);
    *out = (uint32_t) number;
    return NULL;
}

const char *rb_value_word(const char *text, unsigned *offset, const char *const *words, unsigned *out)
{
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return NULL;
        }
    }
    return value_fail(offset, text, text, rb_value_unknown_word);
}

const char *rb_value_tokens(const char *text, unsigned *offset, char *out, size_t size)
{
    char list[RB_HEADERS_SIZE > RB_METHODS_SIZE ? RB_HEADERS_SIZE : RB_METHODS_SIZE];
    struct rb_writer writer = rb_writer_on(list, size < sizeof(list) ? size : sizeof(list));
    struct rb_slice rest = rb_slice_of(text), item;
    while (rb_slice_next(&rest, &item)) {
        for (size_t i = 0; i < item.length; i++)
            if (!rb_char_alnum(item.at[i]) && !strchr("!#$%&'*+-.^_`|~", item.at[i]))
                return value_fail(offset, text, item.at + i, "a character that no name has");
        if (item.length == 0)
            return value_fail(offset, text, item.at, "an empty item in the list");
        if (writer.length + (writer.length > 0) + item.length >= writer.size)
            return value_fail(offset, text, item.at, "the list is too long");
        rb_write_text(&writer, writer.length > 0 ? " " : "");
        rb_write_bytes(&writer, item.at, item.length);
    }
    memcpy(out, list, writer.length + 1);
    return NULL;
}

const char *rb_value_globs(const char *text, unsigned *offset)
{
    struct rb_slice rest = rb_slice_of(text), item;
    while (rb_slice_next(&rest, &item)) {
        for (size_t i = 0; i < item.length; i++)
            if (rb_char_blank(item.at[i]))
                return value_fail(offset, text, item.at + i, "a blank in the name of a program: commas separate names");
        if (item.length == 0)
            return value_fail(offset, text, item.at, "an empty item in the list of programs");
    }
    return NULL;
}

void rb_value_join_globs(char *list)
{
    struct rb_slice rest = rb_slice_of(list), item;
    char *end = list;
    while (rb_slice_next(&rest, &item)) {
        if (end != list)
            *end++ = ' ';
        memmove(end, item.at, item.length);
        end += item.length;
    }
    *end = '\0';
}

unsigned long rb_value_write(char *out, unsigned long size, const char *text)
{
    struct rb_writer writer = rb_writer_on(out, size);
    rb_write_text(&writer, text);
    return writer.length;
}

unsigned long rb_value_write_tokens(char *out, unsigned long size, const char *list)
{
    struct rb_writer writer = rb_writer_on(out, size);
    for (; *list; list++)
        rb_write_bytes(&writer, *list == ' ' ? ", " : list, *list == ' ' ? 2 : 1);
    return writer.length;
}

unsigned long rb_value_write_scaled(char *out, unsigned long size, uint64_t number, const struct rb_scale *scale)
{
    struct rb_writer writer = rb_writer_on(out, size);
    rb_write_scaled(&writer, number, scale->decimals);
    rb_write_text(&writer, scale->unit);
    return writer.length;
}
