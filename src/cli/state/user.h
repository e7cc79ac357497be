// SPDX-License-Identifier: MIT
// Users by name and number, and users with a state.
#ifndef RB_CLI_STATE_USER_H
#define RB_CLI_STATE_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RB_USER_LABEL_SIZE = 96 };

// Finds a user by login name, else by number. Returns false if there is none.
bool rb_user_find(const char *text, uid_t *uid);

// Writes "NAME (NUMBER)", or only the number if the user has no name. Returns `out`.
const char *rb_user_label(uid_t uid, char out[RB_USER_LABEL_SIZE]);

// Returns the name or NULL. Valid until the next call of a function in this file.
const char *rb_user_name(uid_t uid);

// Lists the users with files at the default names of the state, sorted, without duplicates. Anybody can create such a
// file, so check its owner. The caller frees *list. Returns 0 or a negative errno; then *list is NULL.
int rb_user_list(uid_t **list, size_t *count);

#endif
