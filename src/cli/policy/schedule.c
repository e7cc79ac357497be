// SPDX-License-Identifier: MIT
// Computes delays with the engine's backoff, for the smallest and the largest random value.
#include "cli/policy/schedule.h"

#include "base/arithmetic.h"
#include "engine/backoff.h"

void rb_schedule_compute(const struct rb_rules *rules, struct rb_schedule *schedule)
{
    uint64_t shortest = 0, previous_max = 0;
    *schedule = (struct rb_schedule){.retries = rules->attempts > 0 ? rules->attempts - 1 : 0};
    if (schedule->retries > RB_SCHEDULE_MAX)
        schedule->retries = RB_SCHEDULE_MAX;
    for (uint32_t i = 0; i < schedule->retries; i++) {
        // Decorrelated jitter depends on the previous delay. The largest delay follows from the largest previous one;
        // the smallest delay is always the base.
        uint64_t max = rb_backoff_delay_ms(&rules->backoff, i + 1, previous_max, UINT32_MAX);
        uint64_t min = rb_backoff_delay_ms(&rules->backoff, i + 1, previous_max, 0);
        shortest = rb_arithmetic_add(shortest, min);
        schedule->retry[i].min_ms = min;
        schedule->retry[i].max_ms = max;
        schedule->retry[i].fits = shortest < rules->total_ms;
        schedule->waits_ms = rb_arithmetic_add(schedule->waits_ms, max);
        previous_max = max;
    }
    schedule->attempts_ms = rb_arithmetic_mul(rules->attempt_ms, (uint64_t) schedule->retries + 1);
    uint64_t sum = rb_arithmetic_add(schedule->waits_ms, schedule->attempts_ms);
    schedule->worst_ms = rules->total_ms > 0 ? rb_arithmetic_min(sum, rules->total_ms) : sum;
}
