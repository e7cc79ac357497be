// SPDX-License-Identifier: MIT
// Private: the fields of struct rb_response. Only response.c uses them. Other files include this header only to embed a
// response in a larger object, so that a transfer needs no separate allocation for it.
#ifndef RB_CURL_RESPONSE_RESPONSE_PRIVATE_H
#define RB_CURL_RESPONSE_RESPONSE_PRIVATE_H

#include "curl/handle_data.h"
#include "curl/response/digest.h"
#include "curl/response/response.h"
#include "curl/response/validator.h"

// How the current header block and its body are treated.
//
// In an attempt that does not continue a download, each status line selects the treatment:
//
//   PASS <-- status line --> HOLD     the policy may repeat a response with this status; or a proxy answers a CONNECT,
//     ^                 |             which is passed at its blank line unless the policy may repeat the attempt
//     ^                 \--> SKIP     an interim block with this status was passed to the program before
//     '------------------------ HOLD or SKIP ends when the queued pieces are delivered or dropped
//
// In an attempt that continues a download, the first bytes of a body select the treatment. The program gets none of its
// header lines:
//
//   AWAIT -- first byte of a 206 for our range ----------------> REST
//     |----- first byte of the same response --> DROP -- new bytes --> REST
//     |                                       '-- other bytes --> OTHER
//     |----- first byte of a response that may be repeated ----> AWAIT
//     '----- first byte of any other response -----------------> OTHER
enum rb_treatment {
    RB_TREATMENT_PASS,  // passed to the program at once
    RB_TREATMENT_HOLD,  // queued with its body until the attempt is decided
    RB_TREATMENT_SKIP,  // queued, then dropped at the next status line; a body shows that it is no interim block
    RB_TREATMENT_AWAIT, // no byte of the continued body yet: everything is dropped
    RB_TREATMENT_DROP,  // the body starts at its first byte: drop the bytes that the program has
    RB_TREATMENT_REST,  // the bytes that the program lacks: passed at once
    RB_TREATMENT_OTHER  // another response or different bytes: make libcurl end the attempt
};

// The position of libcurl in a response.
enum rb_place {
    RB_PLACE_OUTSIDE, // before a status line, or in a body
    RB_PLACE_HEADER,  // between a status line and its blank line; after the attempt: the header block was cut off
    RB_PLACE_TRAILERS // after the body, in its trailer lines
};

// How much of a response the program has received.
enum rb_received {
    RB_RECEIVED_NOTHING, // nothing of the current header block or of a body
    RB_RECEIVED_HEADER,  // bytes of the current header block
    RB_RECEIVED_BODY     // bytes of a body; stays so until the call ends
};

// Which data is recorded for continuing a download.
enum rb_tracking {
    RB_TRACKING_NOTHING,    // none: the request cannot be continued
    RB_TRACKING_VALIDATORS, // the header fields of each block
    RB_TRACKING_BODY        // these, and a checksum of the body bytes that the program takes
};

// Pieces of a response, in order.
struct rb_queue {
    char *at;            // owned
    size_t size, length; // allocated and used bytes
    size_t flushed;      // bytes that are already delivered
};

// The data for continuing a download. Allocated separately, because most responses do not need it.
struct rb_sums {
    struct rb_validator whole; // header fields of the response that is continued
    struct rb_digest digest;   // checksum of the bytes that the program took
    struct rb_digest again;    // checksum of the bytes dropped in this attempt
    int64_t to_drop;           // bytes still to drop
};

// See response.h.
struct rb_response {
    struct rb_handle *handle;
    const struct rb_rules *rules;

    enum rb_treatment treatment; // set by set_treatment only
    enum rb_place place;
    enum rb_received received;
    enum rb_tracking tracking;
    enum rb_holding holding;
    bool hold_tunnels;  // another attempt could follow this one if a proxy refuses a CONNECT
    bool tunnel;        // the current block is a proxy's answer to CONNECT
    bool overflowed;    // a held response became too large, or memory ran out
    bool body;          // a body byte was received in this attempt
    bool ranged;        // the attempt asked for a range
    unsigned status;    // of the current block; 0: there is none, or it was 1xx or an answer to CONNECT
    unsigned blocks;    // status lines in this attempt
    unsigned tunnels;   // those of a proxy's answers to CONNECT
    unsigned finals;    // header blocks of the server whose status is not 1xx, and those with 101
    unsigned redirects; // header blocks of the server with a 3xx status

    unsigned shown;                           // interim blocks that the program has received
    unsigned matched;                         // how many of them this attempt has received again
    unsigned short shown_marks[RB_SHOWN_MAX]; // their statuses, those of answers to CONNECT apart

    struct rb_queue queue;
    struct rb_queue kept; // a held response, put aside during the next attempt

    struct rb_hints *hints; // owned; of the current block; NULL before the first block with a status from 400 on

    struct rb_asked asked; // the range that the program asks for; valid unless RB_TRACKING_NOTHING
    int64_t taken;         // bytes of the body that the program took
    struct rb_sums *sums;  // owned; not NULL with RB_TRACKING_BODY and in an attempt that continues a download

    const struct rb_response_listener *listener; // NULL: none
    void *context;                               // argument for the listener

    struct rb_validator validator; // header fields of the current block
};

#endif
