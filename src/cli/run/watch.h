// SPDX-License-Identifier: MIT
// The process that prints the summary when the program has ended.
#ifndef RB_CLI_WATCH_H
#define RB_CLI_WATCH_H

// Makes the page, names it in the environment and starts the watcher. The program that this process becomes has no
// child that its wait() could see. Returns 0 or a negative errno; then there is no summary.
int rb_watch_start(void);

// The program could not be started: ends the watcher without a word. Does nothing when none was started.
void rb_watch_cancel(void);

#endif
