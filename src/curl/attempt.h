// SPDX-License-Identifier: MIT
// Changes a handle for one attempt and restores it afterwards.
#ifndef RB_CURL_ATTEMPT_H
#define RB_CURL_ATTEMPT_H

#include "curl/transfer_data.h"

// Prepares the handle for an attempt that was admitted.
//   holding: which responses may be held back, because another attempt could follow
void rb_attempt_prepare(struct rb_transfer *transfer, enum rb_holding holding);

// Sets the options of connections that libcurl opens from now on in this attempt. rb_attempt_prepare sets those of the
// transfer's section; another section can apply behind a redirect.
void rb_attempt_keepalive(struct rb_transfer *transfer, const struct rb_keepalive *wanted);

// Makes libcurl refuse the next transfer, or the redirect it is about to follow, with CURLE_UNSUPPORTED_PROTOCOL.
void rb_attempt_poison(struct rb_transfer *transfer);

// Restores everything that the two functions above changed. May be called repeatedly.
void rb_attempt_restore(struct rb_transfer *transfer);

// Calls the program's progress callback between two attempts and returns its result. The program must have set one.
int rb_attempt_show_progress(struct rb_transfer *transfer);

// Classifies libcurl's result of the attempt.
struct rb_outcome rb_attempt_classify(struct rb_transfer *transfer, CURLcode code);

// Returns how often libcurl itself sent the request again because a kept connection was closed. 0 if unknown.
unsigned rb_attempt_resends(const struct rb_transfer *transfer, CURLcode code);

#endif
