// SPDX-License-Identifier: MIT
// When a host wants the next call: a Retry-After that one process heard holds the others back as well.
//
// One word, so that no process can die between two halves of it. Who must wait takes a number and comes in that slot
// after the time: not all at once.
#ifndef RB_ENGINE_NOT_BEFORE_H
#define RB_ENGINE_NOT_BEFORE_H

#include <stdatomic.h>
#include <stdint.h>

// Slots are so far apart. They come round again after as long as the host asked for.
enum { RB_NOT_BEFORE_SLOT_MS = 20 };

// The longest wish that is kept: a day, as no policy allows a longer retry.after_max. A time in the word that lies
// further ahead counts as no wish.
enum { RB_NOT_BEFORE_MAX_MS = 24 * 60 * 60 * 1000 };

// Valid when zeroed: no wait.
struct rb_not_before {
    _Atomic uint64_t word; // packed: time (ms) 40 bits, numbers given out 24
};

// A host asked for no call within wait_ms, at most RB_NOT_BEFORE_MAX_MS of it. An earlier wish that ends later stays.
void rb_not_before_set(struct rb_not_before *not_before, uint64_t wait_ms, uint64_t now_ms);

// Takes a number: how long the caller is to wait from now, in its slot. 0: it may go. The first number's slot is the
// host's own time.
//   max_ms: longer wishes are not believed (retry.after_max)
uint64_t rb_not_before_take(struct rb_not_before *not_before, uint64_t max_ms, uint64_t now_ms);

// The time left, without taking a number; numbers may be NULL, else it receives how many were taken.
uint64_t rb_not_before_left_ms(const struct rb_not_before *not_before, uint64_t now_ms, uint32_t *numbers);

#endif
