// SPDX-License-Identifier: MIT
// The re-entrancy guard: libcurl and libc call hooked functions themselves, and those calls must pass through.
#ifndef RB_REAL_GUARD_H
#define RB_REAL_GUARD_H

// How many real calls this thread is inside of. Initial-exec TLS: the default model may allocate on first use.
extern __thread unsigned rb_guard_depth;

// Begins a real call. Returns the depth to hand to rb_guard_leave.
static inline unsigned rb_guard_enter(void)
{
    return rb_guard_depth++;
}

// Ends it. Restores rather than counts down: a longjmp out of an inner call must not leave the thread guarded for ever.
static inline void rb_guard_leave(unsigned depth)
{
    rb_guard_depth = depth;
}

#endif
