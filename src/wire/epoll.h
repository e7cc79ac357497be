// SPDX-License-Identifier: MIT
// The program's wait on an epoll while responses may be held in event loops (http.hold).
//
// The wait hides the event of a response whose request is to be repeated, and repeats requests that are due. Otherwise,
// the wait behaves as the program's own: it has the same timeout and the same signals, and reports the events of all
// other descriptors at once.
#ifndef RB_WIRE_EPOLL_H
#define RB_WIRE_EPOLL_H

#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "net/park.h"
#include "wire/link.h"

// Returns true if responses may be held in event loops. One load.
static inline bool rb_epoll_holds(void)
{
    return __builtin_expect(atomic_load_explicit(&rb_link_holds, memory_order_relaxed), false);
}

// Replaces epoll_wait, epoll_pwait and epoll_pwait2. Returns the number of events, or -1 with errno. Async-signal-safe,
// except that a request of http.async is written by OpenSSL (wire/async.h).
//   events, size: of the call; the array gets the program's own data
//   timeout: NULL: no limit
//   mask: of epoll_pwait and epoll_pwait2; NULL: none
//   kind: the function that the program has called
int rb_epoll_wait(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  enum rb_epoll_kind kind);

#endif
