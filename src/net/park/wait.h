// SPDX-License-Identifier: MIT
// The program's waits while connects are in flight. Events of parked connects are hidden, and no wait lasts longer than
// until the next attempt is due. Other descriptors are not affected.
//
// Results, errno, signals, cancellation and remaining timeouts are as in the intercepted calls.
#ifndef RB_NET_PARK_WAIT_H
#define RB_NET_PARK_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "net/park/flight.h"
#include "real/guard.h"
#include "real/system.h"

// True when a wait with this timeout can last until next_ms. Accurate to some milliseconds; in doubt true.
bool rb_wait_reaches(uint64_t next_ms, const struct timespec *timeout);

// True when an attempt becomes due before the wait ends, so the wait must be split. Otherwise the program's call is
// made unchanged, and only its events are filtered.
static inline bool rb_wait_is_short(const struct timespec *timeout)
{
    uint64_t next_ms = atomic_load_explicit(&rb_clock_next_ms, memory_order_acquire);
    return next_ms != UINT64_MAX && rb_wait_reaches(next_ms, timeout);
}

extern _Atomic(const void *) rb_wait_last;
extern _Atomic bool rb_wait_several; // more than one thread has waited on an epoll

// Records which thread waits on an epoll.
static inline void rb_wait_enter(void)
{
    const void *self = &rb_guard_depth, *last = atomic_load_explicit(&rb_wait_last, memory_order_relaxed);
    if (last == self)
        return;
    if (last)
        atomic_store_explicit(&rb_wait_several, true, memory_order_relaxed);
    atomic_store_explicit(&rb_wait_last, self, memory_order_relaxed);
}

// The start of an unchanged wait.
struct rb_wait_start {
    uint64_t change; // rb_clock_changes
    uint64_t ms;     // rb_system_coarse_ms; 0 for a wait without a timeout
};

static inline struct rb_wait_start rb_wait_begins(const struct timespec *timeout)
{
    return (struct rb_wait_start){.change = rb_clock_now(), .ms = timeout ? rb_system_coarse_ms() : 0};
}

// True when the events of an unchanged wait must be filtered: this process has or had a connect in flight.
static inline bool rb_wait_sifts(void)
{
    return rb_clock_now() != 0;
}

// Converts a timeout in milliseconds. A negative one, which waits without limit, becomes NULL.
static inline struct timespec *rb_wait_of_ms(int ms, struct timespec *out)
{
    *out = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    return ms < 0 ? NULL : out;
}

// Converts the timeout of select. Microseconds beyond one million are carried to seconds. NULL stays NULL.
static inline struct timespec *rb_wait_of_select(const struct timeval *timeout, struct timespec *out)
{
    if (!timeout)
        return NULL;
    *out = (struct timespec){.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000,
                             .tv_nsec = timeout->tv_usec % 1000000 * 1000};
    return out;
}

// Replace poll and ppoll. timeout: NULL waits without limit; mask: NULL keeps the signal mask.
int rb_wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int rb_wait_poll_ms(struct pollfd *fds, nfds_t count, int timeout);

// Replace select, which writes the remaining time to *timeout, and pselect, which does not.
int rb_wait_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout);
int rb_wait_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask);

// Replaces epoll_wait, epoll_pwait and epoll_pwait2 when an attempt is due. exact: wait in nanoseconds, as epoll_pwait2
int rb_wait_epoll(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  bool exact);

// Filters the events of an unchanged epoll_wait, which may have started before any connect was in flight. If all events
// were hidden, waits again for the remaining time. Returns the number of remaining events, or the result of that wait.
int rb_wait_fetched(int epfd, struct epoll_event *events, int size, int ready, const struct timespec *timeout,
                    const struct rb_wait_start *start, const sigset_t *mask, bool exact);

#endif
