// SPDX-License-Identifier: MIT
// Surrounds a call of a TLS library that rebound makes for itself. The program does not expect this call, so the call
// must not wait, also on a blocking socket, and must not raise SIGPIPE.
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
