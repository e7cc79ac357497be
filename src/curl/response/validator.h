// SPDX-License-Identifier: MIT
// What the header fields of a response say about the identity and the extent of its content.
#ifndef RB_HTTP_VALIDATOR_H
#define RB_HTTP_VALIDATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RB_ETAG_SIZE = 256, RB_CODING_SIZE = 32 };

// Of one header block. Begin with rb_validator_clear.
struct rb_validator {
    int64_t length;              // Content-Length in bytes, -1: not known
    int64_t first, last;         // Content-Range, inclusive
    int64_t total;               // likewise; -1: not known ("*")
    bool partial;                // Content-Range gave these three (RFC 9110, section 14.4)
    bool ranges;                 // Accept-Ranges: bytes
    bool strong;                 // the entity tag is a strong one (RFC 9110, section 8.8.1)
    bool coding_cut;             // Content-Encoding is longer than what is kept: compares unequal to everything
    char coding[RB_CODING_SIZE]; // Content-Encoding; empty: none
    char etag[RB_ETAG_SIZE];     // with its quotes; empty: none, or too long to keep
};

// Forgets everything.
void rb_validator_clear(struct rb_validator *validator);

// Notes a header line as libcurl hands it over ("Name: value\r\n"); others than the ones above change nothing.
void rb_validator_note(struct rb_validator *validator, const char *line, size_t length);

// True when both describe the same bytes: equal strong entity tags and equal codings.
bool rb_validator_same_content(const struct rb_validator *a, const struct rb_validator *b);

// True when `part` (of a 206) continues `whole` (of a 200) at byte `from` up to its end.
bool rb_validator_continues(const struct rb_validator *whole, const struct rb_validator *part, int64_t from);

// True when `again` (of a 200) is the response `whole` once more.
bool rb_validator_repeats(const struct rb_validator *whole, const struct rb_validator *again);

// The value of the field `name` (lower case) in a header line, blanks cut off on both sides; NULL: another field.
//   size: receives the value's length
const char *rb_validator_field(const char *line, size_t length, const char *name, size_t *size);

#endif
