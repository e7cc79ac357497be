// SPDX-License-Identifier: MIT
// A connect of the program as its policy sees it: for whom it is, what its results mean, what is told about it. Shared
// by the connects that wait in the call and those that are parked.
#ifndef RB_NET_CONNECTION_H
#define RB_NET_CONNECTION_H

#include "engine/call.h"
#include "policy/policy.h"
#include "process/log.h"

// Whom a connect is for.
struct rb_peer {
    struct rb_target target; // its name may point to `name`
    bool last_candidate;     // of the program's own lookup
    char name[RB_NAME_SIZE];
};

struct rb_connection {
    const struct rb_peer *peer;
    struct rb_rules rules; // a copy, as far as it is used: the policy may be replaced while we wait
    char policy[RB_SECTION_NAME_SIZE];
    struct rb_call call;
};

// Finds the section of an address, by the name of the program's own lookup first, and fills *peer. NULL: no connect of
// ours. address: as the program gave it, may be wild
const struct rb_section *rb_peer_match(struct rb_peer *peer, const struct sockaddr *address, socklen_t length,
                                       const struct rb_policy *policy);

// Begins a call: copies what it needs of the section, counts it. peer is borrowed for the connection's life.
void rb_connection_begin(struct rb_connection *connection, const struct rb_peer *peer, const struct rb_section *section,
                         uint64_t now_ms);

// Copies a connection with its peer to a place of its own. The source must not be used for attempts any more.
void rb_connection_move(struct rb_connection *to, struct rb_peer *peer, const struct rb_connection *from);

// What a result (0 or a negative errno) means. A failure of a candidate that is not the last says nothing about the
// host: with ::1 refused and 127.0.0.1 alive the host is well.
struct rb_outcome rb_connection_outcome(const struct rb_connection *connection, int result);

// The limit of the attempt about to begin, 0 for none: timeout.connect or timeout.attempt, and after the first attempt
// also what is left of the total time.
uint64_t rb_connection_limit_ms(const struct rb_connection *connection, uint64_t now_ms);

// Writes a decision to the log and the summary. outcome may be NULL.
void rb_connection_report(const struct rb_connection *connection, enum rb_verdict verdict,
                          const struct rb_outcome *outcome, uint64_t delay_ms, enum rb_reason reason);

#endif
