// SPDX-License-Identifier: MIT
// One curl_easy_perform of the program, made of as many attempts as its policy allows.
#ifndef RB_HTTP_PERFORM_H
#define RB_HTTP_PERFORM_H

#include "curl/handle.h"
#include "policy/policy.h"

// Performs the transfer that the program set up. What cannot be matched, repeated or judged goes to libcurl untouched.
// Returns what curl_easy_perform returns: the last attempt's result; CURLE_COULDNT_CONNECT with a sentence in the
// program's error buffer when the circuit breaker is open. Blocks for the waits between attempts and calls the progress
// callback meanwhile, whose non-zero answer ends the call with CURLE_ABORTED_BY_CALLBACK.
//   policy: the policy in force; NULL: none, the transfer passes through
CURLcode rb_http_perform(struct rb_handle *handle, const struct rb_policy *policy);

#endif
