// SPDX-License-Identifier: MIT
// A copy of everything that libcurl tells of one attempt.
#ifndef RB_HTTP_SAVED_H
#define RB_HTTP_SAVED_H

#include "curl/figures.h"

union rb_figure {
    long number;
    double real;
    curl_off_t offset;
    char *text;
};

struct rb_saved_header {
    struct curl_header header; // name and value owned; anchor: this struct
    int request;
};

struct rb_saved {
    unsigned count;
    struct {
        CURLINFO info;
        union rb_figure value;
    } figures[192];
    size_t header_count, header_room;
    int requests; // the number of the last one
    struct rb_saved_header *headers;
};

// The saved value of `info`, NULL: there is none.
const union rb_figure *rb_saved_find(const struct rb_saved *saved, CURLINFO info);

#endif
