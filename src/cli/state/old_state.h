// SPDX-License-Identifier: MIT
// State files that other versions of rebound left at their default names.
#ifndef RB_CLI_OLD_STATE_H
#define RB_CLI_OLD_STATE_H

#include <sys/types.h>

// Says which state files of a user are of another version, on stdout, a line for each. Programs that were started
// before an upgrade may still use them.
void rb_old_state_say(uid_t owner);

#endif
