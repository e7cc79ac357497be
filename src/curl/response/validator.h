// SPDX-License-Identifier: MIT
// Parses the header fields that identify a response's content and its range.
#ifndef RB_CURL_RESPONSE_VALIDATOR_H
#define RB_CURL_RESPONSE_VALIDATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RB_ETAG_SIZE = 256, RB_CODING_SIZE = 32 };

// The fields of one header block. Call rb_validator_clear first.
struct rb_validator {
    int64_t length;              // Content-Length in bytes, -1: unknown
    int64_t first, last;         // first and last byte of Content-Range
    int64_t total;               // total length in Content-Range, -1: unknown ("*")
    bool partial;                // the three fields above are valid (RFC 9110, section 14.4)
    bool ranges;                 // Accept-Ranges: bytes
    bool strong;                 // the entity tag is strong (RFC 9110, section 8.8.1)
    bool coding_cut;             // Content-Encoding is too long or occurs twice, so `coding` does not hold it
    char coding[RB_CODING_SIZE]; // Content-Encoding, empty if absent
    char etag[RB_ETAG_SIZE];     // entity tag with its quotes; empty if absent or too long
};

// Resets all fields.
void rb_validator_clear(struct rb_validator *validator);

// Reads a header line as libcurl passes it ("Name: value\r\n"). Ignores other fields.
void rb_validator_note(struct rb_validator *validator, const char *line, size_t length);

// True when both describe the same bytes: equal strong entity tags and equal codings.
bool rb_validator_same_content(const struct rb_validator *a, const struct rb_validator *b);

// True when `part` (206) contains the content of `whole` (200 or 206) from byte `from` to the end of `whole`. `from`
// counts from the first byte of the whole content.
bool rb_validator_continues(const struct rb_validator *whole, const struct rb_validator *part, int64_t from);

// True when `again` is the same response as `whole`. Both are a 200, or both are a 206.
bool rb_validator_repeats(const struct rb_validator *whole, const struct rb_validator *again);

// Returns the value of field `name` (lower case) in a header line, without surrounding blanks. NULL if the line is
// another field.
//   size: receives the length of the value
const char *rb_validator_field(const char *line, size_t length, const char *name, size_t *size);

#endif
