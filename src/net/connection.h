// SPDX-License-Identifier: MIT
// One connect of the program and its policy: the target, the meaning of results, the log. Blocking and parked connects
// share this file.
#ifndef RB_NET_CONNECTION_H
#define RB_NET_CONNECTION_H

#include "engine/call.h"
#include "net/candidates.h"
#include "policy/policy.h"
#include "process/log.h"

// The target of a connect.
struct rb_peer {
    struct rb_target target; // target.name may point to `name`
    bool last_candidate;     // the program has no further address to try, as far as is known
    char name[RB_NAME_SIZE];
};

struct rb_connection {
    struct rb_peer *peer;
    uint64_t own_until_ms;         // the end of the call by the program's SO_SNDTIMEO; UINT64_MAX: none
    struct rb_candidate candidate; // of a non-blocking connect to a literal address
    struct rb_rules rules;         // a copy, because the policy may be replaced during a wait
    char policy[RB_SECTION_NAME_SIZE];
    struct rb_call call;
};

// Finds the section for an address and fills *peer. The name that the program looked up is matched first. Returns NULL
// when the connect passes through. Reports the connect to rb_failover_dials.
//   address: from the program, not checked
const struct rb_section *rb_peer_match(struct rb_peer *peer, int fd, const struct sockaddr *address, socklen_t length,
                                       const struct rb_policy *policy);

// Begins a call: copies the rules of the section and counts the call. *peer must live as long as the connection.
void rb_connection_begin(struct rb_connection *connection, struct rb_peer *peer, const struct rb_section *section,
                         uint64_t now_ms);

// Records that the connect is non-blocking and has begun, for net/candidates.h. Call this before the first result.
void rb_connection_goes_on(struct rb_connection *connection);

// Call this when an attempt of a non-blocking connect has failed, and before the next one: the program may have begun a
// connect to another address since. Updates peer->last_candidate and returns it.
bool rb_connection_fails_last(struct rb_connection *connection);

// Copies a connection and its peer. The source must make no further attempts.
void rb_connection_move(struct rb_connection *to, struct rb_peer *peer, const struct rb_connection *from);

// Classifies a result (0 or a negative errno). A failed candidate that is not the last one says nothing about the
// health of the host: if ::1 refuses and 127.0.0.1 accepts, the host works.
struct rb_outcome rb_connection_outcome(const struct rb_connection *connection, int result);

// Decides after an attempt, with rb_call_awaits_start and rb_call_judge. If the decision is a try that waits for the
// start of the host (`start`), it is not to be reported. A connect to a literal address is not repeated if the program
// has its own list of servers (connect.failover). Reports a connect that is given up to rb_failover_gave_up.
//   may_repeat: the data that was sent with the connect, if any, allows another attempt
//   parks: the connect is non-blocking
struct rb_decision rb_connection_judge(struct rb_connection *connection, const struct rb_outcome *outcome,
                                       bool may_repeat, bool parks);

// Reports to rb_failover_gave_up that a non-blocking connect was given up although another attempt was to follow.
void rb_connection_gives_up(const struct rb_connection *connection);

// The limit of the next attempt in milliseconds, 0 for none: the smaller one of timeout.connect and timeout.attempt.
// From the second attempt on, the rest of the total time is a limit too.
uint64_t rb_connection_limit_ms(const struct rb_connection *connection, uint64_t now_ms);

// The connect of a descriptor has succeeded: reports that and counts the call. Its result for the breaker is a success
// at once, unless the function of rb_connection_notify takes over the call.
void rb_connection_succeeded(struct rb_connection *connection, int fd);

// Sets the function that is called when a connect has succeeded. There is one such function. `made` returns true if it
// has copied the call and will record its result later (rb_call_connected). `made` must be async-signal-safe.
//   counted: the call was counted and reported. If false, `made` must count the call when it records the result
typedef bool rb_connection_made_fn(int fd, const struct rb_call *call, bool counted);
void rb_connection_notify(rb_connection_made_fn *made);

// Writes a decision to the log and to the summary. outcome may be NULL.
void rb_connection_report(const struct rb_connection *connection, enum rb_verdict verdict,
                          const struct rb_outcome *outcome, uint64_t delay_ms, enum rb_reason reason);

#endif
