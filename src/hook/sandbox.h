// SPDX-License-Identifier: MIT
// What the hooks of prctl and syscall share: steps around a call that restricts the process.
#ifndef RB_HOOK_SANDBOX_H
#define RB_HOOK_SANDBOX_H

#include <stdbool.h>

#include "real/sandbox.h"

// Call before the real call. Does what needs a file or a system call of our own, and for a filter makes the state of
// the sandbox RB_SANDBOX_SECCOMP. Keeps errno.
//   next: RB_SANDBOX_LANDLOCK or RB_SANDBOX_SECCOMP
//   threads: the restriction takes effect in other threads at once (SECCOMP_FILTER_FLAG_TSYNC)
// Returns the state before, for rb_hook_sandbox_end. `next` means that nothing was done: the state was as restricted
// already, or this is a vfork child, whose parent must not take the restriction for its own.
enum rb_sandbox_state rb_hook_sandbox_begin(enum rb_sandbox_state next, bool threads);

// Call after the real call. After a success makes no system call. Keeps errno.
//   before: the result of rb_hook_sandbox_begin
void rb_hook_sandbox_end(enum rb_sandbox_state before, enum rb_sandbox_state next, bool succeeded);

#endif
