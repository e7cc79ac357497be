// SPDX-License-Identifier: MIT
// The response of one attempt on its way to the program: passed line by line, held until it is decided, or continued.
//
// Only a response whose status may be repeated is held. Header blocks that were passed and proved interim (1xx, a
// followed redirect, an authentication round) are remembered: the next attempt brings them again, and the program must
// not see them twice. An attempt that continues a download that broke off shows the program no header at all, and of
// the body only what it does not have yet.
#ifndef RB_HTTP_RESPONSE_H
#define RB_HTTP_RESPONSE_H

#include "curl/handle.h"
#include "curl/response/digest.h"
#include "curl/response/validator.h"
#include "engine/call.h"

enum {
    RB_HELD_MAX = 64 * 1024, // bytes of a held response; over it the response is delivered and the retry given up
    RB_SHOWN_MAX = 8         // interim blocks remembered
};

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
    bool refused_line;  // what the program did not take, late, was a header line
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

    // Called for the Location of a redirect that libcurl is about to follow; NULL: not wanted.
    void (*on_redirect)(void *context, const char *location, size_t length);
    // Called at the end of a header block that is not 1xx, with its status; NULL: not wanted.
    void (*on_answer)(void *context, unsigned status);
    void *context; // for both

    struct rb_validator validator; // of the current block
};

// What became of a delivery.
enum rb_delivery { RB_DELIVERED, RB_DELIVERY_PAUSED, RB_DELIVERY_FAILED };

// Prepares for the first attempt.
//   tracks: a GET without ranges of the program's own, which the policy allows to be continued
void rb_response_begin(struct rb_response *response, struct rb_handle *handle, const struct rb_rules *rules,
                       bool tracks);

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

// Sets what is held aside, so that the next attempt does not drop it, and takes it back in place of that attempt's.
void rb_response_keep(struct rb_response *response);
void rb_response_restore(struct rb_response *response);

// True when an attempt that broke off can be continued: bytes of a 200 with a strong validator were delivered.
bool rb_response_can_continue(const struct rb_response *response);

// Says that the next attempts continue this one's response. Returns the byte from which to ask for a range (RFC 9110,
// section 14.2), or -1: without one, reading the response again from its beginning, since nothing of it was delivered
// or it was decoded on its way. Only where rb_response_can_continue.
int64_t rb_response_continue(struct rb_response *response);

// True at the end of a continuing attempt when the program has received the whole response by it.
//   complete: libcurl reports success
bool rb_response_continued(const struct rb_response *response, bool complete);

// Bytes of the body over all attempts at the end of a continuing one, as libcurl counts them; -1: what it counted in
// this attempt, which read a decoded body again from its beginning.
int64_t rb_response_received(const struct rb_response *response);

// Frees the queues.
void rb_response_end(struct rb_response *response);

#endif
