// SPDX-License-Identifier: MIT
// What is changed on a handle for one attempt, and taken back after it.
#ifndef RB_HTTP_ATTEMPT_H
#define RB_HTTP_ATTEMPT_H

#include "curl/transfer.h"

// Prepares the handle for the attempt that was just admitted.
//   may_hold: another attempt could follow it
void rb_attempt_prepare(struct rb_transfer *transfer, bool may_hold);

// Makes libcurl refuse the next transfer (or the redirect it is about to follow), with CURLE_UNSUPPORTED_PROTOCOL.
void rb_attempt_poison(struct rb_transfer *transfer);

// Takes everything back that the two above changed. Harmless when there is nothing.
void rb_attempt_restore(struct rb_transfer *transfer);

// Calls the program's progress callback between two attempts; it must have one. Returns its answer.
int rb_attempt_show_progress(struct rb_transfer *transfer);

// Judges libcurl's result of the attempt.
struct rb_outcome rb_attempt_classify(struct rb_transfer *transfer, CURLcode code);

// How often libcurl sent a request again by itself, on a connection that had died; 0 where it cannot be known.
unsigned rb_attempt_resends(const struct rb_transfer *transfer, CURLcode code);

#endif
