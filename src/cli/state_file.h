// SPDX-License-Identifier: MIT
// The state file that a command looks into, or whose controls it moves.
#ifndef RB_CLI_STATE_FILE_H
#define RB_CLI_STATE_FILE_H

#include <sys/types.h>

#include "policy/policy.h"
#include "state/view.h"

struct rb_state_file {
    char path[RB_POLICY_PATH_SIZE];
    struct rb_view view;
    bool present; // false: nobody has used it yet; the view is not open
    bool writable;
    dev_t device;
    ino_t inode;
};

// Finds the file by what --state says (NULL when it was not given), else REBOUND_STATE, else `state` of the policy that
// would be used here, and opens it. A file that does not exist is no error. Returns 0, or RB_EXIT_ERRORS after saying
// what is wrong. Close it in either case.
int rb_state_file_open(struct rb_state_file *file, const char *setting, bool writable);
void rb_state_file_close(struct rb_state_file *file);

// Opens the file again where another one stands at the path now, or where there was none. Returns RB_STORE_SOUND or
// RB_STORE_ABSENT, or what is wrong with the new one; then `present` is false.
enum rb_store_error rb_state_file_refresh(struct rb_state_file *file);

#endif
