// SPDX-License-Identifier: MIT
// The delays of a policy, and the longest duration of a call.
#ifndef RB_CLI_POLICY_SCHEDULE_H
#define RB_CLI_POLICY_SCHEDULE_H

#include "engine/rules.h"

enum { RB_SCHEDULE_MAX = 100 };

// Times in milliseconds; sums saturate.
struct rb_schedule {
    uint32_t retries; // attempts - 1
    struct {
        uint64_t min_ms, max_ms; // delay before this retry; equal without jitter
        bool fits;               // false if it would start after timeout.total even with the shortest delays
    } retry[RB_SCHEDULE_MAX];
    uint64_t waits_ms;    // sum of the longest delays
    uint64_t attempts_ms; // all attempts with timeout.attempt each; 0 if that is not set
    uint64_t worst_ms;    // sum of both, at most timeout.total
};

// Computes the schedule with the engine's backoff. Pure.
void rb_schedule_compute(const struct rb_rules *rules, struct rb_schedule *schedule);

#endif
