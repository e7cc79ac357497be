// SPDX-License-Identifier: MIT
// Private to net/park. A clock that orders the changes of connects in flight and the events of waits.
#ifndef RB_NET_PARK_CHANGE_H
#define RB_NET_PARK_CHANGE_H

#include <stdatomic.h>
#include <stdint.h>

extern _Atomic uint64_t rb_change_count; // incremented by every change and every end of a flight

// Reads the clock. Changes that happen later get a greater value.
static inline uint64_t rb_change_now(void)
{
    return atomic_load_explicit(&rb_change_count, memory_order_acquire);
}

// Increments the clock and returns the value for the change that just happened. Requires the lock.
static inline uint64_t rb_change_add_locked(void)
{
    return atomic_fetch_add_explicit(&rb_change_count, 1, memory_order_acq_rel) + 1;
}

#endif
