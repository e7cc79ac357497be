// SPDX-License-Identifier: MIT
// Being told of forks, and telling a process from a vfork child that runs in its memory.
#ifndef RB_REAL_FORK_H
#define RB_REAL_FORK_H

#include <stdbool.h>

// Notes that this memory belongs to this process, and has the C library tell us of forks from now on: then it belongs
// to the child. Called when the library is loaded: a vfork child that came first would take the memory for its own.
// With glibc it allocates nothing, with musl once.
void rb_fork_start(void);

// True when the memory belongs to the process with this number: false in a vfork child, and in a child that raw system
// calls made. Calls rb_fork_start when nobody has. Async-signal-safe after that.
bool rb_fork_owns(int process);

// Has `before` (NULL: nothing) called in the process and then `child` in each child that fork makes from now on, before
// fork returns there. vfork and raw system calls tell nobody. There is room for a few.
void rb_fork_notify(void (*before)(void), void (*child)(void));

#endif
