// SPDX-License-Identifier: MIT
// The responses of one call, attempt by attempt. A response is passed to the program line by line, or held until the
// attempt is decided, or used to continue a download.
//
// A response is held only if the policy may repeat a response with its status. Interim header blocks (1xx, a followed
// redirect, an authentication round) that the program has received are recorded. The next attempt receives these blocks
// again, and the program must not see them twice. If an attempt continues an interrupted download, the program sees
// none of its header lines, and only those body bytes that it does not have yet.
#ifndef RB_CURL_RESPONSE_RESPONSE_H
#define RB_CURL_RESPONSE_RESPONSE_H

#include "curl/asked.h"
#include "curl/handle_data.h"
#include "engine/call.h"

enum {
    RB_HELD_MAX = 64 * 1024, // bytes of a held response; a larger one is delivered at once and not repeated
    RB_SHOWN_MAX = 8         // interim blocks that are recorded
};

// Which responses are held in an attempt, because another attempt could follow.
enum rb_holding {
    RB_HOLD_NOTHING,
    RB_HOLD_FAILURES, // those with a status in retry.on
    RB_HOLD_REJECTED  // of these, those that mean that the request was not processed (retry.rejected)
};

// The state of one call's responses, valid as long as the call. Call rb_response_begin once, then rb_response_attempt
// before each attempt. The fields are in response_private.h.
struct rb_response;

// Functions that are called while libcurl receives a response.
struct rb_response_listener {
    // Called for the Location of a redirect that libcurl is about to follow.
    void (*on_redirect)(void *context, const char *location, size_t length);
    // Called at the end of a header block that is not 1xx and not a proxy's answer to CONNECT, with its status.
    void (*on_answer)(void *context, unsigned status);
    // Called at the status line of each header block. Returns true if the block is a proxy's answer to CONNECT.
    bool (*is_tunnel)(void *context, unsigned status);
};

// The result of a delivery. HEADER_REFUSED and BODY_REFUSED: the program's callback returned an error for a header line
// or for body bytes.
enum rb_delivery { RB_DELIVERED, RB_DELIVERY_PAUSED, RB_DELIVERY_HEADER_REFUSED, RB_DELIVERY_BODY_REFUSED };

// What this attempt has received so far.
struct rb_response_seen {
    bool answered;      // a status line or a body byte was received from the server
    bool body;          // a body byte was received
    bool cut;           // the last header block has not ended: its blank line is missing
    unsigned status;    // status of the current header block; 0: there is none, or it was 1xx or an answer to CONNECT
    unsigned redirects; // header blocks of the server with a 3xx status
    unsigned finals;    // header blocks of the server whose status is not 1xx, and those with 101
};

// Initializes the state for a call.
//   asked: the range that the program asks for; copied; NULL: this is no GET, the policy does not allow continuing
//          downloads, or the range is not understood
void rb_response_begin(struct rb_response *response, struct rb_handle *handle, const struct rb_rules *rules,
                       const struct rb_asked *asked);

// Sets the listener of the response until rb_response_end.
//   listener: has all functions; not copied, so it must stay valid
//   context: argument for the functions
void rb_response_listen(struct rb_response *response, const struct rb_response_listener *listener, void *context);

// Sets whether a proxy's answers to CONNECT are held in the next attempts. Such an answer proves that no request was
// sent, so another attempt can follow for every method. Before the first call, they are not held.
void rb_response_hold_tunnels(struct rb_response *response, bool may_hold);

// Prepares for an attempt and drops a response that is still held.
// If the policy follows hints, a response with a status from 400 on is held at least until its header block is
// complete.
void rb_response_attempt(struct rb_response *response, enum rb_holding holding);

// No other attempt can follow this one: the next header block is passed to the program at once.
void rb_response_hold_no_more(struct rb_response *response);

// Receive a piece of the response from libcurl, in place of the program's callbacks. `context` is the rb_response.
size_t rb_response_on_body(char *bytes, size_t size, size_t count, void *context);
size_t rb_response_on_header(char *bytes, size_t size, size_t count, void *context);

// Ends the attempt.
//   followed: number of redirects that libcurl followed (CURLINFO_REDIRECT_COUNT); their blocks were interim
//   complete: libcurl reports success; then a last block that equals a recorded interim block, and that was not cut
//   off, is the response itself
void rb_response_finish(struct rb_response *response, unsigned followed, bool complete);

// Delivers the held response in order. After PAUSED, call again to continue at the same position.
enum rb_delivery rb_response_deliver(struct rb_response *response);

// rb_response_keep puts the held response aside, so that the next attempt does not drop it. rb_response_restore
// replaces that attempt's response by the one put aside.
void rb_response_keep(struct rb_response *response);
void rb_response_restore(struct rb_response *response);

// Returns true if this response can be continued after an interruption: it is a 200, or a 206 with the range that the
// program asked for, has a strong entity tag and was passed to the program.
bool rb_response_can_continue(const struct rb_response *response);

// Makes the next attempts continue this response. Returns false if the program's request must be sent again unchanged,
// because the program has received no body bytes, or because libcurl decodes the body. Call only if
// rb_response_can_continue.
//   rest: receives the range that the next attempt must ask for
bool rb_response_continue(struct rb_response *response, struct rb_asked *rest);

// Returns true if an attempt that continued a download has completed the response. Call at the end of that attempt.
//   complete: libcurl reports success
bool rb_response_continued(const struct rb_response *response, bool complete);

// Returns the body bytes of all attempts, for CURLINFO_SIZE_DOWNLOAD. Returns -1 if libcurl's count for this attempt is
// right, because the attempt read a decoded body again from its beginning. Call at the end of an attempt that continued
// a download.
int64_t rb_response_received(const struct rb_response *response);

// Returns what this attempt has received so far.
struct rb_response_seen rb_response_seen(const struct rb_response *response);

// Returns what the server says about retries in the last header block, and in the body if it is held. Call at the end
// of an attempt.
struct rb_hint rb_response_hint(const struct rb_response *response);

// Returns true if the attempt continues the response of an earlier one.
bool rb_response_continues(const struct rb_response *response);

// Returns true if such an attempt has reached the bytes that the program lacks.
bool rb_response_brings_rest(const struct rb_response *response);

// Returns the entity tag of the response that is continued. Call only if rb_response_continues.
const char *rb_response_etag(const struct rb_response *response);

// Returns true if the program has received something that another attempt cannot undo: bytes of the current header
// block or of a body.
bool rb_response_reached_program(const struct rb_response *response);

// Returns true if another attempt could follow this one whatever its failure (RB_HOLD_FAILURES).
bool rb_response_may_hold(const struct rb_response *response);

// Returns true if a response could not be held to its end: it was larger than RB_HELD_MAX, or memory ran out.
bool rb_response_overflowed(const struct rb_response *response);

// Changes the progress values of libcurl to those for the program: 0 while a response is held, and those of the whole
// response if an attempt continues it.
//   total, now: bytes; on entry those of this attempt
void rb_response_progress(const struct rb_response *response, curl_off_t *total, curl_off_t *now);

// Frees everything that the response owns.
void rb_response_end(struct rb_response *response);

#endif
