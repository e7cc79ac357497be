// SPDX-License-Identifier: MIT
// Private to net/park. The table of connects in flight and the descriptors of each one. net/park/lock.h has the rules
// of the lock.
//
// A "flight" is a non-blocking connect that rebound tracks.
#ifndef RB_NET_PARK_FLIGHT_H
#define RB_NET_PARK_FLIGHT_H

#include <signal.h>
#include <stdatomic.h>

#include "net/connection.h"
#include "net/park/change.h"
#include "net/park/descriptor.h"
#include "net/park/due.h"

enum {
    RB_FLIGHT_COUNT = RB_DUE_SLOTS, // connects in flight at the same time; further ones pass through
    RB_FLIGHT_FDS = 4               // descriptors that can refer to one socket
};

// The life of a connect in flight. rb_flight_enter_locked makes every change.
//
//   FREE -- rb_park_begin --> CONNECTING -- connected, or another address follows -> FREE
//                              |   ^
//            failed, another   |   |  the next attempt is due
//            attempt follows   v   |
//                             PARKED
//                              |
//            failed for good   v
//   FREE -- rb_park_refuse -> FAILED -- the program has read the error ------------> FREE
//
// CONNECTING becomes FAILED at once if no other attempt follows. A connect that failed at once (no route) begins as
// PARKED. Every state becomes FREE when the last descriptor is closed, or when the program shuts the socket down or
// disconnects it.
enum rb_flight_state {
    RB_FLIGHT_FREE,       // not tracked: the kernel's answer is right
    RB_FLIGHT_CONNECTING, // the program must see a connect in progress, even if the kernel reports a failure
    RB_FLIGHT_PARKED, // the attempt failed; its events are hidden until the next attempt; the kernel reports a refusal
    RB_FLIGHT_FAILED  // given up; the kernel reports a failure, and `error` is the errno that the program gets
};

// One connect. Fields other than `state` and `awaited` are protected by the lock.
struct rb_flight {
    _Atomic int state;
    int fds[RB_FLIGHT_FDS]; // all refer to the same socket; -1: unused. System calls use the first one
    uint64_t identity;      // of the socket; detects a descriptor that was closed and reused without our hooks
    unsigned slot;          // its index in the table
    int error;              // errno of the last failed attempt
    bool shared;            // another process may have the socket, and may read its error
    bool unrefused;         // the kernel could not be made to refuse a connect (no loopback interface)
    bool lost;              // a descriptor with registrations was closed without our hooks; the socket is still open
    _Atomic bool awaited;   // the program waits for it by a call that we intercept, or has registered it in an epoll
    uint64_t limit_ms;      // when the current attempt has taken too long; UINT64_MAX for never
    uint64_t changed;       // rb_change_count when `state` last changed
    struct sockaddr_storage address;
    socklen_t length;
    struct rb_peer peer;
    struct rb_connection connection;
};

// Returns the state of a connect. Works without the lock, so the answer may be outdated.
static inline enum rb_flight_state rb_flight_state_of(const struct rb_flight *flight)
{
    return (enum rb_flight_state) atomic_load_explicit(&flight->state, memory_order_acquire);
}

// True when the program does not wait for the descriptor's connect yet. Works without the lock, as rb_flight_parked.
bool rb_flight_unawaited(int fd);

// True when events of the descriptor may have to be hidden. Works without the lock, so the answer may be outdated, and
// the descriptor may refer to another file already.
bool rb_flight_parked(int fd);

// Returns the flight of a descriptor and holds the lock; the caller calls rb_lock_give. Returns NULL, without the lock,
// when there is none or the lock is not available.
struct rb_flight *rb_flight_claim(int fd, sigset_t *saved);

// True when the descriptor's connect is tracked. False when the number now belongs to another socket.
bool rb_flight_tracks(int fd);

// --- These functions require the lock.

// Returns the flight of a descriptor or NULL. Removes descriptors that refer to other files now; a flight without
// descriptors is freed.
struct rb_flight *rb_flight_find_locked(int fd);

// True when events of the descriptor must be hidden: its connect is parked, and all of its registrations can be
// changed.
bool rb_flight_hides_locked(int fd);

// Creates a flight in state CONNECTING that is never due. The caller fills in the connection. An older flight of the
// descriptor loses this descriptor. Returns NULL if the table is full, without memory, or if
// the socket has no identity.
struct rb_flight *rb_flight_new_locked(int fd);

// Sets the state. FREE stops tracking the connect: the descriptors are removed, and a permit of the breaker is
// returned. FREE and FAILED set the due time to UINT64_MAX. The caller sets the due time before PARKED, hides the
// descriptors before PARKED, and shows them after CONNECTING and FAILED.
void rb_flight_enter_locked(struct rb_flight *flight, enum rb_flight_state state);

// Records that the program waits for the connect.
void rb_flight_await_locked(struct rb_flight *flight);

// Adds a descriptor that refers to the same socket, or removes one. Adding removes the descriptor from its older
// flight. Returns false if the flight has no room for it. Removing the last descriptor frees the flight.
bool rb_flight_add_fd_locked(struct rb_flight *flight, int fd);
void rb_flight_remove_fd_locked(struct rb_flight *flight, int fd);

// Removes a descriptor that is being closed.
void rb_flight_close_locked(int fd);

// Returns the next flight at or after *slot, or NULL, and sets *slot behind it. Start with *slot = 0.
struct rb_flight *rb_flight_next_locked(unsigned *slot);

// Returns the flight that has been due for longest, or NULL if none is due. Sets its due time to UINT64_MAX.
struct rb_flight *rb_flight_next_due_locked(uint64_t now_ms);

#endif
