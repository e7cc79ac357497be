// SPDX-License-Identifier: MIT
// Passes bytes of a response to the program as libcurl does. The result is that of the program's callback.
#ifndef RB_CURL_DELIVER_H
#define RB_CURL_DELIVER_H

#include <stdio.h>

#include "curl/handle_data.h"

// Passes body bytes to the write function. Without a write function, writes them to CURLOPT_WRITEDATA, which is a FILE*
// (stdout by default).
static inline size_t rb_deliver_body(const struct rb_handle *handle, char *bytes, size_t length)
{
    void *data = handle->write_data_set ? handle->write_data : stdout;
    return handle->write ? handle->write(bytes, 1, length, data) : fwrite(bytes, 1, length, data);
}

// Returns true if the program gets header lines by rb_deliver_header.
static inline bool rb_deliver_has_header(const struct rb_handle *handle)
{
    return handle->header || handle->header_data;
}

// Passes a header line to the header function. Without a header function, passes it to the write function (or fwrite)
// if CURLOPT_HEADERDATA is set, and otherwise drops it.
static inline size_t rb_deliver_header(const struct rb_handle *handle, char *bytes, size_t length)
{
    if (handle->header)
        return handle->header(bytes, 1, length, handle->header_data);
    if (!rb_deliver_has_header(handle))
        return length;
    return handle->write ? handle->write(bytes, 1, length, handle->header_data)
                         : fwrite(bytes, 1, length, handle->header_data);
}

#endif
