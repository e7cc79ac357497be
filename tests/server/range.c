// SPDX-License-Identifier: MIT
// Range and If-Range of a request: which part of a body is asked for.
#include "range.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

// The strong comparison: a weak validator equals nothing, not even itself. Dates are not known here.
static bool condition_holds(const struct rb_request *request, const char *etag)
{
    return request->if_range[0] == '\0' || (etag[0] == '"' && !strcmp(request->if_range, etag));
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// "N-M", "N-" or "-N" (the last N bytes). Returns false for anything else.
static bool parse(const char *text, size_t size, size_t *first, size_t *end)
{
    char *rest;
    if (text[0] == '-' && isdigit((unsigned char) text[1])) {
        *first = size - smaller(size, strtoull(text + 1, &rest, 10));
        *end = size;
        return *rest == '\0';
    }
    if (!isdigit((unsigned char) text[0]))
        return false;
    *first = strtoull(text, &rest, 10);
    *end = size;
    if (*rest++ != '-')
        return false;
    if (*rest == '\0')
        return true;
    if (!isdigit((unsigned char) *rest))
        return false;
    *end = smaller(size, strtoull(rest, &rest, 10) + 1);
    return *rest == '\0';
}

enum rb_range_verdict rb_range_read(const struct rb_request *request, const char *etag, size_t size, size_t *first,
                                    size_t *end)
{
    static const char unit[] = "bytes=";
    enum rb_range_verdict verdict = RB_RANGE_WHOLE;
    if (!strcmp(request->method, "GET") && !strncmp(request->range, unit, sizeof(unit) - 1) &&
        condition_holds(request, etag) && parse(request->range + sizeof(unit) - 1, size, first, end))
        verdict = *first < *end ? RB_RANGE_PART : RB_RANGE_BEYOND;
    if (verdict != RB_RANGE_PART) {
        *first = 0;
        *end = size;
    }
    return verdict;
}
