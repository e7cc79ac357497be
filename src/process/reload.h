// SPDX-License-Identifier: MIT
// Finds the policy file, loads the policy, and loads it again when the file changes.
#ifndef RB_PROCESS_RELOAD_H
#define RB_PROCESS_RELOAD_H

#include "policy/policy.h"

// The places to search for a policy file. NULL: not set, or ignored because the process is in secure execution
// (AT_SECURE, getauxval(3)).
struct rb_reload_places {
    const char *named;  // --policy FILE, else a REBOUND_POLICY that is not empty
    const char *config; // XDG_CONFIG_HOME
    const char *home;   // HOME
};

// Finds the policy file: the named one, else $XDG_CONFIG_HOME/rebound/policy.ini (or $HOME/.config/...), else
// /etc/rebound/policy.ini. A named file that does not exist is still returned.
//   out: RB_POLICY_PATH_SIZE bytes
// Returns 0, -ENOENT if there is none, or -ENAMETOOLONG.
int rb_reload_locate(const struct rb_reload_places *places, char *out);

// What has happened to the policy, for the log.
enum rb_reload_event {
    RB_RELOAD_LOADED,
    RB_RELOAD_RELOADED,
    RB_RELOAD_INVALID,
    RB_RELOAD_UNREADABLE,
    RB_RELOAD_UNTRUSTED, // a less privileged user can write the file: see policy/trust.h
};

// Called at most once per event, in the thread that noticed the change. The callback must not call rb_reload_current.
//   path: the policy file
//   diagnostic: INVALID: the first error in the text. UNTRUSTED: the reason, with line 0. Otherwise NULL
//   error: 0 or a negative errno; UNREADABLE: why the file could not be read
typedef void rb_reload_fn(enum rb_reload_event event, const char *path, const struct rb_diagnostic *diagnostic,
                          int error);

// Loads the policy of this process. Call it once, before rb_reload_current. A relative path is resolved against the
// current working directory once. notify may be NULL. Returns 0, the error of rb_policy_load, or -EPERM for a file that
// is not trusted. After an error there is no policy until a valid file appears at the same path. A built-in policy
// cannot change; it is loaded on first use, and the callback gets INVALID then if there is no policy of this name.
//   set: the value of REBOUND_SET, which overrides every policy that is loaded; lives as long as the process. NULL:
//   none
int rb_reload_start(const char *path, const char *set, rb_reload_fn *notify);

// Returns the policy in force, or NULL. At most once a second one caller checks the file (stat: device, inode, size,
// mtime, ctime) and loads the policy if the file has changed. Other callers continue with the current policy. If the
// file is invalid, untrusted or missing, the last valid policy stays in force. Takes no lock, uses no malloc, keeps
// errno.
//   now_ms: a monotonic clock
// The result is valid for a minute: a replaced policy is freed at the earliest after 60 s. A call that waits and needs
// a section for longer must copy its rules.
const struct rb_policy *rb_reload_current(uint64_t now_ms);

#endif
