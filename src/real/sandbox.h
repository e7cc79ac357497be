// SPDX-License-Identifier: MIT
// What the program has forbidden itself since the library was loaded: by a seccomp filter, or by a Landlock ruleset.
//
// A restriction that the process inherited (from a container, or from the program before execve) does not count. One
// that a thread installs counts for all threads.
#ifndef RB_REAL_SANDBOX_H
#define RB_REAL_SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>

// The states, from the least to the most restricted. rb_sandbox_enter makes every change.
//
//        landlock_restrict_self has succeeded
//   NONE ----------------------------------> LANDLOCK
//     |                                         |
//     '-------.   before a filter is     .------'
//              '---- installed ---------'
//                        |
//                        v     the filter takes effect in all threads
//                     SECCOMP ----------------------------------------> SYNCED
//
// If the kernel refuses the filter, the state before SECCOMP is restored.
//
// A child of fork inherits the state. execve starts again with NONE, because the new program loads the library anew.
enum rb_sandbox_state {
    RB_SANDBOX_NONE,
    RB_SANDBOX_LANDLOCK, // the library opens no file; it works with what it has mapped
    RB_SANDBOX_SECCOMP,  // a hook makes only the system call that it was called for, and nothing is repeated
    RB_SANDBOX_SYNCED    // the same. A call in progress in another thread fails to make further system calls of its own
};

extern _Atomic int rb_sandbox_now; // an enum rb_sandbox_state; rb_sandbox_enter writes it

// Changes the state. Returns false, and changes nothing, if the state is not `from`. Async-signal-safe.
bool rb_sandbox_enter(enum rb_sandbox_state from, enum rb_sandbox_state to);

static inline enum rb_sandbox_state rb_sandbox_state(void)
{
    return (enum rb_sandbox_state) atomic_load_explicit(&rb_sandbox_now, memory_order_acquire);
}

// Returns true if the library must begin no system call of its own. A call that is in progress in another thread may
// make a few more until the state is SYNCED. One load.
static inline bool rb_sandbox_is_filtered(void)
{
    return __builtin_expect(rb_sandbox_state() >= RB_SANDBOX_SECCOMP, false);
}

// Returns true if system calls of the library's own are refused (real/kernel.h).
static inline bool rb_sandbox_refuses_calls(void)
{
    return __builtin_expect(rb_sandbox_state() == RB_SANDBOX_SYNCED, false);
}

// Returns true if the library must open no file.
static inline bool rb_sandbox_bars_files(void)
{
    return rb_sandbox_state() != RB_SANDBOX_NONE;
}

#endif
