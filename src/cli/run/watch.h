// SPDX-License-Identifier: MIT
// The process that prints the summary after the program has ended.
#ifndef RB_CLI_RUN_WATCH_H
#define RB_CLI_RUN_WATCH_H

// Creates the page, puts its name into the environment and starts the watcher. The program will have no child process
// that its wait() can see. Returns 0 or a negative errno; then there is no summary.
int rb_watcher_start(void);

// Ends the watcher without output, because the program could not be started. Does nothing without a watcher.
void rb_watcher_cancel(void);

#endif
