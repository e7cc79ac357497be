// SPDX-License-Identifier: MIT
// The policy file that the command uses, and why this one.
#ifndef RB_CLI_POLICY_SOURCE_H
#define RB_CLI_POLICY_SOURCE_H

#include "policy/policy.h"

struct rb_source {
    char path[RB_POLICY_PATH_SIZE]; // absolute, or the name of a built-in policy
    const char *why;                // "--policy", "REBOUND_POLICY", "XDG_CONFIG_HOME", "HOME", "/etc" or "builtin"
};

// The reason as text, for example "named by REBOUND_POLICY".
const char *rb_source_reason(const struct rb_source *source);

// Finds the policy for --policy FILE (NULL if not given). Without a file, finds the built-in policy. Makes the path
// absolute but does not resolve links, so that a changed link takes effect. Returns 0 or a negative errno.
int rb_source_find(struct rb_source *source, const char *explicit_path);

enum { RB_SOURCE_MESSAGE_SIZE = RB_POLICY_PATH_SIZE + 256 };

// True if programs of this user use the policy file at `path` (see policy/trust.h). Also true for a built-in policy
// and for a file that cannot be examined. If false, `message` (may be NULL) receives the reason and the command that
// repairs it.
bool rb_source_trusted(const char *path, char message[RB_SOURCE_MESSAGE_SIZE]);

// Writes the command that helps if the policy file cannot be used: "run `chmod go-w PATH`" if programs of this user
// ignore it, else "run `rebound check PATH`".
void rb_source_remedy(const char *path, char out[RB_SOURCE_MESSAGE_SIZE]);

// Makes `path` absolute. Returns 0, -ENAMETOOLONG, or the error of getcwd.
int rb_source_absolute(const char *path, char out[RB_POLICY_PATH_SIZE]);

#endif
