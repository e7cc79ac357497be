// SPDX-License-Identifier: MIT
// Private to net/park. The words that hooks and waits read without the lock: how many connects are in flight, when the
// next attempt is due, and a clock that orders changes and events.
#ifndef RB_NET_PARK_CLOCK_H
#define RB_NET_PARK_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

extern _Atomic uint32_t rb_clock_flights; // connects in flight
extern _Atomic uint64_t rb_clock_next_ms; // the earliest due time of all flights in milliseconds, UINT64_MAX for none
extern _Atomic uint64_t rb_clock_changes; // incremented by every change and every end of a flight

// Reads the clock. Changes that happen later get a greater value.
static inline uint64_t rb_clock_now(void)
{
    return atomic_load_explicit(&rb_clock_changes, memory_order_acquire);
}

// Increments the clock and returns the value for the change that just happened. Requires the lock.
static inline uint64_t rb_clock_advance_locked(void)
{
    return atomic_fetch_add_explicit(&rb_clock_changes, 1, memory_order_acq_rel) + 1;
}

#endif
