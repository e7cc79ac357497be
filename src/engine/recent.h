// SPDX-License-Identifier: MIT
// Records whether this process's latest result with a host was a success. Kept in the process's own memory. With
// breaker.refuse = slow such a process is not refused (RB_ASK_PROVEN).
//
// The table is small, one word per place. Hosts that hash to the same place replace each other; a host without a place
// counts as one without a success.
#ifndef RB_ENGINE_RECENT_H
#define RB_ENGINE_RECENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/stamp.h"

// Valid when zeroed: no success.
struct rb_recent {
    _Atomic uint64_t word; // of the latest success, as in engine/stamp.h; 0: free
};

// Records a result with the host `key`. Writes at most once a second while results stay the same. Async-signal-safe.
//   key: of the host's cell, not 0
static inline void rb_recent_note(struct rb_recent *recent, uint64_t key, bool success, uint64_t now_ms)
{
    enum { REFRESH_MS = 1000 };
    uint64_t old = atomic_load_explicit(&recent->word, memory_order_relaxed);
    bool own = rb_stamp_is_of(old, key);
    if (!success && own)
        atomic_store_explicit(&recent->word, 0, memory_order_relaxed);
    if (success && (!own || now_ms - rb_stamp_ms(old) >= REFRESH_MS))
        atomic_store_explicit(&recent->word, rb_stamp_pack(key, now_ms), memory_order_relaxed);
}

// Returns whether the latest result was a success, at most `within_ms` ago.
static inline bool rb_recent_is_success(const struct rb_recent *recent, uint64_t key, uint64_t within_ms,
                                        uint64_t now_ms)
{
    uint64_t word = atomic_load_explicit(&recent->word, memory_order_relaxed);
    return rb_stamp_is_of(word, key) && now_ms - rb_stamp_ms(word) <= within_ms;
}

#endif
