// SPDX-License-Identifier: MIT
// Reads the byte range of a request from the program's options.
#include "curl/asked.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "curl/fields.h"

// Reads decimal digits. Returns a pointer to the first byte that is not a digit, or NULL if there is no digit or if the
// number is too large.
static const char *asked_read_number(const char *at, const char *end, int64_t *number)
{
    const char *start = at;
    *number = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, *at - '0', number))
            return NULL;
    return at > start ? at : NULL;
}

// Parses "FIRST-LAST", "FIRST-" or "-COUNT".
static bool asked_parse(const char *at, const char *end, struct rb_asked *asked)
{
    *asked = (struct rb_asked){.kind = RB_ASKED_SUFFIX};
    if (at < end && *at != '-') {
        asked->kind = RB_ASKED_SPAN;
        at = asked_read_number(at, end, &asked->first);
    }
    if (!at || at == end || *at != '-')
        return false;
    if (asked->kind == RB_ASKED_SPAN && at + 1 == end) {
        asked->kind = RB_ASKED_FROM;
        return true;
    }
    return asked_read_number(at + 1, end, &asked->last) == end && asked->last >= asked->first &&
           (asked->kind == RB_ASKED_SPAN || asked->last > 0);
}

// Counts the Range fields that libcurl sends and keeps the value of the last one.
static unsigned asked_find_fields(const struct rb_handle *handle, struct rb_field *found)
{
    unsigned count = 0;
    const struct curl_slist *lines = handle->headers;
    struct rb_field field;
    while (rb_fields_next(&lines, &field))
        if (rb_field_is(&field, "Range")) {
            count++;
            *found = field;
        }
    return count;
}

// libcurl compares the range of a response with CURLOPT_RESUME_FROM even if a line of the header list replaces it. A
// line without a value removes the range.
bool rb_asked_of_program(const struct rb_handle *handle, struct rb_asked *asked)
{
    static const char unit[] = "bytes=";
    enum { UNIT = sizeof(unit) - 1 };
    struct rb_field field;
    unsigned fields = asked_find_fields(handle, &field);
    *asked = (struct rb_asked){.kind = RB_ASKED_WHOLE};
    if (fields > 0)
        return fields == 1 && handle->resume_from == 0 && field.value_length > UNIT &&
               strncasecmp(field.value, unit, UNIT) == 0 &&
               asked_parse(field.value + UNIT, field.value + field.value_length, asked);
    if (rb_fields_name(handle->headers, "Range"))
        return handle->resume_from == 0;
    if (handle->resume_from != 0) {
        *asked = (struct rb_asked){.kind = RB_ASKED_FROM, .first = handle->resume_from};
        return handle->resume_from > 0;
    }
    return !handle->range || asked_parse(handle->range, handle->range + strlen(handle->range), asked);
}

bool rb_asked_gets(const struct rb_asked *asked, int64_t first, int64_t last)
{
    switch (asked->kind) {
    case RB_ASKED_FROM:
        return first == asked->first;
    case RB_ASKED_SPAN:
        return first == asked->first && last <= asked->last;
    case RB_ASKED_SUFFIX:
        return last - first < asked->last;
    default:
        return false;
    }
}

void rb_asked_format(const struct rb_asked *asked, char *text, size_t size)
{
    if (asked->kind == RB_ASKED_SPAN)
        snprintf(text, size, "%lld-%lld", (long long) asked->first, (long long) asked->last);
    else
        snprintf(text, size, "%lld-", (long long) asked->first);
}
