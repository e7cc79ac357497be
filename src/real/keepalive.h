// SPDX-License-Identifier: MIT
// The socket options by which the kernel finds out that the peer of an idle TCP connection is gone.
#ifndef RB_REAL_KEEPALIVE_H
#define RB_REAL_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

// The kernel's limits (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL and MAX_TCP_KEEPCNT in include/net/tcp.h). Seconds.
enum { RB_KEEPALIVE_SECONDS_MAX = 32767, RB_KEEPALIVE_COUNT_MAX = 127 };

// Options for one connection.
struct rb_keepalive {
    uint32_t idle_s;          // silence before the first probe, in seconds; 0: no keepalive
    uint32_t interval_s;      // time between two probes, in seconds
    uint32_t count;           // unanswered probes that end the connection
    uint64_t user_timeout_ms; // how long data can stay unacknowledged, in milliseconds; 0: the kernel's default
};

// Returns true if the options change a socket.
static inline bool rb_keepalive_is_on(const struct rb_keepalive *wanted)
{
    return wanted->idle_s != 0 || wanted->user_timeout_ms != 0;
}

// Sets on a TCP socket the options that the program has not set. Other sockets, also those of MPTCP, keep theirs. If
// SO_KEEPALIVE is on, keepalive stays as the program has set it. If it is off, it is switched on; each of its times
// that differs from the kernel's default is the program's and stays. TCP_USER_TIMEOUT is set only if it is 0.
//
// Call this before connect(2). Errors are ignored, and the socket then keeps the value. Keeps errno, does not block and
// does not allocate; async-signal-safe.
void rb_keepalive_set(int fd, const struct rb_keepalive *wanted);

#endif
