// SPDX-License-Identifier: MIT
// Events of plain sockets in event loops: hides a response, and repeats the request without a wait.
//
// All attempts of a request together are held for at most http.hold. A connection that ends with the response is passed
// on: an event loop is not delayed by a second connect.
#ifndef RB_WIRE_SIFT_H
#define RB_WIRE_SIFT_H

#include <stdbool.h>
#include <stdint.h>

// The kernel reports an event of a descriptor that has a link. Returns the events that the program sees; 0: none. Keeps
// errno.
//   epfd: the epoll
//   events: from the kernel
//   again: receives true if another thread examines the descriptor at this moment, and the kernel reports the event
//     again in the next wait (a level-triggered registration)
uint32_t rb_sift_event(int epfd, int fd, uint32_t events, bool *again);

#endif
