// SPDX-License-Identifier: MIT
// A strict scanner for JSON texts (RFC 8259). It allocates nothing and does not recurse.
#ifndef RB_BASE_SCAN_H
#define RB_BASE_SCAN_H

#include "base/slice.h"

enum { RB_SCAN_DEPTH_MAX = 64 }; // a text that nests deeper is invalid

enum rb_scan_token {
    RB_SCAN_OBJECT,  // {
    RB_SCAN_ARRAY,   // [
    RB_SCAN_CLOSE,   // } or ]
    RB_SCAN_KEY,     // the name of a member; `text` is what stands between the quotes
    RB_SCAN_STRING,  // a string value; `text` is what stands between the quotes
    RB_SCAN_OTHER,   // a number, true, false or null; `text` is its spelling
    RB_SCAN_END,     // the text is complete
    RB_SCAN_CUT,     // the text ends too early; all tokens before are valid
    RB_SCAN_INVALID, // the text is not JSON
};

// What the grammar expects next.
enum rb_scan_state {
    RB_SCAN_WANT_VALUE,          // at the beginning, after a colon, after a comma of an array
    RB_SCAN_WANT_VALUE_OR_CLOSE, // after [
    RB_SCAN_WANT_KEY,            // after a comma of an object
    RB_SCAN_WANT_KEY_OR_CLOSE,   // after {
    RB_SCAN_WANT_COMMA_OR_CLOSE, // after a value
    RB_SCAN_FINISHED,            // RB_SCAN_END, RB_SCAN_CUT or RB_SCAN_INVALID was returned
};

// A scan. Private but for `depth` and `text`.
struct rb_scan {
    struct rb_slice rest;
    struct rb_slice text; // of the latest key or scalar value; borrowed, with its escapes
    unsigned depth;       // how many objects and arrays are open
    uint64_t objects;     // bit N: the container at depth N + 1 is an object
    enum rb_scan_state state;
    enum rb_scan_token last; // RB_SCAN_END, RB_SCAN_CUT or RB_SCAN_INVALID in the state RB_SCAN_FINISHED
};

// Begins to scan `text`, which the caller keeps unchanged. Async-signal-safe, as the functions below.
struct rb_scan rb_scan_begin(struct rb_slice text);

// Returns the next token. After RB_SCAN_END, RB_SCAN_CUT or RB_SCAN_INVALID, every call returns that token again.
// Strings are checked for control characters and for the form of their escapes, not for valid UTF-8.
enum rb_scan_token rb_scan_next(struct rb_scan *scan);

// Returns whether a key or a string, with its escapes resolved, is the ASCII text `word`.
bool rb_scan_is(struct rb_slice text, const char *word);

#endif
