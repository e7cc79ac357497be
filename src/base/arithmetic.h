// SPDX-License-Identifier: MIT
// Saturating unsigned arithmetic, and a random share of a number.
//
// No 128-bit integers: compilers for 32-bit targets do not have them.
#ifndef RB_BASE_ARITHMETIC_H
#define RB_BASE_ARITHMETIC_H

#include <stdint.h>

static inline uint64_t rb_arithmetic_add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t rb_arithmetic_mul(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t rb_arithmetic_sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t rb_arithmetic_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// Returns (whole * draw + extra) / 2^32, rounded to the nearest integer. With extra 0 the result is at most `whole`.
//   extra: at most 2^32
static inline uint64_t rb_arithmetic_share(uint64_t whole, uint32_t draw, uint64_t extra)
{
    uint64_t high = (whole >> 32) * draw;
    uint64_t low = (whole & UINT32_MAX) * draw;
    return high + ((low + extra + (UINT64_C(1) << 31)) >> 32);
}

#endif
