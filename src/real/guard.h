// SPDX-License-Identifier: MIT
// The re-entrancy guard: libcurl and libc call hooked functions themselves, and those calls must pass through.
#ifndef RB_REAL_GUARD_H
#define RB_REAL_GUARD_H

// Number of nested real calls that this thread is in. Initial-exec TLS: the default model may allocate on first use.
extern __thread unsigned rb_guard_depth;

// Begins a real call. Returns the depth that rb_guard_leave restores.
static inline unsigned rb_guard_enter(void)
{
    return rb_guard_depth++;
}

// Ends a real call. The depth is restored, not decremented: after a longjmp out of an inner call a decrement would
// leave the thread guarded forever.
static inline void rb_guard_leave(unsigned depth)
{
    rb_guard_depth = depth;
}

#endif
