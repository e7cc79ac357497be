// SPDX-License-Identifier: MIT
// The connect of a link, until it is known what the program does with the connection. Private to wire/.
//
// A host that accepts connections and answers each request with an error is not healthy. So the success of a connect
// counts for the breaker only if the program does not speak HTTP on the connection, as far as the library follows it.
// Otherwise the result of the first request is the result of both, and they count as one call.
//
// The permit of the connect stays in use meanwhile. If it is a probe of a half-open breaker, another process can take
// over its lease after breaker.probe_lease.
#ifndef RB_WIRE_OPENING_H
#define RB_WIRE_OPENING_H

#include "engine/call.h"
#include "policy/target.h"

// What is known of the connect. The functions below make every change.
enum rb_opening_state {
    RB_OPENING_NONE, // nothing: the connect is in progress, or its result was recorded
    RB_OPENING_MADE, // the connect has succeeded; the protocol is not known yet
    RB_OPENING_ASKED // the first request has taken over the call, and has no result yet
};

// Valid when zeroed.
struct rb_opening {
    enum rb_opening_state state;
    bool counted;        // the call of the connect was counted
    struct rb_call call; // of the connect, without rules; valid unless the state is NONE
};

// All functions are for the owner of the claim of the link. They are lock-free and async-signal-safe, and keep errno.

// The connect has succeeded. Copies the call.
//   counted: as for rb_connection_made_fn
void rb_opening_begin(struct rb_opening *opening, const struct rb_call *call, bool counted);

// The first request begins: admits its first attempt. State: MADE. Returns false if the breaker would refuse the
// attempt; then the connect counts as a call, and says nothing about the host.
bool rb_opening_take_over(struct rb_opening *opening, struct rb_call *request, const struct rb_target *target,
                          uint64_t now_ms);

// The first request has a result, which counts for the connect too.
void rb_opening_answered(struct rb_opening *opening);

// The first request ends without a result. Returns true if the connect has the permit again.
bool rb_opening_return(struct rb_opening *opening, struct rb_call *request);

// The program does not speak HTTP on the connection, or the library does not follow it any more: records the success of
// the connect. Does nothing if there is nothing to record.
//   closed: the program has closed the connection. If a request had no answer, the call counts, but says nothing about
//     the host
void rb_opening_end(struct rb_opening *opening, const struct rb_target *target, bool closed);

// Records nothing.
void rb_opening_forget(struct rb_opening *opening);

#endif
