// SPDX-License-Identifier: MIT
// One request of a link and its response: what of it is kept, and the decision about a repetition. Knows nothing of
// sockets; wire/socket.c and wire/tls.c move the bytes.
//
// The request is kept as long as it is at most RB_EXCHANGE_SIZE bytes. A response is examined before the program reads
// it (rb_exchange_look), if the program waits in a way that allows it, and while the program reads it
// (rb_exchange_read), which counts its status and finds its end.
//
// All functions are for the owner of the claim of the link. They are async-signal-safe.
#ifndef RB_WIRE_EXCHANGE_H
#define RB_WIRE_EXCHANGE_H

#include "engine/call.h"
#include "wire/frame.h"
#include "wire/link.h"

// RB_EXCHANGE_START: these first bytes of a response tell a success (rb_exchange_look): "HTTP/1.1 200".
enum { RB_EXCHANGE_SIZE = 65536, RB_EXCHANGE_START = 12 };

// What the bytes of a response mean for its request.
enum rb_look {
    RB_LOOK_MORE, // the response may have to be repeated, but is not whole
    RB_LOOK_PASS, // the program gets the response
    RB_LOOK_RETRY // the request is repeated at due_ms
};

struct rb_exchange {
    struct rb_exchange *next; // in the list of unused ones
    struct rb_rules rules;    // a copy, because the policy may be replaced
    char policy[RB_SECTION_NAME_SIZE];
    struct rb_call call;
    // In `request`; the path only if http.path asks for it.
    struct rb_request_line line;
    uint64_t total_until_ms;   // the end of the call by the policy
    uint64_t due_ms;           // PARKED: when the request is sent again
    uint64_t first_byte_ms;    // when the program or the library saw the first byte of the response; 0: not yet
    struct rb_frame_head head; // of the request, then of the response
    struct rb_frame_body body; // likewise
    enum rb_cause cause;       // of the latest attempt
    unsigned status;           // likewise
    enum rb_reason reason;     // why the request is not repeated
    enum rb_stack stack;       // with RB_REASON_STACK: why; NONE: because of the way in which the program waits
    bool headed;               // the head of the message in progress is complete
    enum rb_frame_asks asks;   // the method, as far as it changes the framing of the response
    bool allowed;              // the method or an idempotency key allows a repetition
    bool whole;                // `request` has the whole request
    bool closes;               // the connection has ended, or will end behind the response under examination
    bool reopens;              // TLS: the library can open the connection again
    bool notified;             // TLS: the server has announced the end, and the connection object does not show it
    bool passes;               // the response is passed on without examination
    bool judged;               // the response under examination was judged
    bool goes_on;              // DELIVER: the connection goes on behind the held bytes
    bool leaves;               // DELIVER: the link is not followed behind the held bytes
    bool redials;              // in an event loop: a second connect was begun; a held response is in `held`
    unsigned stirs;            // in an event loop: how often the kernel has reported a response that was hidden
    uint64_t hold_until_ms;    // in an event loop: the end of all holds of the exchange; 0: nothing was held yet
    int low_mark;              // SO_RCVLOWAT of the program while ours is set; 0: not set
    int broke;                 // how the connection ended before a response: errno, or -1 for the end of the stream
    int error;                 // the errno of the program's next read; 0: that of the real read
    size_t request_length;     // bytes in `request`
    size_t held_length, given; // bytes in `held`, and how many of them the program has read
    size_t seen_length;        // bytes in `seen`
    size_t taken;              // bytes in `seen` that were read from the connection; 0 on plain sockets
    char request[RB_EXCHANGE_SIZE];
    char held[RB_EXCHANGE_SIZE]; // the response that the program gets if a repetition fails
    char seen[RB_EXCHANGE_SIZE]; // the response under examination; or its head, as far as the program has read it
};

// The program has written `length` bytes on a claimed link. Returns false if the link must become opaque.
bool rb_exchange_wrote(struct rb_link *link, const char *bytes, size_t length);

// The program has read `length` bytes on a claimed link; 0: the end of the stream. Returns false if the link must
// become opaque.
bool rb_exchange_read(struct rb_link *link, const char *bytes, size_t length);

// True if a response to the request may be examined before the program reads it. Link: SENT.
bool rb_exchange_may_hold(const struct rb_link *link);

// Examines the bytes of a response that the program has not seen: exchange->seen, from the beginning of the response.
// With RB_LOOK_RETRY the decision was made and reported; due_ms says when. With RB_LOOK_PASS the response is not
// examined again before the program reads it.
//   ended: no further bytes will follow
//   until_ms: the end of the program's own wait; UINT64_MAX: none
enum rb_look rb_exchange_look(struct rb_link *link, bool ended, uint64_t until_ms);

// The connection has ended before the first byte of a response. Returns true if the request is repeated at due_ms.
//   error: errno; 0: the end of the stream
//   may_connect: the library can connect again
//   until_ms: as for rb_exchange_look
bool rb_exchange_broke(struct rb_link *link, int error, bool may_connect, uint64_t until_ms);

// Begins the next attempt: the response under examination, if there is one, becomes the one that the program gets if
// the attempt fails. Returns false if the breaker refuses; then the program gets the response.
bool rb_exchange_again(struct rb_link *link);

// The repetition cannot be made or has failed. If a response is held, the link enters DELIVER, and the program reads
// the held response and then the end of the stream. Returns false if nothing is held.
bool rb_exchange_fall_back(struct rb_link *link, enum rb_reason reason);

// The request of a parked link is not repeated, although a repetition was decided. Reports a stop with this reason,
// unless it was reported. The caller must give the response to the program.
void rb_exchange_give_up(struct rb_link *link, enum rb_reason reason);

// Hands over the bytes that were read from the connection before the program read them: the link enters DELIVER, and
// the connection goes on behind these bytes. Returns false if there are none.
bool rb_exchange_give_taken(struct rb_link *link);

// The same if the link is to become opaque. If the repeated request has no answer yet, also hands over the response of
// the earlier attempt; then the connection ends behind this response. Returns true if the state is DELIVER.
bool rb_exchange_give_only(struct rb_link *link);

// The program has read all that was held. If the connection goes on, the state becomes that behind these bytes, and
// *followed tells whether the link can be followed further. Returns false if the connection ends.
bool rb_exchange_resume(struct rb_link *link, bool *followed);

// Ends the exchange of a claimed link, also before its response. Releases its memory.
void rb_exchange_end(struct rb_link *link);

#endif
