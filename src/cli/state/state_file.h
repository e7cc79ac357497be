// SPDX-License-Identifier: MIT
// The state file that a command reads or changes.
#ifndef RB_CLI_STATE_STATE_FILE_H
#define RB_CLI_STATE_STATE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "cli/state/user.h"
#include "policy/policy.h"
#include "state/view.h"

// Selects the state. A field is NULL if its option was not given.
struct rb_state_choice {
    const char *state; // --state
    const char *user;  // --user
};

// Rows for a command's table of options that set a struct rb_state_choice.
#define RB_STATE_OPTIONS(choice)                                                                                       \
    {"state", .value = &(choice)->state},                                                                              \
    {                                                                                                                  \
        "user", .value = &(choice)->user                                                                               \
    }

// The help text of these options.
#define RB_STATE_HELP                                                                                                  \
    "  --state PATH       use this state file; without the option, the file of REBOUND_STATE, else of `state`\n"       \
    "                     in the policy, else /dev/shm/rebound.UID.vN\n"                                               \
    "  --user NAME        use the state of this user (a login name or a user number); only for root\n"

struct rb_state_file {
    char path[RB_POLICY_PATH_SIZE];
    struct rb_view view;
    uid_t owner;     // the user who owns the state
    bool any_owner;  // root named the file with --state, so any owner is accepted
    bool named_user; // the user was given with --user
    bool is_default; // the path is one of the default names
    bool present;    // false: the file does not exist, and the view is not open
    bool writable;
    dev_t device;
    uint64_t inode;
};

// What a command does with the file. request: the command's arguments. Returns the exit status.
typedef int rb_state_file_action(struct rb_state_file *file, const void *request);

// Finds and opens the file, calls `act` and closes the file. Without --user, the file is the one of --state, else of
// REBOUND_STATE, else of `state` in the policy that applies here. With --user, it is the file at that user's default
// name, or that of --state, which must belong to that user. Root may use the file of any user, other users only their
// own.
//
// A file that does not exist is not an error. Returns the result of `act`, or reports why the file cannot be opened and
// returns RB_EXIT_ERRORS.
int rb_state_file_use(const struct rb_state_choice *choice, bool writable, rb_state_file_action *act,
                      const void *request);

// Calls `act` for the file at the default name of a user. Returns -1, without a message, if there is no valid file.
int rb_state_file_use_default(uid_t owner, rb_state_file_action *act, const void *request);

// Opens the file again if it was replaced or created. Returns RB_STORE_SOUND, RB_STORE_ABSENT, or the error of the new
// file; in case of an error `present` is false.
enum rb_store_error rb_state_file_refresh(struct rb_state_file *file);

enum { RB_STATE_WHOSE_SIZE = RB_USER_LABEL_SIZE + 16 };

// Returns " of user NAME (NUMBER)" for the state of another user, else "".
const char *rb_state_file_whose(const struct rb_state_file *file, char out[RB_STATE_WHOSE_SIZE]);

#endif
