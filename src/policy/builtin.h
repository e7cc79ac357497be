// SPDX-License-Identifier: MIT
// The built-in policies: files of config/ that are embedded at build time. The path of one begins with "builtin:".
#ifndef RB_POLICY_BUILTIN_H
#define RB_POLICY_BUILTIN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define RB_BUILTIN_PREFIX "builtin:"

// The policy that applies if there is no file: config/default.ini.
#define RB_BUILTIN_DEFAULT RB_BUILTIN_PREFIX "default"

// Returns true if `path` stands for a built-in policy, known or not, and not for a file. Async-signal-safe.
static inline bool rb_builtin_is(const char *path)
{
    return strncmp(path, RB_BUILTIN_PREFIX, sizeof(RB_BUILTIN_PREFIX) - 1) == 0;
}

// Returns the text of a built-in policy, NUL-terminated, or NULL if there is none with this path.
const char *rb_builtin_policy(const char *path, size_t *length);

// Returns the path of a built-in policy by its number, counted from 0, or NULL past the last.
const char *rb_builtin_path(unsigned index);

// Returns the path of the built-in policy whose name is most similar to that in `path`, or NULL if none is similar.
//   path: begins with "builtin:"
const char *rb_builtin_suggest(const char *path);

#endif
