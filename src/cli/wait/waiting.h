// SPDX-License-Identifier: MIT
// Waits until all targets are ready, for `rebound wait` and `rebound run --wait`.
#ifndef RB_CLI_WAIT_WAITING_H
#define RB_CLI_WAIT_WAITING_H

#include "cli/wait/wait_state.h"

enum { RB_WAITING_INTERVAL_MS = 1000 }; // from the beginning of one test of a target to the beginning of the next

// Tests each target in a thread of its own until all are ready or the time is over. Prints the progress and the result
// on stderr.
//
// After success, no thread and no descriptor of the wait remains. Otherwise threads can remain in a test, because a
// name lookup cannot be interrupted. The process must then exit.
//
// During the wait, SIGPIPE is ignored. If the process is init of a container (pid 1), the kernel discards signals with
// the default action. So SIGHUP, SIGINT, SIGQUIT and SIGTERM get a handler that exits with 128 + signal. exec(2)
// restores the default action.
//
// Returns 0, -ETIMEDOUT, or -EAGAIN if a thread cannot be made.
int rb_waiting_perform(struct rb_wait_state *state);

#endif
