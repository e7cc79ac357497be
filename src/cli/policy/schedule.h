// SPDX-License-Identifier: MIT
// The waits that a policy leads to, and the longest time that a call can take.
#ifndef RB_CLI_SCHEDULE_H
#define RB_CLI_SCHEDULE_H

#include "engine/rules.h"

enum { RB_SCHEDULE_MAX = 100 };

// All times in milliseconds, saturating.
struct rb_schedule {
    uint32_t retries; // attempts - 1
    struct {
        uint64_t min_ms, max_ms; // the wait before this retry; equal where nothing is random
        bool fits;               // false: even with the shortest waits it would begin after timeout.total
    } retry[RB_SCHEDULE_MAX];
    uint64_t waits_ms;    // sum of the longest waits
    uint64_t attempts_ms; // all attempts at timeout.attempt, 0 where that is unset
    uint64_t worst_ms;    // both together, at most timeout.total
};

// Computes the schedule from the engine's own backoff. Pure.
void rb_schedule_compute(const struct rb_rules *rules, struct rb_schedule *schedule);

#endif
