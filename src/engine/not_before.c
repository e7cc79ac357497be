// SPDX-License-Identifier: MIT
// The word that stores until when a host wants no calls, and the numbers of waiting calls.
#include "engine/not_before.h"

#include <stddef.h>

#include "base/arithmetic.h"
#include "engine/reading.h"

enum { NUMBER_BITS = 24, NUMBER_MAX = (1 << NUMBER_BITS) - 1 };

static const uint64_t time_max_ms = (UINT64_C(1) << 40) - 1;

// Returns the time left. A time further ahead than any host can have asked for is damaged or of another clock; it
// counts as 0, and the next rb_not_before_set replaces it.
static uint64_t not_before_left(uint64_t word, uint64_t now_ms)
{
    uint64_t left = rb_arithmetic_sub(word >> NUMBER_BITS, now_ms);
    return left <= RB_NOT_BEFORE_MAX_MS + RB_READINGS_APART_MS ? left : 0;
}

void rb_not_before_set(struct rb_not_before *not_before, uint64_t wait_ms, uint64_t now_ms)
{
    uint64_t wanted_ms = rb_arithmetic_min(wait_ms, RB_NOT_BEFORE_MAX_MS);
    uint64_t until_ms = rb_arithmetic_min(rb_arithmetic_add(now_ms, wanted_ms), time_max_ms);
    uint64_t old = atomic_load(&not_before->word);
    while (not_before_left(old, now_ms) < rb_arithmetic_sub(until_ms, now_ms)) {
        // While the old time has not passed, its numbers stay taken: calls that wait for it come first.
        uint64_t numbers = not_before_left(old, now_ms) > 0 ? old & NUMBER_MAX : 0;
        if (atomic_compare_exchange_weak(&not_before->word, &old, until_ms << NUMBER_BITS | numbers))
            return;
    }
}

uint64_t rb_not_before_take(struct rb_not_before *not_before, uint64_t max_ms, uint64_t now_ms)
{
    uint64_t old = atomic_load(&not_before->word), left, next;
    do {
        left = not_before_left(old, now_ms);
        if (left == 0 || left > max_ms)
            return 0;
        next = (old & NUMBER_MAX) < NUMBER_MAX ? old + 1 : old;
    } while (!atomic_compare_exchange_weak(&not_before->word, &old, next));
    return left + (old & NUMBER_MAX) * RB_NOT_BEFORE_SLOT_MS % (left > RB_NOT_BEFORE_SLOT_MS ? left : 1);
}

uint64_t rb_not_before_left_ms(const struct rb_not_before *not_before, uint64_t now_ms, uint32_t *numbers)
{
    uint64_t word = atomic_load(&not_before->word);
    uint64_t left = not_before_left(word, now_ms);
    if (numbers)
        *numbers = left > 0 ? (uint32_t) (word & NUMBER_MAX) : 0;
    return left;
}
