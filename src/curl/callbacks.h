// SPDX-License-Identifier: MIT
// Our callbacks in place of the program's on a handle, and the program's own delivery behind them.
//
// They stay in place from the first call on that we look after: putting them there and taking them off for each call
// would cost more than the rest of the library does. Where no call is under way they only hand on.
#ifndef RB_HTTP_CALLBACKS_H
#define RB_HTTP_CALLBACKS_H

#include "curl/handle.h"

// Puts our write, header and (where this libcurl has it) pre-request callbacks on the handle, once.
void rb_callbacks_arm(struct rb_handle *handle);

// Hands bytes to the program as libcurl does. Returns what its callback returns.
size_t rb_callbacks_give_body(const struct rb_handle *handle, char *bytes, size_t length);
size_t rb_callbacks_give_header_anyhow(const struct rb_handle *handle, char *bytes, size_t length);

// Headers without a header function go to the write function when HEADERDATA is set, else nowhere.
static inline size_t rb_callbacks_give_header(const struct rb_handle *handle, char *bytes, size_t length)
{
    bool wanted = handle->header || handle->header_data;
    return wanted ? rb_callbacks_give_header_anyhow(handle, bytes, length) : length;
}

#endif
