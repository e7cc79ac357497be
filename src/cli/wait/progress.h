// SPDX-License-Identifier: MIT
// The messages of a wait on stderr.
#ifndef RB_CLI_WAIT_PROGRESS_H
#define RB_CLI_WAIT_PROGRESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct rb_wait_state;

// The state of the line that a terminal shows during a wait.
struct rb_progress {
    bool terminal;               // stderr is a terminal
    bool in_place;               // each line replaces the one before
    unsigned columns;            // of the terminal
    volatile sig_atomic_t shown; // columns of the current line
};

struct rb_progress rb_progress_begin(void);

// Shows which targets are not ready. Does nothing if stderr is not a terminal. With the lock of `state` held.
//   seconds: since the beginning of the wait
void rb_progress_show(struct rb_progress *progress, const struct rb_wait_state *state, uint64_t seconds);

// Removes the line from the terminal. Async-signal-safe: a signal may end the wait.
void rb_progress_end(struct rb_progress *progress);

// Prints one line with the targets that took a second or more: "waited 12 s for db:5432". Prints nothing if none did.
void rb_progress_report_ready(const struct rb_wait_state *state);

// Prints an error for each target that is not ready.
void rb_progress_report_timeout(const struct rb_wait_state *state);

#endif
