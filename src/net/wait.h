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

#include "real/system.h"

// When a wait began, for one that has an end: cheap, and late by one tick of the kernel's.
static inline uint64_t rb_wait_began(bool ends)
{
    enum { TICK_NS = 10000000 };
    return ends ? rb_system_coarse_ns() + TICK_NS : 0;
}

// True when a poll, select or epoll_wait has to come here: something is parked, or one of its descriptors is in flight.
bool rb_wait_polls(struct pollfd *fds, nfds_t count);
bool rb_wait_selects(int count, const fd_set *reads, const fd_set *writes, const fd_set *excepts);
bool rb_wait_epolls(int epfd);

// A bare wait of a kind began when none of its descriptors was in flight, and ended with `ready` of them: another
// thread may have begun a connect since. Returns how many are for the program; 0: none, wait on.
int rb_wait_polled(struct pollfd *fds, nfds_t count, int ready);
int rb_wait_selected(int count, fd_set *reads, fd_set *writes, fd_set *excepts, int ready);
int rb_wait_epolled(int epfd, struct epoll_event *events, int ready);

// poll and ppoll. timeout: NULL waits without end; mask: NULL leaves the signal mask alone; began: 0 for now, else when
// the wait began
int rb_wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, uint64_t began,
                 const sigset_t *mask);

// select, which leaves in the timeout what is left of it; and pselect, which does not.
int rb_wait_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout);
int rb_wait_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask);

// epoll_wait, epoll_pwait and epoll_pwait2. exact: wait in nanoseconds, as epoll_pwait2 does
int rb_wait_epoll(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, uint64_t began,
                  const sigset_t *mask, bool exact);

#endif
