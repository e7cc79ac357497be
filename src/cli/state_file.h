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
    bool is_default; // the path is one of the default names
    bool present;    // false: nobody has used it yet; the view is not open
    bool writable;
    dev_t device;
    ino_t inode;
};

// What a command does with the file. request: what it was asked for. Returns the exit status.
typedef int rb_state_file_action(struct rb_state_file *file, const void *request);

// Finds the file by what --state says (NULL when it was not given), else REBOUND_STATE, else `state` of the policy that
// would be used here, opens it, acts and closes it. A file that does not exist is no error. Returns what `act` returns,
// or RB_EXIT_ERRORS after saying why the file cannot be opened.
int rb_state_file_use(const char *setting, bool writable, rb_state_file_action *act, const void *request);

// Opens the file again where another one stands at the path now, or where there was none. Returns RB_STORE_SOUND or
// RB_STORE_ABSENT, or what is wrong with the new one; then `present` is false.
enum rb_store_error rb_state_file_refresh(struct rb_state_file *file);

#endif
