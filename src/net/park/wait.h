// SPDX-License-Identifier: MIT
// The program's waits while it has connects in flight: failures that are going to be repeated are held back, and no
// wait lasts longer than until the next attempt is due. All other descriptors are served as ever.
//
// Results, errno, signals, cancellation and what is left of a timeout are as those of the bare calls.
#ifndef RB_NET_WAIT_H
#define RB_NET_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "net/park/flight.h"
#include "real/guard.h"
#include "real/system.h"

// Whether a wait with this timeout lasts until the next attempt is due. To the nearest few milliseconds, rather too
// often than not.
bool rb_wait_reaches(uint64_t next_ms, const struct timespec *timeout);

// True when an attempt is going to be due before the wait is over: it may last no longer. Else it stays as it is, and
// only what it fetches is looked at.
static inline bool rb_wait_is_short(const struct timespec *timeout)
{
    uint64_t next_ms = atomic_load_explicit(&rb_flight_next_ms, memory_order_acquire);
    return next_ms != UINT64_MAX && rb_wait_reaches(next_ms, timeout);
}

extern _Atomic(const void *) rb_wait_last;
extern _Atomic bool rb_wait_several; // threads have waited for an epoll

// Notes which thread waits for an epoll.
static inline void rb_wait_enter(void)
{
    const void *self = &rb_guard_depth, *last = atomic_load_explicit(&rb_wait_last, memory_order_relaxed);
    if (last == self)
        return;
    if (last)
        atomic_store_explicit(&rb_wait_several, true, memory_order_relaxed);
    atomic_store_explicit(&rb_wait_last, self, memory_order_relaxed);
}

// When a bare wait began.
struct rb_wait_start {
    uint64_t change; // by rb_flight_clock
    uint64_t ms;     // by rb_system_coarse_ms; 0: it has no end
};

static inline struct rb_wait_start rb_wait_begins(const struct timespec *timeout)
{
    return (struct rb_wait_start){.change = rb_flight_now(), .ms = timeout ? rb_system_coarse_ms() : 0};
}

// True when what a bare wait has fetched may have to be held: something is in flight, or was.
static inline bool rb_wait_sifts(void)
{
    return rb_flight_now() != 0;
}

// A timeout in milliseconds in the terms of the others; a negative one, without end, is NULL.
static inline struct timespec *rb_wait_of_ms(int ms, struct timespec *out)
{
    *out = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    return ms < 0 ? NULL : out;
}

// The timeout of a select in the terms of the others; microseconds over a million are carried. NULL stays NULL.
static inline struct timespec *rb_wait_of_select(const struct timeval *timeout, struct timespec *out)
{
    if (!timeout)
        return NULL;
    *out = (struct timespec){.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000,
                             .tv_nsec = timeout->tv_usec % 1000000 * 1000};
    return out;
}

// poll and ppoll. timeout: NULL waits without end; mask: NULL leaves the signal mask alone.
int rb_wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int rb_wait_poll_ms(struct pollfd *fds, nfds_t count, int timeout);

// select, which leaves in the timeout what is left of it; and pselect, which does not.
int rb_wait_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout);
int rb_wait_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask);

// epoll_wait, epoll_pwait and epoll_pwait2, when an attempt is due. exact: wait in nanoseconds, as epoll_pwait2 does
int rb_wait_epoll(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  bool exact);

// What a bare epoll_wait has fetched, which may have begun before anything was in flight. Returns what is left of it,
// or of the wait that goes on.
int rb_wait_fetched(int epfd, struct epoll_event *events, int size, int ready, const struct timespec *timeout,
                    const struct rb_wait_start *start, const sigset_t *mask, bool exact);

#endif
