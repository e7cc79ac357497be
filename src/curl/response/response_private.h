// SPDX-License-Identifier: MIT
// Private: the fields of struct rb_response. Only response.c uses them. Others include this header to make room for a
// response: it is part of a larger object so that a transfer needs no allocation of its own for it.
#ifndef RB_HTTP_RESPONSE_PRIVATE_H
#define RB_HTTP_RESPONSE_PRIVATE_H

#include "curl/handle.h"
#include "curl/response/digest.h"
#include "curl/response/response.h"
#include "curl/response/validator.h"

// How far an attempt is that continues an earlier one.
enum rb_continuing {
    RB_CONTINUING_NO,
    RB_CONTINUING_WAIT, // no byte of the final response's body yet
    RB_CONTINUING_DROP, // the body from its beginning: what the program has already is dropped
    RB_CONTINUING_PASS, // new bytes
    RB_CONTINUING_OTHER // another response, or other bytes: libcurl was made to end the attempt
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

    bool may_hold;   // this attempt may be followed by another
    bool holding;    // the current block and what follows it are queued
    bool overflowed; // a held response became too large, or memory ran out
    bool skipping;   // the current block looks like one shown before: queued until that is clear
    bool in_header;  // between a status line and its blank line
    bool in_body;    // a byte of a body was seen in this attempt
    bool answered;   // a status line or a body byte was seen in this attempt
    bool delivered;  // bytes of the current block, or a body, reached the program
    bool body_delivered;
    bool trailers;      // header lines after the body were seen
    unsigned status;    // of the current block
    unsigned blocks;    // status lines in this attempt
    unsigned finals;    // of them those that answer a request: neither 1xx nor a proxy's answer to CONNECT
    unsigned redirects; // of them 3xx

    unsigned shown;   // interim blocks that the program has seen
    unsigned matched; // of which this attempt has come so far
    unsigned short shown_status[RB_SHOWN_MAX];

    struct rb_queue queue;
    struct rb_queue kept; // a held response set aside while the next attempt is tried

    struct rb_retry_after after;

    bool tracks;   // the request is one that could be continued: validators are noted
    bool summing;  // the body being delivered is summed up
    bool ranged;   // the attempt asked for a range
    int64_t taken; // bytes of the body that the program took
    enum rb_continuing continuing;
    struct rb_sums *sums; // owned; not NULL where summing, and where an attempt continues an earlier one

    const struct rb_response_listener *listener; // NULL: none
    void *context;                               // for it

    struct rb_validator validator; // of the current block
};

#endif
