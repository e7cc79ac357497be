// SPDX-License-Identifier: MIT
// Intercepts connect(2). One connect of the program becomes as many attempts as its policy allows. On a blocking
// socket, all attempts happen inside the call. On a non-blocking socket, later attempts happen inside the program's
// waits (net/park.h).
#ifndef RB_NET_CONNECT_H
#define RB_NET_CONNECT_H

#include <sys/socket.h>

#include "net/connection.h"

// Replaces connect(2). Returns 0, or -1 with errno.
//
// On a blocking socket, the result and errno are those of the last attempt. On a non-blocking socket, errno is
// EINPROGRESS as without the library. If the attempt then fails, the connect is parked (net/park.h).
//
// Address families that policies cannot name and hosts that no section covers pass through. There is only one attempt
// on a datagram socket, on a non-blocking socket with connect.nonblocking = off, and for an address that is not the
// last candidate of the program's name lookup.
//
// If the breaker refuses the connect, errno is ECONNREFUSED. A non-blocking TCP socket gets EINPROGRESS first, and the
// program gets ECONNREFUSED when it asks for the result. The breaker never refuses a datagram socket, nor a
// non-blocking socket with connect.nonblocking = off.
//
// Does not call malloc; memory for connects that are tracked is mapped from the kernel. Async-signal-safe.
//   policy: the current policy, not NULL
int rb_net_connect(int fd, const struct sockaddr *address, socklen_t length, const struct rb_policy *policy);

// Call `opened` from now on when a connect to a covered host has succeeded or is in progress. There is one such
// function. If the connect has succeeded, the function of rb_connection_notify is called next.
//   section: as for rb_peer_match
typedef void rb_net_opened_fn(int fd, const struct sockaddr *address, socklen_t length, const struct rb_peer *peer,
                              const struct rb_section *section);
void rb_net_notify_opened(rb_net_opened_fn *opened);

// Replaces sendto(2) with MSG_FASTOPEN, which connects and sends in one call (RFC 7413). Each attempt sends the data
// again. Only ECONNREFUSED is retried. After a reset or a timeout, the server may have processed the data.
ssize_t rb_net_send_first(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *address,
                          socklen_t address_length, const struct rb_policy *policy);

#endif
