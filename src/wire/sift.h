// SPDX-License-Identifier: MIT
// Examines the epoll events of plain sockets: hides a response in an event loop, and repeats its request without a
// wait.
//
// All attempts of a request share the time http.hold. If the connection ends with the response or before it, the
// library begins a new connect without waiting for its end, so the loop is not delayed.
#ifndef RB_WIRE_SIFT_H
#define RB_WIRE_SIFT_H

#include <stdbool.h>
#include <stdint.h>

// The kernel reports an event of a descriptor that has a link. Returns the events that the program sees; 0: none. Keeps
// errno. Claims the link; never waits. Async-signal-safe.
//   epfd: the epoll
//   events: from the kernel
//   again: receives true if another thread examines the descriptor at this moment, and the kernel reports the event
//     again in the next wait (a level-triggered registration)
uint32_t rb_sift_event(int epfd, int fd, uint32_t events, bool *again);

#endif
