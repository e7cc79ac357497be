// SPDX-License-Identifier: MIT
// The quorum: one place for each process that saw a failure, with the moment of its latest one.
#include "engine/breaker_quorum.h"

#include <stddef.h>

#include "engine/breaker_word.h"

// A place: generation 16 bits, process 22, moment 26. The moment is a second, or the number of outcomes in the window.
// The process is never 0, because 0 is an empty place.
enum { WHO_BITS = 22, WHO_SHIFT = 16, MOMENT_SHIFT = WHO_SHIFT + WHO_BITS, SECOND_MS = 1000 };

static const uint64_t moment_mask = (UINT64_C(1) << 26) - 1;

static uint64_t moment_of(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms)
{
    return (rules->time_window ? now_ms / SECOND_MS : atomic_load(&breaker->head) >> 16) & moment_mask;
}

// Returns generation and process, without the moment.
static uint64_t identity_of(uint64_t word)
{
    return word & ((UINT64_C(1) << MOMENT_SHIFT) - 1);
}

static bool quorum_is_fresh(uint64_t word, const struct rb_breaker_rules *rules, uint32_t generation, uint64_t moment)
{
    return word != 0 && (word & RB_GENERATION_MASK) == generation &&
           ((moment - (word >> MOMENT_SHIFT)) & moment_mask) <= rules->window;
}

// Finds the process's own place, or an expired one. Returns NULL if other processes hold all places: then the quorum is
// reached anyway.
static _Atomic uint64_t *find_place(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t word,
                                    uint64_t *there)
{
    _Atomic uint64_t *free_place = NULL;
    for (unsigned i = 0; i < RB_BREAKER_MAX_QUORUM; i++) {
        uint64_t old = atomic_load(&breaker->blame[i]);
        bool own = identity_of(old) == identity_of(word);
        if (!own &&
            (free_place || quorum_is_fresh(old, rules, (uint32_t) word & RB_GENERATION_MASK, word >> MOMENT_SHIFT)))
            continue;
        free_place = &breaker->blame[i];
        *there = old;
        if (own)
            break;
    }
    return free_place;
}

// If another process takes the place first, the search starts again. Each time one place less is free, so the loop
// ends.
void rb_breaker_quorum_blame(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                             const struct rb_permit *permit, uint64_t who, uint64_t now_ms)
{
    uint64_t short_who = who & ((UINT64_C(1) << WHO_BITS) - 1), there;
    uint64_t word = (uint64_t) permit->generation | (short_who ? short_who : 1) << WHO_SHIFT |
                    moment_of(breaker, rules, now_ms) << MOMENT_SHIFT;
    for (unsigned turn = 0; turn < RB_BREAKER_MAX_QUORUM; turn++) {
        _Atomic uint64_t *place = find_place(breaker, rules, word, &there);
        if (!place || atomic_compare_exchange_strong(place, &there, word))
            return;
    }
}

bool rb_quorum_reached(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint32_t generation,
                       uint64_t now_ms)
{
    uint32_t processes = 0;
    if (rules->quorum <= 1)
        return true;
    uint64_t moment = moment_of(breaker, rules, now_ms);
    for (unsigned i = 0; i < RB_BREAKER_MAX_QUORUM; i++)
        processes += quorum_is_fresh(atomic_load(&breaker->blame[i]), rules, generation, moment);
    return processes >= rules->quorum;
}
