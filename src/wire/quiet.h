// SPDX-License-Identifier: MIT
// Calls of a TLS library that the library makes itself, in a call in which the program expects less: they do not wait,
// also on a blocking socket, and they raise no SIGPIPE.
#ifndef RB_WIRE_QUIET_H
#define RB_WIRE_QUIET_H

#include <stdbool.h>
#include <stdint.h>

struct rb_quiet {
    int fd;
    long flags;             // of the descriptor
    bool sets_mode;         // O_NONBLOCK is set for the call
    bool masks;             // SIGPIPE is blocked for the call
    uint64_t mask, pending; // signals that were blocked and pending before
};

// Call before a call that may read or write the descriptor. Async-signal-safe.
//   writes: the call may write
void rb_quiet_begin(struct rb_quiet *quiet, int fd, bool writes);

// Call after it. Restores the mode of the descriptor and the signals, and removes a SIGPIPE of this call. Keeps errno.
void rb_quiet_end(const struct rb_quiet *quiet);

#endif
