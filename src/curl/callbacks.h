// SPDX-License-Identifier: MIT
// Our callbacks on a handle, which call the program's.
//
// They are installed at the first transfer that a section covers and stay installed, because changing them for each
// call would cost more than the rest of the library. Outside such transfers they only call the program's callbacks.
#ifndef RB_CURL_CALLBACKS_H
#define RB_CURL_CALLBACKS_H

#include "curl/handle_data.h"

// Installs our write and header callbacks on the handle, and the pre-request callback if this libcurl has it. Does so
// once.
void rb_callbacks_arm(struct rb_handle *handle);

#endif
