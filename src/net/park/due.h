// SPDX-License-Identifier: MIT
// Private to net/park. The due time of each flight: when it wants the next attempt, or when its current attempt has
// taken too long. All functions need the lock.
//
// The due times are in a binary heap, so that setting one takes time in proportion to the logarithm of their number.
#ifndef RB_NET_PARK_DUE_H
#define RB_NET_PARK_DUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint64_t
    rb_due_next_ms; // the earliest due time in milliseconds, UINT64_MAX for none; read without the lock

enum { RB_DUE_SLOTS = 16384 }; // flights that can have a due time

// Sets the due time of the flight in this slot, in milliseconds. UINT64_MAX: the flight only reacts to events, as every
// flight at first.
void rb_due_set_locked(unsigned slot, uint64_t due_ms);

// Returns the due time of a slot.
uint64_t rb_due_at_locked(unsigned slot);

// Returns whether the due time of a slot has passed. If so, sets it to UINT64_MAX.
bool rb_due_take_locked(unsigned slot, uint64_t now_ms);

// Finds the slot with the earliest due time. If that time has passed, sets it to UINT64_MAX, writes the slot to *slot
// and returns true.
bool rb_due_next_locked(unsigned *slot, uint64_t now_ms);

// Builds the heap anew from the due times of all slots. Call this when a thread may have left a change half done.
void rb_due_repair_locked(void);

#endif
