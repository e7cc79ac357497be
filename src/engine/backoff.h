// SPDX-License-Identifier: MIT
// The delay before a retry: the scheduled delay, limited by the cap, with jitter.
#ifndef RB_ENGINE_BACKOFF_H
#define RB_ENGINE_BACKOFF_H

#include "engine/rules.h"

// Returns the delay in milliseconds without jitter: min(cap, schedule). Used by explain and tests.
//   rules: the backoff part of a policy
//   retry: 1 for the first retry, up to UINT32_MAX; arithmetic saturates at the cap
// fixed: base. linear: base * retry. exponential: base * multiplier^(retry - 1).
uint64_t rb_backoff_ceiling_ms(const struct rb_backoff *rules, uint32_t retry);

// Returns the delay in milliseconds before retry number `retry`, with jitter, rounded to the nearest millisecond.
//   previous_ms: the delay before the previous retry (decorrelated jitter only); 0 before the first retry means base
//   draw: a uniform random number; u = draw / 2^32 is in [0, 1)
// none, full, equal and decorrelated follow the AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
// decorrelated is min(cap, base + u * (3 * previous - base)) for every kind of schedule. added is ceiling + u *
// jitter_ms; it may exceed the cap by design.
uint64_t rb_backoff_delay_ms(const struct rb_backoff *rules, uint32_t retry, uint64_t previous_ms, uint32_t draw);

#endif
