// SPDX-License-Identifier: MIT
// Builds a line in a fixed buffer without allocation, stdio or locale. All functions are async-signal-safe.
#ifndef RB_BASE_TEXT_H
#define RB_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

// A line that is being built. Initialise at and size, and set the rest to 0. Text that does not fit is dropped; `cut`
// counts the dropped bytes.
struct rb_text {
    char *at;
    size_t size;
    size_t length;
    size_t cut;
};

// Append bytes, a string, or a decimal number with leading zeros up to `digits`.
void rb_text_bytes(struct rb_text *text, const char *bytes, size_t length);
void rb_text_string(struct rb_text *text, const char *string);
void rb_text_number(struct rb_text *text, uint64_t number, unsigned digits);

// Appends a JSON string with its quotes, in the form RB_ESCAPE_JSON of base/escape.h, so that a log line always parses
// and cannot control a terminal.
void rb_text_json(struct rb_text *text, const char *string);

// The same for `length` bytes.
void rb_text_json_bytes(struct rb_text *text, const char *bytes, size_t length);

// Appends a time as RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z".
void rb_text_time(struct rb_text *text, int64_t unix_s, unsigned ms);

#endif
