// SPDX-License-Identifier: MIT
// The latest targets of a process that refused; a new one replaces the oldest.
#include "engine/sweep.h"

enum { TIME_BITS = 40 };

static const uint64_t time_mask = (UINT64_C(1) << TIME_BITS) - 1;

static uint64_t sweep_load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static bool sweep_is_of(uint64_t word, uint64_t key)
{
    return word != 0 && word >> TIME_BITS == key >> TIME_BITS;
}

// The first place is filled first and cleared last, so it shows whether there are any entries.
void rb_sweep_refused(struct rb_sweep *sweep, uint64_t key, uint64_t now_ms)
{
    unsigned place = 0;
    for (unsigned i = 0; i < RB_SWEEP_TARGETS; i++) {
        uint64_t word = sweep_load(&sweep->refused[i]), oldest = sweep_load(&sweep->refused[place]);
        if (sweep_is_of(word, key)) {
            place = i;
            break;
        }
        if ((word & time_mask) < (oldest & time_mask))
            place = i;
    }
    uint64_t word = key >> TIME_BITS << TIME_BITS | (now_ms & time_mask);
    atomic_store_explicit(&sweep->refused[place], word ? word : 1, memory_order_relaxed);
}

void rb_sweep_accepted(struct rb_sweep *sweep)
{
    if (sweep_load(&sweep->refused[0]) == 0)
        return;
    for (unsigned i = RB_SWEEP_TARGETS; i-- > 0;)
        atomic_store_explicit(&sweep->refused[i], 0, memory_order_relaxed);
}

bool rb_sweep_is_on(const struct rb_sweep *sweep, uint64_t key, uint64_t now_ms)
{
    for (unsigned i = 0; i < RB_SWEEP_TARGETS; i++) {
        uint64_t word = sweep_load(&sweep->refused[i]);
        if (word == 0 || sweep_is_of(word, key) || now_ms - (word & time_mask) > RB_SWEEP_MS)
            return false;
    }
    return true;
}
