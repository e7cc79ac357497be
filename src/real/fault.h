// SPDX-License-Identifier: MIT
// Mappings of a file that somebody may cut short at any time: what they lack raises SIGBUS when it is touched.
//
// While a mapping is watched, a handler of ours stands in front of the program's: it puts zeroed memory in the
// mapping's place and lets the thread go on. Every other SIGBUS goes to the program's action, which sees what it would
// have seen without us; a program that asks for its action, or sets one, finds its own (as libjsig does it for the
// JVM's signals). What this cannot help is a thread that has SIGBUS blocked: there the kernel ends the program whatever
// handler it has, as it does where the program ignores SIGBUS or sets its action by a system call of its own.
#ifndef RB_REAL_FAULT_H
#define RB_REAL_FAULT_H

#include <signal.h>
#include <stddef.h>

#include "real/libc.h"

// Watches a mapping until rb_fault_unwatch; a few at a time, one too many is not watched. Keeps errno.
void rb_fault_watch(const void *memory, size_t size);
void rb_fault_unwatch(const void *memory);

// As sigaction(2) for a program whose SIGBUS may be ours. Async-signal-safe, also in a vfork child.
int rb_fault_sigaction(int number, const struct sigaction *action, struct sigaction *old);

// To be handed what libc's signal(3), or one of its kin, has just returned for a program: returns what that program
// should see, and puts our handler before the new one.
sighandler_t rb_fault_signalled(int number, sighandler_t previous);

#endif
