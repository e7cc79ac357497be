// SPDX-License-Identifier: MIT
// Makes handles of a given libcurl and tracks them.
#ifndef RB_HOOK_CURL_H
#define RB_HOOK_CURL_H

#include "real/libcurl.h"

// Calls curl_easy_init of `curl` and tracks the handle. Returns NULL if `curl` is NULL or lacks the function, or if
// libcurl fails.
CURL *rb_hook_easy_init(const struct rb_libcurl *curl);

// Calls curl_multi_init of `curl`; otherwise like rb_hook_easy_init.
CURLM *rb_hook_multi_init(const struct rb_libcurl *curl);

// Calls curl_share_init of `curl`; otherwise like rb_hook_easy_init.
CURLSH *rb_hook_share_init(const struct rb_libcurl *curl);

#endif
