// SPDX-License-Identifier: MIT
// Being told of forks.
#ifndef RB_REAL_FORK_H
#define RB_REAL_FORK_H

// Has `before` (NULL: nothing) called in the process and then `child` in each child that fork makes from now on, before
// fork returns there. vfork and raw system calls tell nobody. Allocates nothing with glibc; with musl once. Does
// nothing where the C library has no such thing.
void rb_fork_notify(void (*before)(void), void (*child)(void));

#endif
