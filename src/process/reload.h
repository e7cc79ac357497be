// SPDX-License-Identifier: MIT
// The policy in force: where it comes from, and its replacement when the file changes.
#ifndef RB_POLICY_RELOAD_H
#define RB_POLICY_RELOAD_H

#include "policy/policy.h"

// Where to look for a policy file. NULL: not set, or ignored because the process is in secure execution.
struct rb_policy_places {
    const char *named;  // --policy FILE, else a REBOUND_POLICY that is not empty
    const char *config; // XDG_CONFIG_HOME
    const char *home;   // HOME
};

// Finds the policy file as the format document says: the named one, else $XDG_CONFIG_HOME/rebound/policy.ini (or
// $HOME/.config/...), else /etc/rebound/policy.ini. A named file that is missing is still the answer.
//   out: RB_POLICY_PATH_SIZE bytes
// Returns 0, -ENOENT when there is none, -ENAMETOOLONG.
int rb_policy_locate(const struct rb_policy_places *places, char *out);

// What happened to the policy, for the log.
enum rb_reload_event {
    RB_RELOAD_LOADED,
    RB_RELOAD_RELOADED,
    RB_RELOAD_INVALID,
    RB_RELOAD_UNREADABLE,
    RB_RELOAD_UNTRUSTED, // a less privileged user can write the file: see policy/trust.h
};

// Called at most once per change, from the thread that noticed it. diagnostic is the first error in the text for
// INVALID, the reason for UNTRUSTED (line 0), else NULL; error is a negative errno or 0. It must not call
// rb_policy_current.
typedef void rb_reload_fn(enum rb_reload_event event, const char *path, const struct rb_diagnostic *diagnostic,
                          int error);

// Loads the policy for this process. Call once, before rb_policy_current; a relative path is taken from the present
// working directory for good. notify may be NULL. Returns 0, the error of rb_policy_load, or -EPERM for a file that is
// not trusted; then there is no policy until a valid file appears at the same path. The built-in policy cannot change:
// it is read when it is first asked for.
int rb_policy_start(const char *path, rb_reload_fn *notify);

// The policy in force or NULL. At most once a second one caller looks at the file (stat: device, inode, size, mtime,
// ctime) and, when it has changed, loads it; the others go on with the one at hand. A file that is bad,
// not trusted or gone leaves the last good policy in force. No lock, no malloc; errno is kept.
//   now_ms: a monotonic clock
// The result may be used for a minute: a replaced policy is freed no earlier than 60 s after. Who needs a section for
// longer (a call that waits) copies its rules.
const struct rb_policy *rb_policy_current(uint64_t now_ms);

#endif
