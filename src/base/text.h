// SPDX-License-Identifier: MIT
// Building a line in a fixed buffer: no allocation, no stdio, no locale, async-signal-safe.
#ifndef RB_OBSERVE_TEXT_H
#define RB_OBSERVE_TEXT_H

#include <stddef.h>
#include <stdint.h>

// A line being built. Zero-initialise length; text that does not fit is cut, and `cut` counts the bytes lost.
struct rb_text {
    char *at;
    size_t size;
    size_t length;
    size_t cut;
};

// Appends bytes, a string, a decimal number (zero-padded to `digits` where it is shorter).
void rb_text_bytes(struct rb_text *text, const char *bytes, size_t length);
void rb_text_string(struct rb_text *text, const char *string);
void rb_text_number(struct rb_text *text, uint64_t number, unsigned digits);

// Appends a JSON string with its quotes (RFC 8259, section 7). Bytes from 0x80 on are passed when they form UTF-8, else
// each is replaced by U+FFFD: a log line must always parse.
void rb_text_json(struct rb_text *text, const char *string);

// Appends a time as RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z".
void rb_text_time(struct rb_text *text, int64_t unix_s, unsigned ms);

#endif
