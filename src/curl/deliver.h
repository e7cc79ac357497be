// SPDX-License-Identifier: MIT
// Passes bytes of a response to the program as libcurl does. The result is that of the program's callback.
#ifndef RB_CURL_DELIVER_H
#define RB_CURL_DELIVER_H

#include <stdio.h>

#include "curl/handle_data.h"

// No write function means fwrite to a FILE*, stdout by default.
static inline size_t rb_deliver_body(const struct rb_handle *handle, char *bytes, size_t length)
{
    void *data = handle->write_data_set ? handle->write_data : stdout;
    return handle->write ? handle->write(bytes, 1, length, data) : fwrite(bytes, 1, length, data);
}

// A header line, to the header function or else to the write function.
static inline size_t rb_deliver_header_anyhow(const struct rb_handle *handle, char *bytes, size_t length)
{
    if (handle->header)
        return handle->header(bytes, 1, length, handle->header_data);
    return handle->write ? handle->write(bytes, 1, length, handle->header_data)
                         : fwrite(bytes, 1, length, handle->header_data);
}

// Without a header function, header lines go to the write function if HEADERDATA is set, else they are dropped.
static inline size_t rb_deliver_header(const struct rb_handle *handle, char *bytes, size_t length)
{
    bool wanted = handle->header || handle->header_data;
    return wanted ? rb_deliver_header_anyhow(handle, bytes, length) : length;
}

#endif
