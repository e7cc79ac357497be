// SPDX-License-Identifier: MIT
// Intercepts connect(2). One connect of the program becomes as many attempts as its policy allows. On a blocking
// socket, all attempts happen inside the call. On a non-blocking socket, later attempts happen inside the program's
// waits (net/park/park.h).
#ifndef RB_NET_CONNECT_H
#define RB_NET_CONNECT_H

#include <sys/socket.h>

#include "policy/policy.h"

// Replaces connect(2). The result and errno are those of the last attempt. Datagram sockets, address families that
// policies cannot name and hosts that no section covers pass through. A non-blocking socket gets EINPROGRESS; if the
// attempt fails, the connect is parked (net/park/park.h). An address that is not the last candidate of the program's
// own lookup gets one attempt. If the breaker refuses, a blocking call returns ECONNREFUSED; a non-blocking TCP socket
// gets EINPROGRESS first. Allocates nothing except pages from the kernel. Async-signal-safe.
//   policy: the current policy, not NULL
int rb_net_connect(int fd, const struct sockaddr *address, socklen_t length, const struct rb_policy *policy);

// Replaces sendto(2) with MSG_FASTOPEN, which connects and sends in one call (RFC 7413). Each attempt sends the data
// again. Only a refusal is retried: after a reset or a timeout, the server may have processed the data.
ssize_t rb_net_send_first(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *address,
                          socklen_t address_length, const struct rb_policy *policy);

#endif
