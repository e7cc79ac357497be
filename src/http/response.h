// SPDX-License-Identifier: MIT
// The response of one attempt on its way to the program: passed line by line, or held until it is decided.
//
// Only a response whose status may be repeated is held. Header blocks that were passed and proved interim (1xx, a
// followed redirect, an authentication round) are remembered: the next attempt brings them again, and the program must
// not see them twice.
#ifndef RB_HTTP_RESPONSE_H
#define RB_HTTP_RESPONSE_H

#include "engine/call.h"
#include "http/handle.h"

enum {
    RB_HELD_MAX = 64 * 1024, // bytes of a held response; over it the response is delivered and the retry given up
    RB_SHOWN_MAX = 8         // interim blocks remembered
};

// The state of one call's responses. Lives as long as the call; begin anew with rb_response_attempt for each attempt.
struct rb_response {
    struct rb_handle *handle;
    const struct rb_rules *rules;
    struct rb_retry_after after;

    bool may_hold;   // this attempt may be followed by another
    bool holding;    // the current block and what follows it are queued
    bool overflowed; // a held response became too large, or memory ran out
    bool skipping;   // the current block looks like one shown before: queued until that is clear
    bool in_header;  // between a status line and its blank line
    bool answered;   // a status line or a body byte was seen in this attempt
    bool delivered;  // bytes of the current block, or a body, reached the program
    bool body_delivered;
    unsigned status;    // of the current block
    unsigned blocks;    // status lines in this attempt
    unsigned redirects; // of them 3xx

    unsigned shown; // interim blocks that the program has seen
    unsigned short shown_status[RB_SHOWN_MAX];

    char *queue; // owned
    size_t queue_size, queue_length;
    size_t flushed; // bytes of the queue already delivered
};

// What became of a delivery.
enum rb_delivery { RB_DELIVERED, RB_DELIVERY_PAUSED, RB_DELIVERY_FAILED };

// Prepares for the first attempt.
void rb_response_begin(struct rb_response *response, struct rb_handle *handle, const struct rb_rules *rules);

// Prepares for the next attempt; a response still held is dropped. may_hold: another attempt could follow this one.
void rb_response_attempt(struct rb_response *response, bool may_hold);

// The callbacks to give to libcurl in place of the program's; `context` is the rb_response.
size_t rb_response_on_body(char *bytes, size_t size, size_t count, void *context);
size_t rb_response_on_header(char *bytes, size_t size, size_t count, void *context);

// Ends the attempt.
//   followed: redirects that libcurl followed (CURLINFO_REDIRECT_COUNT): their blocks were interim
//   complete: libcurl reports success; then a last block that looks like one shown before is the response itself
void rb_response_finish(struct rb_response *response, unsigned followed, bool complete);

// Delivers what is held, in order. After PAUSED, call again to go on where it stopped.
enum rb_delivery rb_response_deliver(struct rb_response *response);

// Frees the queue.
void rb_response_end(struct rb_response *response);

#endif
