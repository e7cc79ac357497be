// SPDX-License-Identifier: MIT
// Scripts of the faulty server: text into steps. The grammar stands at the top of faultd.c.
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_TEXT = 2048 };

enum option_kind { OPTION_FLAG, OPTION_NUMBER, OPTION_SIZE, OPTION_TEXT, OPTION_HEADER };

// One `;name=value`. `field` and `room` say where the value goes; `also` is a bool that is set with it, 0: none.
struct option {
    const char *name;
    enum option_kind kind;
    size_t field, room, also;
};

#define AT(member) offsetof(struct rb_step, member)
#define TEXT(member) AT(member), sizeof((struct rb_step *) 0)->member

static const struct option options[] = {
    {"after", OPTION_TEXT, TEXT(after), 0},        {"text", OPTION_TEXT, TEXT(text), 0},
    {"trailer", OPTION_TEXT, TEXT(trailer), 0},    {"header", OPTION_HEADER, TEXT(headers), 0},
    {"status", OPTION_NUMBER, AT(status), 0, 0},   {"delay", OPTION_NUMBER, AT(delay), 0, 0},
    {"trickle", OPTION_NUMBER, AT(trickle), 0, 0}, {"piece", OPTION_NUMBER, AT(piece), 0, 0},
    {"interim", OPTION_NUMBER, AT(interim), 0, 0}, {"gap", OPTION_NUMBER, AT(gap), 0, 0},
    {"size", OPTION_SIZE, AT(size), 0, AT(sized)}, {"sent", OPTION_SIZE, AT(sent), 0, AT(cut)},
    {"binary", OPTION_FLAG, AT(binary), 0, 0},     {"chunked", OPTION_FLAG, AT(chunked), 0, 0},
    {"last", OPTION_FLAG, AT(last), 0, 0},         {"early", OPTION_FLAG, AT(early), 0, 0},
    {"rst", OPTION_FLAG, AT(rst), 0, 0},           {"seed", OPTION_NUMBER, AT(seed), 0, 0},
    {"range", OPTION_FLAG, AT(range), 0, 0},       {"shift", OPTION_SIZE, AT(shift), 0, 0},
    {"upto", OPTION_SIZE, AT(upto), 0, 0},         {"spread", OPTION_SIZE, AT(spread), 0, 0},
    {"etag", OPTION_TEXT, TEXT(etag), 0},          {"gzip", OPTION_FLAG, AT(gzip), 0, 0},
};

static const struct {
    const char *name;
    enum rb_step_kind kind;
    unsigned status;
} names[] = {
    {"ok", RB_STEP_ANSWER, 200},       {"cut", RB_STEP_ANSWER, 200}, {"reset", RB_STEP_RESET, 0},
    {"close", RB_STEP_CLOSE, 0},       {"hang", RB_STEP_HANG, 0},    {"raw", RB_STEP_RAW, 0},
    {"cuthead", RB_STEP_CUTHEAD, 200}, {"http", RB_STEP_HTTP, 0},
};

static int number(const char *text, size_t length, unsigned long long max, unsigned long long *out)
{
    unsigned long long value = 0;
    if (length == 0 || length > 15)
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char) text[i]))
            return -EINVAL;
        value = value * 10 + (unsigned) (text[i] - '0');
    }
    *out = value;
    return value <= max ? 0 : -ERANGE;
}

static int hex(char digit)
{
    if (isdigit((unsigned char) digit))
        return digit - '0';
    return isxdigit((unsigned char) digit) ? tolower((unsigned char) digit) - 'a' + 10 : -1;
}

// Copies with %XX decoded; NUL cannot be written that way.
static int decode(const char *text, size_t length, char *out, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        if (byte == '%') {
            int high = i + 2 < length ? hex(text[i + 1]) : -1;
            int low = high >= 0 ? hex(text[i + 2]) : -1;
            if (low < 0 || high * 16 + low == 0)
                return -EINVAL;
            byte = (char) (high * 16 + low);
            i += 2;
        }
        if (used + 1 >= room)
            return -E2BIG;
        out[used++] = byte;
    }
    out[used] = '\0';
    return 0;
}

// `Name:value` is added as a header line.
static int add_header(const char *text, size_t length, char *out, size_t room)
{
    size_t used = strlen(out);
    int err = decode(text, length, out + used, room - used);
    if (err < 0)
        return err;
    size_t end = strlen(out);
    if (!strchr(out + used, ':') || end + 2 >= room)
        return -EINVAL;
    memcpy(out + end, "\r\n", 3);
    return 0;
}

static int store_number(void *field, size_t field_size, const char *text, size_t length)
{
    unsigned long long value;
    if (number(text, length, field_size == sizeof(unsigned) ? UINT_MAX : SIZE_MAX, &value) < 0)
        return -EINVAL;
    if (field_size == sizeof(unsigned))
        *(unsigned *) field = (unsigned) value;
    else
        *(size_t *) field = (size_t) value;
    return 0;
}

static int set_option(struct rb_step *step, const struct option *option, const char *value, size_t length)
{
    char *field = (char *) step + option->field;
    if (option->also)
        *((bool *) ((char *) step + option->also)) = true;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *) field = true;
        return value ? -EINVAL : 0;
    case OPTION_NUMBER:
        return value ? store_number(field, sizeof(unsigned), value, length) : -EINVAL;
    case OPTION_SIZE:
        return value ? store_number(field, sizeof(size_t), value, length) : -EINVAL;
    case OPTION_TEXT:
        return value ? decode(value, length, field, option->room) : -EINVAL;
    case OPTION_HEADER:
        return value ? add_header(value, length, field, option->room) : -EINVAL;
    }
    return -EINVAL;
}

// text is one option, `name` or `name=value`, of `length` bytes.
static int parse_option(struct rb_step *step, const char *text, size_t length)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t) (equals - text) : length;
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        if (strlen(options[i].name) == name_length && !memcmp(options[i].name, text, name_length))
            return set_option(step, &options[i], equals ? equals + 1 : NULL, equals ? length - name_length - 1 : 0);
    return -EINVAL;
}

// The name of a step: a word of the table or `sNNN`, perhaps followed by `xN`.
static int parse_name(struct rb_step *step, const char *text, size_t length)
{
    unsigned long long value;
    size_t word = length;
    while (word > 0 && isdigit((unsigned char) text[word - 1]))
        word--;
    step->times = 1;
    if (word > 1 && word < length && text[word - 1] == 'x') {
        if (number(text + word, length - word, 1000000, &value) < 0 || value == 0)
            return -EINVAL;
        step->times = (unsigned) value;
        length = word - 1;
    }
    if (length == 4 && text[0] == 's' && number(text + 1, 3, 999, &value) == 0 && value >= 200) {
        step->kind = RB_STEP_ANSWER;
        step->status = (unsigned) value;
        return 0;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strlen(names[i].name) == length && !memcmp(names[i].name, text, length)) {
            step->kind = names[i].kind;
            step->status = names[i].status;
            return 0;
        }
    }
    return -EINVAL;
}

// A `cut` needs a length to fall short of.
static void complete(struct rb_step *step, const char *text)
{
    if (strncmp(text, "cut", 3) != 0 || step->kind != RB_STEP_ANSWER)
        return;
    if (!step->sized)
        step->size = 1000;
    if (!step->cut)
        step->sent = step->size / 2;
    step->sized = step->cut = true;
}

static int parse_step(const char *text, size_t length, struct rb_step *step)
{
    memset(step, 0, sizeof(*step));
    const char *end = text + length;
    const char *semicolon = memchr(text, ';', length);
    int err = parse_name(step, text, (size_t) ((semicolon ? semicolon : end) - text));
    while (err == 0 && semicolon) {
        const char *option = semicolon + 1;
        semicolon = memchr(option, ';', (size_t) (end - option));
        err = parse_option(step, option, (size_t) ((semicolon ? semicolon : end) - option));
    }
    if (err == 0)
        complete(step, text);
    return err;
}

static int next_step(const char **script, char separator, struct rb_step *step, char *bad, size_t bad_size)
{
    size_t length = strcspn(*script, (const char[]){separator, '\0'});
    int err = parse_step(*script, length, step);
    if (err < 0)
        snprintf(bad, bad_size, "%.*s", (int) (length < STEP_TEXT ? length : STEP_TEXT), *script);
    *script += length;
    if (**script == separator)
        (*script)++;
    return err < 0 ? -EINVAL : 0;
}

// Scatters the cuts of a step that serves many requests: a multiplicative hash, so that a run can be repeated.
static void scatter(struct rb_step *step, unsigned long index)
{
    uint64_t hash = (index + 1) * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 29) * 0xBF58476D1CE4E5B9u;
    if (step->spread > 0)
        step->sent += (hash >> 16) % step->spread;
}

int rb_script_step(const char *script, char separator, unsigned long index, struct rb_step *step, char *bad,
                   size_t bad_size)
{
    unsigned long left = index;
    int err;
    for (;;) {
        err = next_step(&script, separator, step, bad, bad_size);
        if (err < 0 || left < step->times || *script == '\0')
            break;
        left -= step->times;
    }
    if (err == 0)
        scatter(step, index);
    return err;
}

int rb_script_check(const char *script, char separator, char *bad, size_t bad_size)
{
    struct rb_step step;
    int err = 0;
    do
        err = next_step(&script, separator, &step, bad, bad_size);
    while (err == 0 && *script);
    return err;
}
