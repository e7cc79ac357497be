// SPDX-License-Identifier: MIT
// Finds the last candidate when the program resolves names without libc (c-ares), so that net/lookup/ sees no lookup.
//
// Such a program connects to the addresses of a name one after the other, on the same port. If a connect to a literal
// address is followed by one to another address on the same port within RB_CANDIDATES_MS, it is not the last candidate.
// A failed connect is often followed only because the program's own limit for one address ends while the connect is
// parked. So the process remembers for RB_CANDIDATES_KEPT_MS that the address was followed, and the next failure of
// that address goes to the program at once.
//
// Only non-blocking connects count: during a blocking connect, the program cannot try the next address.
//
// The tables have a fixed size. A connect that has no place any more counts as not followed. All functions are
// async-signal-safe.
#ifndef RB_NET_CANDIDATES_H
#define RB_NET_CANDIDATES_H

#include "policy/target.h"

enum { RB_CANDIDATES_MS = 300, RB_CANDIDATES_KEPT_MS = 60000 };

// A connect in the table. Valid when zeroed: never followed.
struct rb_candidate {
    uint64_t number; // counts the connects of the process from 1
    uint64_t key;    // address and port
    uint64_t began_ms;
};

// Records a non-blocking connect to a literal address, which has just begun.
struct rb_candidate rb_candidates_begin(const struct rb_target *target, uint64_t now_ms);

// Records that an attempt of the connect has failed.
void rb_candidates_failed(const struct rb_candidate *candidate);

// Returns true if the program has begun a connect to another address on the same port after this one, or did so after
// an earlier failure of this address.
bool rb_candidates_is_followed(const struct rb_candidate *candidate, uint64_t now_ms);

#endif
