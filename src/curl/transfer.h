// SPDX-License-Identifier: MIT
// One transfer of the program's, made of as many attempts as its policy allows. The easy and the multi interface drive
// it: they let libcurl carry an attempt out, and wait.
//
//   begin -> hold -> start -> (libcurl) -> ended -> DONE: deliver -> end
//                               ^            |
//                               '-- again <--'  WAIT: after delay_ms
#ifndef RB_HTTP_TRANSFER_H
#define RB_HTTP_TRANSFER_H

#include "curl/figures.h"
#include "curl/replay.h"
#include "curl/response/response.h"
#include "curl/response/validator.h"
#include "curl/route.h"
#include "engine/call.h"
#include "policy/policy.h"

// What the program gets when an attempt that was to mend an earlier one fails: that earlier one's end.
struct rb_fallback {
    struct rb_saved *saved; // owned; NULL: its figures are with the handle
    CURLcode code;
    uint64_t begun_ms; // of its attempt
    char error[CURL_ERROR_SIZE];
    struct curl_slist if_range; // of the attempt that continues it
    char if_range_text[RB_ETAG_SIZE + 16];
};

// A transfer under way. What few transfers need is apart: there may be thousands in a multi handle.
struct rb_transfer {
    struct rb_handle *handle;
    struct rb_route *route; // a share of it
    struct rb_call call;
    struct rb_response *response; // room that the caller of rb_transfer_begin made
    struct rb_replay replay;
    uint64_t begun_ms;
    uint64_t program_deadline_ms; // from CURLOPT_TIMEOUT; UINT64_MAX: none
    bool repeatable;              // the method or an idempotency key allows it
    uint64_t delay_ms;            // the wait before the next attempt

    CURLcode code; // of the attempt just ended
    struct rb_outcome outcome;
    long connects;                // the most connections that one attempt made
    struct rb_fallback *fallback; // owned; NULL: none

    bool poisoned;       // libcurl was made to refuse this attempt, or a redirect in it
    bool elsewhere;      // a redirect has led this attempt to another host
    char *refused_host;  // owned; whose breaker is open; NULL without memory
    uint64_t refused_ms; // and for how long
};

enum rb_step { RB_TRANSFER_DONE, RB_TRANSFER_WAIT };

// Fills in a transfer for what the program set on the handle, and puts our callbacks there. Returns false when it is
// not ours: no policy matches, it is not HTTP, or this libcurl lacks what is needed. Then nothing was changed.
//   response: room for the call's responses, for as long as the transfer lasts; need not be initialized
//   policy: the policy in force, not NULL
bool rb_transfer_begin(struct rb_transfer *transfer, struct rb_response *response, struct rb_handle *handle,
                       const struct rb_policy *policy);

// Whether the first attempt has to wait, delay_ms, because the host asked for that (Retry-After) on behalf of another
// call. Ask once.
bool rb_transfer_hold(struct rb_transfer *transfer);

// Prepares the handle for the first attempt, which libcurl is then to carry out. When the breaker refuses it, libcurl
// will: it fails before it looks anything up, so that its CURLINFO is that of a fresh failure.
void rb_transfer_start(struct rb_transfer *transfer);

// Ends an attempt and decides. WAIT: wait delay_ms, then rb_transfer_again. DONE: *code is the program's result but for
// what rb_transfer_deliver makes of it.
//   code: in: libcurl's result
enum rb_step rb_transfer_ended(struct rb_transfer *transfer, CURLcode *code);

// After the wait: prepares the next attempt. Returns false when the breaker has opened meanwhile, or the program has
// set another URL: that is as DONE.
bool rb_transfer_again(struct rb_transfer *transfer, CURLcode *code);

// A wait that cannot be ended by another attempt: that is as DONE.
//   reason: for the log
void rb_transfer_give_up(struct rb_transfer *transfer, enum rb_reason reason, CURLcode *code);

// The program gave up during a wait: likewise, but *code becomes CURLE_ABORTED_BY_CALLBACK.
void rb_transfer_abort(struct rb_transfer *transfer, CURLcode *code);

// Asks the program's progress callback, which is how programs cancel, while nothing moves. False: it cancels.
bool rb_transfer_goes_on(const struct rb_handle *handle);

// Delivers a response that is still held, after DONE. PAUSED: call again when the program has resumed the transfer
// (rb_transfer_pause tells), or rb_transfer_interrupt. *code changes when the program does not take it.
enum rb_delivery rb_transfer_deliver(struct rb_transfer *transfer, CURLcode *code);

// Gives up a paused delivery, for CURLE_ABORTED_BY_CALLBACK or CURLE_OPERATION_TIMEDOUT.
void rb_transfer_interrupt(struct rb_transfer *transfer, CURLcode code);

// The program resumed (or paused) a transfer. Returns true when that was about a response being delivered after the
// transfer, of which libcurl knows nothing: the call must then not reach libcurl.
bool rb_transfer_pause(struct rb_handle *handle, int mask);

// Ends the transfer, at any point: the handle is as the program left it, a permit is given back, memory is freed. After
// DONE the figures of the call stay with the handle.
void rb_transfer_end(struct rb_transfer *transfer);

#endif
