// SPDX-License-Identifier: MIT
// Private: the fields of struct rb_response. Only response.c uses them. Others include this header to make room for a
// response: it is part of a larger object so that a transfer needs no allocation of its own for it.
#ifndef RB_CURL_RESPONSE_RESPONSE_PRIVATE_H
#define RB_CURL_RESPONSE_RESPONSE_PRIVATE_H

#include "curl/handle_data.h"
#include "curl/response/digest.h"
#include "curl/response/response.h"
#include "curl/response/validator.h"

// What becomes of the current header block and of the body behind it.
//
// In an attempt that stands for itself each status line decides anew:
//
//   PASS <-- status line --> HOLD     the policy may repeat a response with this status
//     ^                 \--> SKIP     the status is that of a block that the program has seen
//     '------------------------ HOLD or SKIP ends when the queued pieces are delivered or dropped
//
// In an attempt that continues a download the bytes of a body decide. The program sees no header line of it:
//
//   AWAIT -- first byte of a 206 for our range ----------------> REST
//     |----- first byte of the same 200 --> DROP -- new bytes --> REST
//     |                                       '-- other bytes --> OTHER
//     |----- first byte of a response that may be repeated ----> AWAIT
//     '----- first byte of any other response -----------------> OTHER
enum rb_treatment {
    RB_TREATMENT_PASS,  // given to the program at once
    RB_TREATMENT_HOLD,  // queued with its body until the attempt is decided
    RB_TREATMENT_SKIP,  // queued until its end: only a body proves that it is the response itself
    RB_TREATMENT_AWAIT, // no byte of the continued body yet: what comes is dropped
    RB_TREATMENT_DROP,  // the body comes from its beginning: the bytes that the program has are dropped
    RB_TREATMENT_REST,  // the bytes that the program lacks: given at once
    RB_TREATMENT_OTHER  // another response, or other bytes: libcurl is made to end the attempt
};

// Where in a response libcurl is.
enum rb_place {
    RB_PLACE_OUTSIDE, // before a status line, or in a body
    RB_PLACE_HEADER,  // between a status line and its blank line
    RB_PLACE_TRAILERS // in header lines that belong to no header block
};

// How much of a response the program has received.
enum rb_received {
    RB_RECEIVED_NOTHING, // nothing of the current header block
    RB_RECEIVED_HEADER,  // bytes of the current header block
    RB_RECEIVED_BODY     // bytes of a body: this stays until the call ends
};

// What is noted so that a download can be continued.
enum rb_tracking {
    RB_TRACKING_NOTHING,    // the request is not one that can be continued
    RB_TRACKING_VALIDATORS, // the header fields of each block
    RB_TRACKING_BODY        // these, and a sum over the bytes of the body that the program takes
};

// Pieces of a response in order, owned.
struct rb_queue {
    char *at;
    size_t size, length;
    size_t flushed; // bytes of it already delivered
};

// What it takes to continue a download, apart: most responses cannot be continued, and need not have it.
struct rb_sums {
    struct rb_validator whole; // of the response that is continued
    struct rb_digest digest;   // of the bytes that the program took
    struct rb_digest again;    // of those dropped
    int64_t to_drop;
};

// The state of one call's responses. Lives as long as the call; begin anew with rb_response_attempt for each attempt.
struct rb_response {
    struct rb_handle *handle;
    const struct rb_rules *rules;

    enum rb_treatment treatment; // set by set_treatment only
    enum rb_place place;
    enum rb_received received;
    enum rb_tracking tracking;
    bool may_hold;      // this attempt may be followed by another
    bool overflowed;    // a held response became too large, or memory ran out
    bool body;          // a byte of a body was seen in this attempt
    bool ranged;        // the attempt asked for a range
    unsigned status;    // of the current block
    unsigned blocks;    // status lines in this attempt
    unsigned finals;    // of them those whose status is not 1xx, and 101
    unsigned redirects; // of them 3xx

    unsigned shown;   // interim blocks that the program has seen
    unsigned matched; // of which this attempt has come so far
    unsigned short shown_status[RB_SHOWN_MAX];

    struct rb_queue queue;
    struct rb_queue kept; // a held response set aside while the next attempt is tried

    struct rb_retry_after after;

    int64_t taken;        // bytes of the body that the program took
    struct rb_sums *sums; // owned; not NULL with RB_TRACKING_BODY, and where an attempt continues an earlier one

    const struct rb_response_listener *listener; // NULL: none
    void *context;                               // for it

    struct rb_validator validator; // of the current block
};

#endif
