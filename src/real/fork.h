// SPDX-License-Identifier: MIT
// Fork handlers, and a test for running in a vfork child.
#ifndef RB_REAL_FORK_H
#define RB_REAL_FORK_H

#include <stdbool.h>

// Registers fork handlers: after a fork the child is the owner of its copy of the memory. Allocates nothing with glibc,
// and once with musl. Makes no system call.
void rb_fork_start(void);

// Returns true if this process owns the memory. The first process that asks is the owner, so the parent asks before a
// child can share its memory. False in a vfork child, and in a child made by a raw system call. Calls rb_fork_start if
// nobody has; async-signal-safe after that.
//   process: the pid of this process
bool rb_fork_owns(int process);

// Records that this thread makes a process that runs no fork handlers but has its own copy of the memory (clone without
// CLONE_VM, _Fork). Call with true before the process is made, and with false in the parent afterwards.
void rb_fork_set_apart(bool is_apart);

// Returns true if no other process uses this memory, so that what is true of this process only can be recorded there.
// False in a vfork child. Makes a system call.
bool rb_fork_has_own_memory(void);

// From now on, each fork calls `before` in the parent before it forks, and then `parent` in the parent and `child` in
// the child before fork returns. Each may be NULL. If the fork fails, `parent` is called. vfork and raw system calls
// call none of them. There is room for a few registrations.
void rb_fork_notify(void (*before)(void), void (*parent)(void), void (*child)(void));

#endif
