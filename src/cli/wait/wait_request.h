// SPDX-License-Identifier: MIT
// A wait as the command line asks for it.
#ifndef RB_CLI_WAIT_WAIT_REQUEST_H
#define RB_CLI_WAIT_WAIT_REQUEST_H

#include "cli/command.h"
#include "cli/wait/wait_state.h"

enum { RB_WAIT_REQUEST_DEFAULT_MS = 60000, RB_WAIT_REQUEST_MIN_MS = 100 };

struct rb_wait_request {
    const struct rb_command *command; // for messages
    char **argv;                      // the whole command line, with the name of rebound
    const char *const *targets;
    unsigned count;
    const char *timeout; // a duration or "off"; NULL for the default
};

// Reads targets and timeout. Can then execute rebound again (cli/wait/restart.h), so call it before anything that takes
// effect and before REBOUND_DISABLE is read. Prints each error. Returns 0, or the exit status after an error.
//   state: receives what rb_wait_request_perform needs
int rb_wait_request_begin(const struct rb_wait_request *request, struct rb_wait_state **state);

// Waits (cli/wait/waiting.h) and prints each error. Returns 0, RB_EXIT_TIMEOUT or RB_EXIT_OWN.
int rb_wait_request_perform(struct rb_wait_state *state);

#endif
