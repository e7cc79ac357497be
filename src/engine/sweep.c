// SPDX-License-Identifier: MIT
// The latest targets of a process that refused; a new one replaces the oldest.
#include "engine/sweep.h"

#include "engine/stamp.h"

static uint64_t sweep_load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

// The first place is filled first and cleared last, so it shows whether there are any entries.
void rb_sweep_refused(struct rb_sweep *sweep, uint64_t key, uint64_t now_ms)
{
    unsigned place = 0;
    for (unsigned i = 0; i < RB_SWEEP_TARGETS; i++) {
        uint64_t word = sweep_load(&sweep->refused[i]), oldest = sweep_load(&sweep->refused[place]);
        if (rb_stamp_is_of(word, key)) {
            place = i;
            break;
        }
        if (rb_stamp_ms(word) < rb_stamp_ms(oldest))
            place = i;
    }
    atomic_store_explicit(&sweep->refused[place], rb_stamp_pack(key, now_ms), memory_order_relaxed);
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
        if (word == 0 || rb_stamp_is_of(word, key) || now_ms - rb_stamp_ms(word) > RB_SWEEP_MS)
            return false;
    }
    return true;
}
