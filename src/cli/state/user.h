// SPDX-License-Identifier: MIT
// Users by name and number, and which of them have a state.
#ifndef RB_CLI_USER_H
#define RB_CLI_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RB_USER_LABEL_SIZE = 96 };

// Finds the user that `text` names: a login name, else a number. Returns false when there is neither.
bool rb_user_find(const char *text, uid_t *uid);

// Writes "NAME (NUMBER)", or the number alone where the user has no name. Returns `out`.
const char *rb_user_label(uid_t uid, char out[RB_USER_LABEL_SIZE]);

// The name, or NULL. Valid until the next call of any of these functions.
const char *rb_user_name(uid_t uid);

// Lists the users after which files at the default names of the state are named, each once, in order. Anybody can make
// such a file for any user: look at its owner. *list is to be freed. Returns 0, or a negative errno; then there is
// none.
int rb_user_list(uid_t **list, size_t *count);

#endif
