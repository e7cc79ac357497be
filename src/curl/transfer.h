// SPDX-License-Identifier: MIT
// One transfer of the program with all its attempts. perform.c and multi/ drive it: they run each attempt in libcurl
// and wait.
//
//   begin -> hold -> start -> (libcurl) -> ended -> DONE: deliver -> end
//                                ^            |
//                                '-- again <--'  WAIT: after delay_ms
#ifndef RB_CURL_TRANSFER_H
#define RB_CURL_TRANSFER_H

#include "curl/transfer_data.h"
#include "policy/policy.h"

enum rb_step { RB_TRANSFER_DONE, RB_TRANSFER_WAIT };

// Initializes a transfer from the options of the handle and installs our callbacks. Returns false, without changes,
// when the transfer passes through: no section matches, the scheme is not HTTP, or this libcurl lacks a function that
// is needed.
//   response: memory for the call's responses, valid as long as the transfer; need not be initialized
//   policy: the current policy, not NULL
bool rb_transfer_begin(struct rb_transfer *transfer, struct rb_response *response, struct rb_handle *handle,
                       const struct rb_policy *policy);

// True if the first attempt must wait delay_ms, because the host asked other calls to wait (Retry-After). Call once.
bool rb_transfer_hold(struct rb_transfer *transfer);

// Prepares the handle for the first attempt, which libcurl then runs. If the breaker refuses the attempt, libcurl is
// configured to fail before a lookup, so that its CURLINFO values are those of a new failure.
void rb_transfer_start(struct rb_transfer *transfer);

// Ends an attempt and decides. WAIT: wait delay_ms, then call rb_transfer_again. DONE: *code is the result for the
// program, unless rb_transfer_deliver changes it.
//   code: in: libcurl's result
enum rb_step rb_transfer_ended(struct rb_transfer *transfer, CURLcode *code);

// Prepares the next attempt after the wait. Returns false, which means DONE, when the breaker has opened or the program
// has set another URL.
bool rb_transfer_again(struct rb_transfer *transfer, CURLcode *code);

// Ends a wait without another attempt, which means DONE.
//   reason: for the log
void rb_transfer_give_up(struct rb_transfer *transfer, enum rb_reason reason, CURLcode *code);

// The program cancelled during a wait. Like rb_transfer_give_up, but *code becomes CURLE_ABORTED_BY_CALLBACK.
void rb_transfer_abort(struct rb_transfer *transfer, CURLcode *code);

// Calls the program's progress callback during a wait. Returns false when the program cancels.
bool rb_transfer_goes_on(const struct rb_handle *handle);

// Delivers a held response after DONE. PAUSED: call again after the program has resumed the transfer (rb_transfer_pause
// reports that), or call rb_transfer_interrupt. Changes *code if the program rejects the response.
enum rb_delivery rb_transfer_deliver(struct rb_transfer *transfer, CURLcode *code);

// Ends a paused delivery with CURLE_ABORTED_BY_CALLBACK or CURLE_OPERATION_TIMEDOUT.
void rb_transfer_interrupt(struct rb_transfer *transfer, CURLcode code);

// Handles curl_easy_pause. Returns true if the response is being delivered after the transfer; then libcurl must not be
// called.
bool rb_transfer_pause(struct rb_handle *handle, int mask);

// Ends the transfer at any point: restores the handle, returns a breaker permit, frees memory. After DONE, the values
// for curl_easy_getinfo stay with the handle.
void rb_transfer_end(struct rb_transfer *transfer);

#endif
