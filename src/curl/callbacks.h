// SPDX-License-Identifier: MIT
// Our callbacks on a handle, which call the program's.
//
// They are installed at the first transfer that a section covers and stay installed, because changing them for each
// call would cost more than the rest of the library. Outside such transfers they only call the program's callbacks.
#ifndef RB_HTTP_CALLBACKS_H
#define RB_HTTP_CALLBACKS_H

#include "curl/handle.h"

// Installs our write and header callbacks on the handle, and the pre-request callback if this libcurl has it. Does so
// once.
void rb_callbacks_arm(struct rb_handle *handle);

// Pass bytes to the program as libcurl does. Return the result of the program's callback.
size_t rb_callbacks_give_body(const struct rb_handle *handle, char *bytes, size_t length);
size_t rb_callbacks_give_header_anyhow(const struct rb_handle *handle, char *bytes, size_t length);

// Without a header function, header lines go to the write function if HEADERDATA is set, else they are dropped.
static inline size_t rb_callbacks_give_header(const struct rb_handle *handle, char *bytes, size_t length)
{
    bool wanted = handle->header || handle->header_data;
    return wanted ? rb_callbacks_give_header_anyhow(handle, bytes, length) : length;
}

#endif
