// SPDX-License-Identifier: MIT
// The table of connects in flight: which descriptors mean one, and the lock around what is known of it.
//
// Connects may come from signal handlers and from vfork children, waits may end by longjmp or cancellation: so the lock
// is held for a few system calls only, never across a wait and over no cancellation point, with all signals blocked;
// nobody waits for it without end; and a process that is not the one that the tables belong to (a vfork child) does not
// get it.
#ifndef RB_NET_FLIGHT_H
#define RB_NET_FLIGHT_H

#include <signal.h>
#include <stdatomic.h>

#include "net/connection.h"
#include "net/park/descriptor.h"

enum {
    RB_FLIGHT_COUNT = 16384, // connects in flight at once; further ones pass through
    RB_FLIGHT_FDS = 4        // descriptors of one socket
};

enum rb_flight_state {
    RB_FLIGHT_FREE,
    RB_FLIGHT_CONNECTING, // the kernel is connecting
    RB_FLIGHT_PARKED,     // failed; hidden from the program until the next attempt
    RB_FLIGHT_FAILED      // given up: the kernel reports a failure, `error` says which one it was
};

// One connect. Everything but `state` is read and written under the lock.
struct rb_flight {
    _Atomic int state;
    int fds[RB_FLIGHT_FDS]; // all the same socket; -1: none. The first one is used
    uint64_t identity;      // of the socket: a number may have become another file behind our back
    unsigned slot;          // its own
    int owner;              // the process that makes the attempts
    unsigned forks;         // how many forks there had been when it began
    int error;              // TOLD: errno
    uint64_t changed;       // when `state` was last entered, by rb_flight_clock
    struct sockaddr_storage address;
    socklen_t length;
    struct rb_peer peer;
    struct rb_connection connection;
};

extern _Atomic uint32_t rb_flight_count;   // connects in flight
extern _Atomic uint64_t rb_flight_next_ms; // the earliest due time of all, UINT64_MAX: none
extern _Atomic uint64_t rb_flight_clock;   // counts every change of a connect in flight, its end too

// The time by that clock: what changes from now on has a later one.
static inline uint64_t rb_flight_now(void)
{
    return atomic_load_explicit(&rb_flight_clock, memory_order_acquire);
}

// Moves the clock on. Returns the time of what has just changed. With the lock held.
static inline uint64_t rb_flight_changes(void)
{
    return atomic_fetch_add_explicit(&rb_flight_clock, 1, memory_order_acq_rel) + 1;
}

// True when this process has connects in flight. One load: what every hook asks first, most often in vain.
static inline bool rb_flight_any(void)
{
    return __builtin_expect(atomic_load_explicit(&rb_flight_count, memory_order_acquire) > 0, false);
}

// True when a descriptor may mean a connect in flight.
static inline bool rb_flight_on(int fd)
{
    const struct rb_descriptor *descriptor = rb_flight_any() ? rb_descriptor_of(fd) : NULL;
    return descriptor && atomic_load_explicit(&descriptor->slot, memory_order_acquire) != 0;
}

// True when its event may have to be hidden now. Without the lock: it may change at once, and the number may have
// become another file.
bool rb_flight_parked(int fd);

// True in the process that the tables belong to, which is the first one that asks. Costs a system call.
bool rb_flight_is_ours(void);

// Takes the lock; *saved receives the signal mask for rb_flight_unlock. False: not to be had here (a vfork child, a
// holder that died), then leave everything as it is. errno is kept by both.
bool rb_flight_lock(sigset_t *saved);
void rb_flight_unlock(const sigset_t *saved);

// --- with the lock held

// The flight of a descriptor, or NULL. Names that became other files are struck out, with the last one it is forgotten;
// one of a process that ended while this one, its child, lives on is taken over; one of another living process is not
// found.
struct rb_flight *rb_flight_find(int fd);

// A new flight for a descriptor, FLYING and never due, its connection to be filled in; NULL: the table is full, no
// memory, or a socket without identity. One that the descriptor meant before is forgotten.
struct rb_flight *rb_flight_new(int fd);

// Ends the tracking: the socket is the program's alone. A permit of the breaker goes back.
void rb_flight_forget(struct rb_flight *flight);

// True when this process has forked since it began: a child may have the socket, too.
bool rb_flight_is_shared(const struct rb_flight *flight);

// Enters a state.
void rb_flight_enter(struct rb_flight *flight, enum rb_flight_state state);

// A descriptor means the same socket as the flight's, too, and nothing else that it meant before; or does not mean it
// any more (the last one ends it).
void rb_flight_add_fd(struct rb_flight *flight, int fd);
void rb_flight_remove_fd(struct rb_flight *flight, int fd);

// A descriptor is closed, whoever makes the attempts.
void rb_flight_close(int fd);

// Says when the flight wants to be looked at, UINT64_MAX: only when something happens.
void rb_flight_due(struct rb_flight *flight, uint64_t due_ms);

// When that is; and whether it has come: then it is UINT64_MAX from now on.
uint64_t rb_flight_due_at(const struct rb_flight *flight);
bool rb_flight_take_due(struct rb_flight *flight, uint64_t now_ms);

// The next flight from slot *slot on that is due, NULL: none is left. *slot begins at 0 and is moved on; the lock may
// be given up between two calls. The flight's due time is then UINT64_MAX.
struct rb_flight *rb_flight_next_due(unsigned *slot, uint64_t now_ms);

#endif
