// SPDX-License-Identifier: MIT
// Which policy file the command uses, and why that one.
#ifndef RB_CLI_SOURCE_H
#define RB_CLI_SOURCE_H

#include "policy/policy.h"

struct rb_source {
    char path[RB_POLICY_PATH_SIZE]; // absolute, or "builtin:default"
    const char *why;                // "--policy", "REBOUND_POLICY", "XDG_CONFIG_HOME", "HOME", "/etc" or "builtin"
};

// The same as half a sentence: "named by REBOUND_POLICY".
const char *rb_source_reason(const struct rb_source *source);

// Finds the policy for --policy FILE (NULL when not given); the built-in one when there is no file. Names are made
// absolute but links are kept: a file is followed where its link leads at the time. Returns 0 or a negative errno.
int rb_source_find(struct rb_source *source, const char *explicit_path);

enum { RB_SOURCE_MESSAGE_SIZE = RB_POLICY_PATH_SIZE + 256 };

// Whether programs of this user obey the policy file at `path`: see policy/trust.h. False: `message` (may be NULL)
// receives why not, and the command that helps. True also for a file that cannot be looked at and for the built-in
// policy.
bool rb_source_trusted(const char *path, char message[RB_SOURCE_MESSAGE_SIZE]);

// Writes what to do where the policy file at `path` cannot be used: "run `chmod go-w PATH`" where programs of this user
// ignore it, else "run `rebound check PATH`".
void rb_source_remedy(const char *path, char out[RB_SOURCE_MESSAGE_SIZE]);

// Makes `path` absolute. Returns 0 or -ENAMETOOLONG, or the error of getcwd.
int rb_source_absolute(const char *path, char out[RB_POLICY_PATH_SIZE]);

#endif
