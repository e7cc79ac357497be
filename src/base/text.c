// SPDX-License-Identifier: MIT
// Builds a line in a fixed buffer.
#include <string.h>

#include "base/civil.h"
#include "base/escape.h"
#include "base/text.h"

void rb_text_bytes(struct rb_text *text, const char *bytes, size_t length)
{
    size_t room = text->size - text->length;
    size_t fits = length < room ? length : room;
    memcpy(text->at + text->length, bytes, fits);
    text->length += fits;
    text->cut += length - fits;
}

void rb_text_string(struct rb_text *text, const char *string)
{
    rb_text_bytes(text, string, strlen(string));
}

// Not inlined, so that its callers have no buffer on the stack.
__attribute__((noinline)) void rb_text_number(struct rb_text *text, uint64_t number, unsigned digits)
{
    char out[24];
    size_t at = sizeof(out);
    do
        out[--at] = (char) ('0' + number % 10);
    while ((number /= 10) != 0);
    while (at > 0 && sizeof(out) - at < digits)
        out[--at] = '0';
    rb_text_bytes(text, out + at, sizeof(out) - at);
}

void rb_text_json(struct rb_text *text, const char *string)
{
    rb_text_json_bytes(text, string, strlen(string));
}

void rb_text_json_bytes(struct rb_text *text, const char *bytes, size_t length)
{
    rb_text_string(text, "\"");
    for (struct rb_escaped next; length > 0; bytes += next.taken, length -= next.taken) {
        next = rb_escape_next(RB_ESCAPE_JSON, bytes, length);
        rb_text_bytes(text, next.bytes, next.length);
    }
    rb_text_string(text, "\"");
}

void rb_text_time(struct rb_text *text, int64_t unix_s, unsigned ms)
{
    struct rb_civil civil = rb_civil_from_unix(unix_s);
    const unsigned values[] = {(unsigned) civil.year,
                               (unsigned) civil.month,
                               (unsigned) civil.day,
                               (unsigned) civil.hour,
                               (unsigned) civil.minute,
                               (unsigned) civil.second,
                               ms};
    static const unsigned char digits[] = {4, 2, 2, 2, 2, 2, 3};
    for (unsigned i = 0; i < sizeof(digits); i++) {
        rb_text_number(text, values[i], digits[i]);
        rb_text_bytes(text, &"--T::.Z"[i], 1);
    }
}
