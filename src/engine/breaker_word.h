// SPDX-License-Identifier: MIT
// Packs and unpacks the breaker's state word. Private to the breaker's files.
#ifndef RB_ENGINE_BREAKER_WORD_H
#define RB_ENGINE_BREAKER_WORD_H

#include "engine/breaker_data.h"

enum { RB_GENERATION_MASK = 0xffff, RB_REOPENED_MAX = 31 };

// Packed: state 2 bits, generation 16, times reopened 5, costly 1, open until 40. 40 bits of milliseconds are 34 years.
struct rb_breaker_word {
    enum rb_breaker_state name;
    uint32_t generation;
    uint32_t reopened;
    bool costly; // each failure that opened it took RB_BREAKER_COSTLY_MS or more
    uint64_t until_ms;
};

static inline uint64_t rb_breaker_word_pack(struct rb_breaker_word s)
{
    return (uint64_t) s.name | (uint64_t) s.generation << 2 | (uint64_t) s.reopened << 18 |
           (s.costly ? UINT64_C(1) << 23 : 0) | s.until_ms << 24;
}

static inline struct rb_breaker_word rb_breaker_word_unpack(uint64_t word)
{
    enum rb_breaker_state name = (enum rb_breaker_state)(word & 3);
    return (struct rb_breaker_word){
        .name = name <= RB_BREAKER_HALF_OPEN ? name : RB_BREAKER_CLOSED,
        .generation = (uint32_t) (word >> 2) & RB_GENERATION_MASK,
        .reopened = (uint32_t) (word >> 18) & RB_REOPENED_MAX,
        .costly = word >> 23 & 1,
        .until_ms = word >> 24,
    };
}

#endif
