// SPDX-License-Identifier: MIT
// Shows names and texts from outside: host names, paths, names of programs, lines of policy files, names in the shared
// state. Such a text can contain bytes that control a terminal, that change the direction of writing, that are shown as
// nothing, or that are no UTF-8. Every output of the library and of the command goes through rb_escape_next.
//
// All functions are pure and async-signal-safe: no allocation, no locale.
#ifndef RB_BASE_ESCAPE_H
#define RB_BASE_ESCAPE_H

#include <stddef.h>

// RB_ESCAPE_TEXT is for terminals and for the labels of metrics. Different texts have different forms:
//   - "\xNN": a byte that is not part of valid UTF-8, or an ASCII control character
//   - "\uNNNN", "\U000NNNNN": another character that is not shown as it is
//   - "\\": a backslash that could otherwise be taken for the begin of one of these forms; other backslashes stay
// RB_ESCAPE_JSON is for the inside of a JSON string (RFC 8259, section 7). The value of the string is the text itself,
// but each byte that is not part of valid UTF-8 becomes U+FFFD, because JSON has no form for such a byte.
enum rb_escape_form { RB_ESCAPE_TEXT, RB_ESCAPE_JSON };

enum { RB_ESCAPED_SIZE = 12 }; // the longest form: two surrogates in JSON

// The form of one character.
struct rb_escaped {
    char bytes[RB_ESCAPED_SIZE];
    unsigned char length;  // of bytes
    unsigned char columns; // on a terminal: 0 for a combining character, 2 for a wide one
    unsigned char taken;   // number of bytes of the text, at least 1
};

// Returns the form of the first character of `text`, which has `left` bytes, at least 1.
struct rb_escaped rb_escape_next(enum rb_escape_form form, const char *text, size_t left);

// Writes the RB_ESCAPE_TEXT form of a NUL-terminated text, cut to `columns`, into `size` bytes (at least 1). A text
// that is cut ends with '~'. The result is terminated; a form that does not fit is left out. Returns the columns used.
//   columns: at least 1
size_t rb_escape_fit(char *out, size_t size, const char *text, size_t columns);

// Returns the number of leading bytes that fit into `columns`, of a text that is in the form RB_ESCAPE_TEXT already.
size_t rb_escape_fitting(const char *shown, size_t columns);

// Returns the length of a text that was cut to `length` bytes, without the part of a character at its end.
size_t rb_escape_whole(const char *text, size_t length);

#endif
