// SPDX-License-Identifier: MIT
// Fork handlers, and a test for running in a vfork child.
#ifndef RB_REAL_FORK_H
#define RB_REAL_FORK_H

#include <stdbool.h>

// Records the pid of this process as the owner of this memory, and registers fork handlers: after a fork the child is
// the owner of its copy. Must be called when the library is loaded, before a vfork child could call it. Allocates
// nothing with glibc, and once with musl.
void rb_fork_start(void);

// Returns true if the process with this pid owns the memory. False in a vfork child, and in a child made by a raw
// system call. Calls rb_fork_start if nobody has; async-signal-safe after that.
bool rb_fork_owns(int process);

// From now on, each fork calls `before` in the parent before it forks, and then `parent` in the parent and `child` in
// the child before fork returns. Each may be NULL. If the fork fails, `parent` is called. vfork and raw system calls
// call none of them. There is room for a few registrations.
void rb_fork_notify(void (*before)(void), void (*parent)(void), void (*child)(void));

#endif
