// SPDX-License-Identifier: MIT
// State files of other versions of rebound at their default names.
#ifndef RB_CLI_STATE_OLD_STATE_H
#define RB_CLI_STATE_OLD_STATE_H

#include <sys/types.h>

// Prints one line on stdout for each state file of a user that has another version. Programs that were started before
// an upgrade may still use it.
void rb_old_state_say(uid_t owner);

#endif
