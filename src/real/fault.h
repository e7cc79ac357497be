// SPDX-License-Identifier: MIT
// Protection for mappings of a file that another process may truncate. Touching a page behind the new end raises
// SIGBUS.
//
// While a mapping is watched, our handler stands in front of the program's. For a fault in a watched mapping it maps
// zeroed memory there and the thread continues. Every other SIGBUS goes to the program's action. A program that reads
// or sets its action sees its own, not ours (libjsig does the same for the signals of the JVM).
//
// Not covered: a thread that blocks SIGBUS, a program that ignores SIGBUS, and a program that sets its action by a raw
// system call. There the kernel ends the program.
#ifndef RB_REAL_FAULT_H
#define RB_REAL_FAULT_H

#include <signal.h>
#include <stddef.h>

#include "real/libc.h"

// Watches a mapping until rb_fault_unwatch. There is room for a few mappings; further ones are not watched. Keeps
// errno.
void rb_fault_watch(const void *memory, size_t size);
void rb_fault_unwatch(const void *memory);

// Installs the program's own action, before the program gets a seccomp filter: our handler needs system calls.
// rb_fault_resume installs our handler again. Both keep errno.
void rb_fault_rest(void);
void rb_fault_resume(void);

// sigaction(2) for the program: hides our handler. Async-signal-safe, also in a vfork child.
int rb_fault_sigaction(int number, const struct sigaction *action, struct sigaction *old);

// Call after libc's signal(3) or a variant of it, with the handler that libc returned. Returns the handler that the
// program should see, and installs our handler in front of the new one.
sighandler_t rb_fault_signalled(int number, sighandler_t previous);

#endif
