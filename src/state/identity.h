// SPDX-License-Identifier: MIT
// Changes of the effective user. What a process shares with one user it gives up when it becomes another one: the
// user's state file, the page of `rebound run --summary`, the table of names.
//
// The hooks of setuid and its kin report a change at once. A change by a bare system call shows with the next access to
// the state.
#ifndef RB_STATE_IDENTITY_H
#define RB_STATE_IDENTITY_H

// Called when the effective user may have changed, in the thread that has noticed it. Also in a vfork child, which has
// a user of its own but its parent's memory. Must be async-signal-safe.
typedef void rb_identity_fn(void);

// Registers a function, which may be registered already. At most four.
void rb_identity_notify(rb_identity_fn *changed);

// Reports a change: calls the functions.
void rb_identity_changed(void);

#endif
