// SPDX-License-Identifier: MIT
// One connect of the program on a blocking stream socket, made of as many attempts as its policy allows.
#ifndef RB_NET_CONNECT_H
#define RB_NET_CONNECT_H

#include <sys/socket.h>

#include "policy/policy.h"

// As connect(2): result and errno are the last attempt's. Non-blocking sockets, datagram sockets, families without
// patterns and hosts that no section covers go to libc untouched. An address that is not the last candidate of the
// program's own lookup is tried once. An open breaker answers ECONNREFUSED. No allocation, no lock, async-signal-safe.
//   policy: the policy in force, not NULL
int rb_net_connect(int fd, const struct sockaddr *address, socklen_t length, const struct rb_policy *policy);

#endif
