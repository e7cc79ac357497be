// SPDX-License-Identifier: MIT
// The state file that a command looks into, or whose controls it moves.
#ifndef RB_CLI_STATE_FILE_H
#define RB_CLI_STATE_FILE_H

#include <sys/types.h>

#include "cli/state/user.h"
#include "policy/policy.h"
#include "state/view.h"

// Which state a command is about. NULL: the option was not given.
struct rb_state_choice {
    const char *state; // --state
    const char *user;  // --user
};

// The options of a command that set a choice, for its table of options.
#define RB_STATE_OPTIONS(choice)                                                                                       \
    {"state", .value = &(choice)->state},                                                                              \
    {                                                                                                                  \
        "user", .value = &(choice)->user                                                                               \
    }

// The same in the help of a command.
#define RB_STATE_HELP                                                                                                  \
    "  --state PATH       the state file: by default that of REBOUND_STATE or the policy, else\n"                      \
    "                     /dev/shm/rebound.UID.vN\n"                                                                   \
    "  --user NAME        for root: the state of this user, a name or a number\n"

struct rb_state_file {
    char path[RB_POLICY_PATH_SIZE];
    struct rb_view view;
    uid_t owner;     // whose state it is
    bool any_owner;  // root named the file: its owner is whoever that is
    bool named_user; // by --user
    bool is_default; // the path is one of the default names
    bool present;    // false: nobody has used it yet; the view is not open
    bool writable;
    dev_t device;
    ino_t inode;
};

// What a command does with the file. request: what it was asked for. Returns the exit status.
typedef int rb_state_file_action(struct rb_state_file *file, const void *request);

// Finds the file, opens it, acts and closes it. Without --user it is the file of --state, else of REBOUND_STATE, else
// of `state` of the policy that would be used here. With --user it is the file at that user's default name, or that of
// --state, which must then belong to that user. Root may use the file of any user; others may use their own alone.
//
// A file that does not exist is no error. Returns what `act` returns, or RB_EXIT_ERRORS after saying why the file
// cannot be opened.
int rb_state_file_use(const struct rb_state_choice *choice, bool writable, rb_state_file_action *act,
                      const void *request);

// Acts on the file at the default name of a user. Returns -1 when that user has none that is sound; nothing is said.
int rb_state_file_use_default(uid_t owner, rb_state_file_action *act, const void *request);

// Opens the file again where another one stands at the path now, or where there was none. Returns RB_STORE_SOUND or
// RB_STORE_ABSENT, or what is wrong with the new one; then `present` is false.
enum rb_store_error rb_state_file_refresh(struct rb_state_file *file);

enum { RB_STATE_WHOSE_SIZE = RB_USER_LABEL_SIZE + 16 };

// " of user NAME (NUMBER)" where the state belongs to another user, else "".
const char *rb_state_file_whose(const struct rb_state_file *file, char out[RB_STATE_WHOSE_SIZE]);

#endif
