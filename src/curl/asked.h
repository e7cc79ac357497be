// SPDX-License-Identifier: MIT
// The byte range that a request asks for (RFC 9110, section 14.1.2). Pure functions.
#ifndef RB_CURL_ASKED_H
#define RB_CURL_ASKED_H

#include "curl/handle_data.h"

enum rb_asked_kind {
    RB_ASKED_WHOLE, // no range
    RB_ASKED_FROM,  // from byte `first` to the end
    RB_ASKED_SPAN,  // from byte `first` to byte `last`
    RB_ASKED_SUFFIX // the last `last` bytes
};

struct rb_asked {
    enum rb_asked_kind kind;
    int64_t first, last; // bytes, counted from 0; valid as `kind` says
};

// Reads the range of a GET that libcurl makes from the program's options: a Range header field, else
// CURLOPT_RESUME_FROM, else CURLOPT_RANGE. Returns false if the range is malformed, if it is a list of ranges, or if
// the options contradict each other.
bool rb_asked_of_program(const struct rb_handle *handle, struct rb_asked *asked);

// Returns true if a 206 with bytes `first` to `last` is what was asked for, or the beginning of it.
bool rb_asked_gets(const struct rb_asked *asked, int64_t first, int64_t last);

// Writes the range as a value for CURLOPT_RANGE. `asked` is a FROM or a SPAN.
//   size: of `text` in bytes; 48 are enough
void rb_asked_format(const struct rb_asked *asked, char *text, size_t size);

#endif
