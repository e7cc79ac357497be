// SPDX-License-Identifier: MIT
// What a call that makes a libcurl handle does, once it is known which libcurl is meant.
#ifndef RB_HOOK_CURL_H
#define RB_HOOK_CURL_H

#include "real/libcurl.h"

// As curl_easy_init of that libcurl; the handle is tracked. NULL for a libcurl that is NULL or has no such function.
CURL *rb_hook_easy_init(const struct rb_libcurl *curl);

// As curl_multi_init, likewise.
CURLM *rb_hook_multi_init(const struct rb_libcurl *curl);

#endif
