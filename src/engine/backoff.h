// SPDX-License-Identifier: MIT
// Delay before a retry: the schedule, capped, then jittered.
#ifndef RB_ENGINE_BACKOFF_H
#define RB_ENGINE_BACKOFF_H

#include "engine/rules.h"

// The delay in milliseconds before jitter: min(cap, schedule). For explain and tests.
//   rules: the backoff part of a policy
//   retry: 1 for the first retry, up to UINT32_MAX; arithmetic saturates at the cap
// fixed: base. linear: base * retry. exponential: base * multiplier^(retry - 1).
uint64_t rb_backoff_ceiling_ms(const struct rb_backoff *rules, uint32_t retry);

// The delay in milliseconds before retry number `retry`, jitter included.
//   previous_ms: the delay before the previous retry (decorrelated jitter only); 0 for the first, which counts as base
//   draw: a uniform random number; u = draw / 2^32 is in [0, 1)
// Results round to the nearest millisecond. Jitter names and formulas: none, full, equal, decorrelated as in the
// AWS Architecture Blog, "Exponential Backoff And Jitter" (2015); added: ceiling + u * jitter_ms, over the cap by
// design. decorrelated: min(cap, base + u * (3 * previous - base)), whatever the kind.
uint64_t rb_backoff_delay_ms(const struct rb_backoff *rules, uint32_t retry, uint64_t previous_ms, uint32_t draw);

#endif
