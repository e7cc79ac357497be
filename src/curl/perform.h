// SPDX-License-Identifier: MIT
// Intercepts curl_easy_perform. One call becomes as many attempts as the policy allows.
#ifndef RB_CURL_PERFORM_H
#define RB_CURL_PERFORM_H

#include "curl/handle.h"
#include "policy/policy.h"

// Performs the transfer that the program set up. Passes through if no section matches or if the transfer cannot be
// retried or classified. Returns the result of the last attempt. If the breaker is open, returns CURLE_COULDNT_CONNECT
// with a message in the program's error buffer. Waits between attempts and calls the progress callback during waits. If
// the callback returns non-zero, returns CURLE_ABORTED_BY_CALLBACK.
//   policy: the current policy; NULL passes through
CURLcode rb_http_perform(struct rb_handle *handle, const struct rb_policy *policy);

#endif
