// SPDX-License-Identifier: MIT
// One connect of the program, made of as many attempts as its policy allows: in the call on a blocking socket, behind
// the program's back on a non-blocking one.
#ifndef RB_NET_CONNECT_H
#define RB_NET_CONNECT_H

#include <sys/socket.h>

#include "policy/policy.h"

// As connect(2): result and errno are the last attempt's. Datagram sockets, families without patterns and hosts that no
// section covers go to libc untouched. A non-blocking socket gets EINPROGRESS and is parked when it fails
// (net/park/park.h). An address that is not the last candidate of the program's own lookup is tried once. Where the
// breaker refuses, the answer is ECONNREFUSED, on a non-blocking TCP socket after EINPROGRESS. No allocation but from
// the kernel, async-signal-safe.
//   policy: the policy in force, not NULL
int rb_net_connect(int fd, const struct sockaddr *address, socklen_t length, const struct rb_policy *policy);

// As sendto(2) with MSG_FASTOPEN, which connects and sends in one (RFC 7413): the data is sent again with each attempt.
// Another attempt follows only a refusal: after a reset or a timeout the server may have processed the data.
ssize_t rb_net_send_first(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *address,
                          socklen_t address_length, const struct rb_policy *policy);

#endif
