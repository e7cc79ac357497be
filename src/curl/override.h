// SPDX-License-Identifier: MIT
// The options that we set on a program's handle instead of the program's values, and how they are restored.
//
// This is the only list of them. rb_handle.overrides is the set of those that have our value at present. An option that
// is not in the list would keep our value, and a duplicated handle would inherit it.
#ifndef RB_CURL_OVERRIDE_H
#define RB_CURL_OVERRIDE_H

#include "curl/handle_data.h"

// A bit mask of these values.
enum rb_override {
    // Set from the first call that a policy covers until the handle is freed or reset.
    RB_OVERRIDE_CALLBACKS = 1 << 0, // the functions and data of WRITE, HEADER and PREREQ
    // Set for one attempt.
    RB_OVERRIDE_READ = 1 << 1,            // the functions and data of READ, SEEK and IOCTL
    RB_OVERRIDE_PROGRESS = 1 << 2,        // XFERINFOFUNCTION, XFERINFODATA
    RB_OVERRIDE_TIMEOUT = 1 << 3,         // TIMEOUT_MS
    RB_OVERRIDE_CONNECT_TIMEOUT = 1 << 4, // CONNECTTIMEOUT_MS
    RB_OVERRIDE_FRESH_CONNECT = 1 << 5,   // FRESH_CONNECT
    RB_OVERRIDE_HSTS = 1 << 6,            // HSTSREADFUNCTION
    RB_OVERRIDE_RANGE = 1 << 7,           // RANGE, RESUME_FROM_LARGE, HTTPHEADER
    RB_OVERRIDE_PROTOCOLS = 1 << 8,       // PROTOCOLS
    RB_OVERRIDE_SOCKET = 1 << 9,          // SOCKOPTFUNCTION, SOCKOPTDATA
    RB_OVERRIDES_END = 1 << 10,
    RB_OVERRIDES_ATTEMPT = RB_OVERRIDES_END - RB_OVERRIDE_READ
};

// Sets the program's values of all overridden options on `easy`, which is the handle itself or a duplicate of it. Call
// before libcurl frees the handle and after libcurl has duplicated it.
void rb_override_restore(const struct rb_handle *handle, CURL *easy);

// Restores the program's values of the options that were set for one attempt.
void rb_override_end_attempt(struct rb_handle *handle);

// True if the program's value for `option` must only be recorded, because our value must stay on the handle.
bool rb_override_hides(const struct rb_handle *handle, CURLoption option);

#endif
