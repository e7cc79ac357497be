// SPDX-License-Identifier: MIT
// The response of one attempt on its way to the program: passed line by line, held until it is decided, or continued.
//
// Only a response whose status may be repeated is held. Header blocks that were passed and proved interim (1xx, a
// followed redirect, an authentication round) are remembered: the next attempt brings them again, and the program must
// not see them twice. An attempt that continues a download that broke off shows the program no header at all, and of
// the body only what it does not have yet.
#ifndef RB_CURL_RESPONSE_RESPONSE_H
#define RB_CURL_RESPONSE_RESPONSE_H

#include "curl/handle_data.h"
#include "engine/call.h"

enum {
    RB_HELD_MAX = 64 * 1024, // bytes of a held response; over it the response is delivered and the retry given up
    RB_SHOWN_MAX = 8         // interim blocks remembered
};

// The state of one call's responses. Lives as long as the call; begin anew with rb_response_attempt for each attempt.
// Its fields are in response_private.h.
struct rb_response;

// Who wants to know of what libcurl brings.
struct rb_response_listener {
    // Called for the Location of a redirect that libcurl is about to follow.
    void (*on_redirect)(void *context, const char *location, size_t length);
    // Called at the end of a header block that is not 1xx, with its status.
    void (*on_answer)(void *context, unsigned status);
};

// What became of a delivery. The last two: the program's callback refused a header line, or bytes of the body.
enum rb_delivery { RB_DELIVERED, RB_DELIVERY_PAUSED, RB_DELIVERY_HEADER_REFUSED, RB_DELIVERY_BODY_REFUSED };

// What came in this attempt.
struct rb_response_seen {
    bool answered;      // a status line or a byte of a body
    bool body;          // a byte of a body
    unsigned status;    // of the current header block; 0: none, or it was 1xx
    unsigned redirects; // header blocks with a 3xx status
    unsigned finals;    // header blocks whose status is not 1xx, and those with 101
};

// Prepares for the first attempt.
//   tracks: a GET without ranges of the program's own, which the policy allows to be continued
void rb_response_begin(struct rb_response *response, struct rb_handle *handle, const struct rb_rules *rules,
                       bool tracks);

// Sets who is told of what libcurl brings, until the response ends.
//   listener: with both functions; kept, not copied
//   context: for the functions
void rb_response_listen(struct rb_response *response, const struct rb_response_listener *listener, void *context);

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

// What came in this attempt so far.
struct rb_response_seen rb_response_seen(const struct rb_response *response);

// What the last header block said in Retry-After. Valid until the next call on the response.
const struct rb_retry_after *rb_response_retry_after(const struct rb_response *response);

// True when the attempt continues an earlier one's response.
bool rb_response_continues(const struct rb_response *response);

// True when such an attempt has brought the rest of the response, or the beginning of the rest.
bool rb_response_brings_rest(const struct rb_response *response);

// The entity tag of the response that is continued; only where rb_response_continues.
const char *rb_response_etag(const struct rb_response *response);

// True when the program has received something that another attempt cannot take back: bytes of the current header
// block, or of a body.
bool rb_response_reached_program(const struct rb_response *response);

// True when rb_response_attempt was told that another attempt could follow this one.
bool rb_response_may_hold(const struct rb_response *response);

// True when a response could not be held to its end: it was larger than RB_HELD_MAX, or memory ran out.
bool rb_response_overflowed(const struct rb_response *response);

// Turns libcurl's figures of a download into those that the program may be shown: none of a response that is held, and
// those of the whole response where an attempt continues it.
//   total, now: bytes; in: of this attempt
void rb_response_progress(const struct rb_response *response, curl_off_t *total, curl_off_t *now);

// Frees the queues.
void rb_response_end(struct rb_response *response);

#endif
