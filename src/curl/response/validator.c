// SPDX-License-Identifier: MIT
// Parses the header fields that identify a response's content and its range. A malformed field counts as absent.
#include "curl/response/validator.h"

#include <string.h>
#include <strings.h>

void rb_validator_clear(struct rb_validator *validator)
{
    validator->etag[0] = validator->coding[0] = '\0';
    validator->strong = validator->coding_cut = validator->ranges = validator->partial = false;
    validator->length = validator->first = validator->last = validator->total = -1;
}

static bool validator_is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

// Returns the value of the field if the line has this name, without surrounding blanks. Otherwise returns NULL. The
// function is inlined, so that strlen(name) is a constant.
static inline __attribute__((always_inline)) const char *field(const char *line, size_t length, const char *name,
                                                               size_t *size)
{
    size_t named = strlen(name);
    if (length <= named || line[named] != ':' || strncasecmp(line, name, named) != 0)
        return NULL;
    const char *value = line + named + 1, *end = line + length;
    while (value < end && validator_is_blank(*value))
        value++;
    while (end > value && validator_is_blank(end[-1]))
        end--;
    *size = (size_t) (end - value);
    return value;
}

const char *rb_validator_field(const char *line, size_t length, const char *name, size_t *size)
{
    return field(line, length, name, size);
}

// Parses decimal digits from `at` to `end` at most. Returns a pointer to the first byte that is not a digit, or `end`.
// Sets *number to -1 if there is no digit or if the number does not fit.
static const char *validator_read_number(const char *at, const char *end, int64_t *number)
{
    int64_t value = at < end && *at >= '0' && *at <= '9' ? 0 : -1;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value < 0 || value > (INT64_MAX - 9) / 10 ? -1 : value * 10 + (*at - '0');
    *number = value;
    return at;
}

// entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE. The tag is strong if it has no "W/" and no quote inside.
static void note_etag(struct rb_validator *validator, const char *value, size_t size)
{
    validator->etag[0] = '\0';
    validator->strong = false;
    if (size < 2 || size >= RB_ETAG_SIZE || value[size - 1] != '"' || memchr(value, '\0', size))
        return;
    memcpy(validator->etag, value, size);
    validator->etag[size] = '\0';
    validator->strong = value[0] == '"' && memchr(value + 1, '"', size - 1) == value + size - 1;
}

static void note_coding(struct rb_validator *validator, const char *value, size_t size)
{
    validator->coding_cut = size >= RB_CODING_SIZE || validator->coding[0]; // two lines make the coding unknown
    if (validator->coding_cut)
        return;
    memcpy(validator->coding, value, size);
    validator->coding[size] = '\0';
}

// If the length is malformed, or differs from that of an earlier line, it becomes unknown.
static void note_length(struct rb_validator *validator, const char *value, size_t size)
{
    int64_t length;
    bool whole = validator_read_number(value, value + size, &length) == value + size;
    if (!whole || (validator->length >= 0 && validator->length != length))
        length = -1;
    validator->length = length;
}

// Content-Range: bytes FIRST-LAST/(TOTAL|*). A "=" is also accepted in place of the space.
static void note_content_range(struct rb_validator *validator, const char *value, size_t size)
{
    const char *end = value + size;
    validator->partial = false;
    if (size < 6 || strncasecmp(value, "bytes", 5) != 0 || (value[5] != ' ' && value[5] != '='))
        return;
    const char *at = validator_read_number(value + 6, end, &validator->first);
    if (validator->first < 0 || at == end || *at++ != '-')
        return;
    at = validator_read_number(at, end, &validator->last);
    if (validator->last < validator->first || at == end || *at++ != '/')
        return;
    validator->total = -1;
    if (end - at == 1 && *at == '*')
        validator->partial = true;
    else
        validator->partial =
            validator_read_number(at, end, &validator->total) == end && validator->total > validator->last;
}

// Compares the letter after "content-" before the names. Most lines are other fields, and one comparison excludes them.
static void note_content(struct rb_validator *validator, const char *line, size_t length)
{
    size_t size;
    const char *value;
    switch (length > 8 ? line[8] | 0x20 : 0) {
    case 'l':
        if ((value = field(line, length, "content-length", &size)))
            note_length(validator, value, size);
        break;
    case 'e':
        if ((value = field(line, length, "content-encoding", &size)))
            note_coding(validator, value, size);
        break;
    case 'r':
        if ((value = field(line, length, "content-range", &size)))
            note_content_range(validator, value, size);
        break;
    default:
        break;
    }
}

void rb_validator_note(struct rb_validator *validator, const char *line, size_t length)
{
    size_t size;
    const char *value;
    switch (length > 0 ? line[0] | 0x20 : 0) {
    case 'e':
        if ((value = field(line, length, "etag", &size)))
            note_etag(validator, value, size);
        break;
    case 'a':
        if ((value = field(line, length, "accept-ranges", &size)))
            validator->ranges = size == 5 && strncasecmp(value, "bytes", 5) == 0;
        break;
    case 'c':
        note_content(validator, line, length);
        break;
    default:
        break;
    }
}

bool rb_validator_same_content(const struct rb_validator *a, const struct rb_validator *b)
{
    return a->strong && b->strong && strcmp(a->etag, b->etag) == 0 && !a->coding_cut && !b->coding_cut &&
           strcasecmp(a->coding, b->coding) == 0;
}

bool rb_validator_continues(const struct rb_validator *whole, const struct rb_validator *part, int64_t from)
{
    int64_t total = whole->partial ? whole->total : whole->length;
    int64_t end = whole->partial ? whole->last + 1 : whole->length;
    if (!rb_validator_same_content(whole, part) || !part->partial || part->first != from)
        return false;
    if (total >= 0 && part->total >= 0 && part->total != total)
        return false;
    return end >= 0 ? part->last == end - 1 : part->last == part->total - 1;
}

bool rb_validator_repeats(const struct rb_validator *whole, const struct rb_validator *again)
{
    bool placed =
        !whole->partial || (whole->first == again->first && whole->last == again->last && whole->total == again->total);
    return rb_validator_same_content(whole, again) && whole->partial == again->partial && placed &&
           whole->length == again->length;
}
