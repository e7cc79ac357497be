// SPDX-License-Identifier: MIT
// Changes of the effective user. A process that changes its user must give up what belongs to the former one: the
// user's state file, the page of `rebound run --summary`, the table of names.
//
// The hooks of setuid and its variants report a change at once. A change by a raw system call is noticed by the next
// access to the state.
#ifndef RB_STATE_IDENTITY_H
#define RB_STATE_IDENTITY_H

// Called if the effective user may have changed, in the thread that noticed it. Also called in a vfork child, which has
// its own user but shares its parent's memory. Must be async-signal-safe.
typedef void rb_identity_fn(void);

// Registers a function; registering it again has no effect. At most four.
void rb_identity_notify(rb_identity_fn *changed);

// Calls the registered functions.
void rb_identity_changed(void);

#endif
