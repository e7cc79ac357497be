// SPDX-License-Identifier: MIT
// The options that we set on a program's handle in place of the program's own values, and how each gets them back.
//
// This is the only list of them. rb_handle.overrides says which of them are set at present. A change to a handle that
// is not in the list would stay on the handle, and would be copied to its clones.
#ifndef RB_HTTP_OVERRIDE_H
#define RB_HTTP_OVERRIDE_H

#include "curl/handle.h"

// A set of these is a bit mask.
enum rb_override {
    // Set from the first call that a policy covers until the handle is freed or reset.
    RB_OVERRIDE_CALLBACKS = 1 << 0, // the functions and data of WRITE, HEADER and PREREQ
    // Set for one attempt.
    RB_OVERRIDE_READ = 1 << 1,            // READFUNCTION, READDATA
    RB_OVERRIDE_PROGRESS = 1 << 2,        // XFERINFOFUNCTION, XFERINFODATA
    RB_OVERRIDE_TIMEOUT = 1 << 3,         // TIMEOUT_MS
    RB_OVERRIDE_CONNECT_TIMEOUT = 1 << 4, // CONNECTTIMEOUT_MS
    RB_OVERRIDE_FRESH_CONNECT = 1 << 5,   // FRESH_CONNECT
    RB_OVERRIDE_HSTS = 1 << 6,            // HSTSREADFUNCTION
    RB_OVERRIDE_RANGE = 1 << 7,           // RANGE, HTTPHEADER
    RB_OVERRIDE_PROTOCOLS = 1 << 8,       // PROTOCOLS
    RB_OVERRIDES_END = 1 << 9,
    RB_OVERRIDES_ATTEMPT = RB_OVERRIDES_END - RB_OVERRIDE_READ
};

// Sets the program's values of all overridden options on `easy`, which is the handle itself or a clone of it. Call it
// before libcurl frees the handle, and after libcurl cloned it.
void rb_override_restore(const struct rb_handle *handle, CURL *easy);

// Ends what was set for one attempt: the handle has the program's values again.
void rb_override_end_attempt(struct rb_handle *handle);

// True when a value that the program sets for `option` must be noted only, because our value stays in its place.
bool rb_override_hides(const struct rb_handle *handle, CURLoption option);

#endif
