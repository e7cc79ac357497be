// SPDX-License-Identifier: MIT
// The earliest time of the next call to a host. A Retry-After that one process received delays the calls of all.
//
// The time is one atomic word, so that a process that dies never leaves half an update. Each waiting call takes a
// number and begins in its slot after the time, so that not all calls begin at once.
#ifndef RB_ENGINE_NOT_BEFORE_H
#define RB_ENGINE_NOT_BEFORE_H

#include <stdatomic.h>
#include <stdint.h>

// The distance of slots. The numbers start over after as many slots as fit into the time that the host asked for.
enum { RB_NOT_BEFORE_SLOT_MS = 20 };

// The longest wait that is stored: a day, the maximum of retry.after_max. A stored time further ahead is ignored.
enum { RB_NOT_BEFORE_MAX_MS = 24 * 60 * 60 * 1000 };

// Valid when zeroed: no wait.
struct rb_not_before {
    _Atomic uint64_t word; // packed: time (ms) 40 bits, number of slots taken 24
};

// Stores that a host asked for no call within wait_ms, limited to RB_NOT_BEFORE_MAX_MS. A stored time that is later
// stays.
void rb_not_before_set(struct rb_not_before *not_before, uint64_t wait_ms, uint64_t now_ms);

// Takes the next slot. Returns the wait from now until it; 0: no wait. The first slot is the time that the host named.
//   max_ms: a longer wait is ignored (retry.after_max)
uint64_t rb_not_before_take(struct rb_not_before *not_before, uint64_t max_ms, uint64_t now_ms);

// Returns the time left, without taking a slot. *numbers (may be NULL) receives how many slots were taken.
uint64_t rb_not_before_left_ms(const struct rb_not_before *not_before, uint64_t now_ms, uint32_t *numbers);

#endif
