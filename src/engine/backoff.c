// SPDX-License-Identifier: MIT
// The schedule of delays in saturating integer arithmetic, and the five kinds of jitter.
#include "engine/backoff.h"

#include "base/arithmetic.h"

enum { MILLI = 1000 };

// A time in milliseconds with 32 binary places. Without the fraction, a base of 1 ms times 1.5 would always round to 1.
struct fixed {
    uint64_t whole;
    uint32_t fraction;
};

static struct fixed times(struct fixed value, uint32_t milli)
{
    uint64_t middle = (value.whole % MILLI) * milli;
    uint64_t fraction = (uint64_t) value.fraction * milli / MILLI + ((middle % MILLI) << 32) / MILLI;
    uint64_t whole = rb_arithmetic_mul(value.whole / MILLI, milli);
    whole = rb_arithmetic_add(whole, middle / MILLI);
    whole = rb_arithmetic_add(whole, fraction >> 32);
    return (struct fixed){whole, (uint32_t) fraction};
}

// Returns base * (milli / 1000)^steps, at most cap. The loop ends early: a factor other than 1 reaches the cap or 0
// within about 75,000 steps for any arguments, and a policy allows 100 attempts.
static uint64_t backoff_grow(uint64_t base, uint32_t milli, uint32_t steps, uint64_t cap)
{
    struct fixed value = {base, 0};
    if (milli == MILLI)
        return rb_arithmetic_min(base, cap);
    for (; steps > 0 && value.whole < cap && (value.whole | value.fraction) != 0; steps--)
        value = times(value, milli);
    return rb_arithmetic_min(cap, rb_arithmetic_add(value.whole, value.fraction >> 31));
}

uint64_t rb_backoff_ceiling_ms(const struct rb_backoff *rules, uint32_t retry)
{
    uint32_t steps = retry > 0 ? retry - 1 : 0;
    switch (rules->kind) {
    case RB_BACKOFF_LINEAR:
        return rb_arithmetic_min(rules->cap_ms, rb_arithmetic_mul(rules->base_ms, (uint64_t) steps + 1));
    case RB_BACKOFF_EXPONENTIAL:
        return backoff_grow(rules->base_ms, rules->multiplier_milli, steps, rules->cap_ms);
    case RB_BACKOFF_FIXED:
        break;
    }
    return rb_arithmetic_min(rules->cap_ms, rules->base_ms);
}

// In the formulas, u is draw / 2^32.
uint64_t rb_backoff_delay_ms(const struct rb_backoff *rules, uint32_t retry, uint64_t previous_ms, uint32_t draw)
{
    uint64_t ceiling = rb_backoff_ceiling_ms(rules, retry);
    switch (rules->jitter) {
    case RB_JITTER_FULL:
        return rb_arithmetic_share(ceiling, draw, 0);
    case RB_JITTER_EQUAL: { // ceiling / 2 + u * ceiling / 2
        uint64_t half = ceiling / 2;
        // For an odd ceiling, `odd` carries the two half milliseconds into the rounding.
        uint64_t odd = ceiling % 2 != 0 ? (UINT64_C(1) << 31) + draw / 2 : 0;
        return half + rb_arithmetic_share(half, draw, odd);
    }
    case RB_JITTER_DECORRELATED: { // base + u * (3 * previous - base), at most cap
        uint64_t previous = previous_ms != 0 ? previous_ms : rules->base_ms;
        // 0 if a reload raised the base above three times the previous delay
        uint64_t span = rb_arithmetic_sub(rb_arithmetic_mul(3, previous), rules->base_ms);
        uint64_t delay = rb_arithmetic_add(rules->base_ms, rb_arithmetic_share(span, draw, 0));
        return rb_arithmetic_min(rules->cap_ms, delay);
    }
    case RB_JITTER_ADDED:
        return rb_arithmetic_add(ceiling, rb_arithmetic_share(rules->jitter_ms, draw, 0));
    case RB_JITTER_NONE:
        break;
    }
    return ceiling;
}
