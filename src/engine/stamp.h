// SPDX-License-Identifier: MIT
// A host and a time in one word, for the small tables that a process keeps about hosts: 24 bits of the key of the
// host's cell or another hash, and a time in milliseconds of 40 bits.
#ifndef RB_ENGINE_STAMP_H
#define RB_ENGINE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

enum { RB_STAMP_TIME_BITS = 40 };

// Packs the key and the time. Never 0, which means that a place is free.
static inline uint64_t rb_stamp_pack(uint64_t key, uint64_t now_ms)
{
    uint64_t time_mask = (UINT64_C(1) << RB_STAMP_TIME_BITS) - 1;
    uint64_t word = (key & ~time_mask) | (now_ms & time_mask);
    return word ? word : 1;
}

// Returns whether the word holds a time of the host `key`.
static inline bool rb_stamp_is_of(uint64_t word, uint64_t key)
{
    return word != 0 && word >> RB_STAMP_TIME_BITS == key >> RB_STAMP_TIME_BITS;
}

// Returns the time in milliseconds.
static inline uint64_t rb_stamp_ms(uint64_t word)
{
    return word & ((UINT64_C(1) << RB_STAMP_TIME_BITS) - 1);
}

#endif
