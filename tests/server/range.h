// SPDX-License-Identifier: MIT
// Range and If-Range of a request: which part of a body is asked for.
#ifndef RB_SERVER_RANGE_H
#define RB_SERVER_RANGE_H

#include <stddef.h>

#include "request.h"

enum rb_range_verdict {
    RB_RANGE_WHOLE, // none asked for, or not one of ours, or If-Range names another content: 200
    RB_RANGE_PART,  // 206
    RB_RANGE_BEYOND // 416
};

// The part, of a body of `size` bytes with this ETag ("": none), that the request asks for. *first and *end (one past
// the last byte) are set to it, or to the whole body. Only GET asks for parts, and only for one at a time.
enum rb_range_verdict rb_range_read(const struct rb_request *request, const char *etag, size_t size, size_t *first,
                                    size_t *end);

#endif
