// SPDX-License-Identifier: MIT
// A copy of all values and header fields that libcurl has for one attempt.
#ifndef RB_CURL_RESPONSE_SAVED_H
#define RB_CURL_RESPONSE_SAVED_H

#include "curl/handle_data.h"

union rb_figure {
    long number;
    double real;
    curl_off_t offset;
    char *text;
};

struct rb_saved_header {
    struct curl_header header; // name and value are owned; anchor points to this struct
    int request;
};

struct rb_saved {
    unsigned count;
    struct {
        CURLINFO info;
        union rb_figure value;
    } figures[192];
    size_t header_count, header_room;
    int requests; // number of the last request
    struct rb_saved_header *headers;
};

// Reads all values and header fields of the attempt that just ended. Returns NULL without memory.
struct rb_saved *rb_saved_read(const struct rb_handle *handle);

void rb_saved_free(struct rb_saved *saved);

// Returns the saved value of `info` or NULL.
const union rb_figure *rb_saved_find(const struct rb_saved *saved, CURLINFO info);

#endif
