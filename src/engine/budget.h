// SPDX-License-Identifier: MIT
// A retry budget in a fixed-size struct of atomics: a floor per second, and a share of the original calls. After
// Finagle's RetryBudget: both parts accumulate for at most ten seconds.
#ifndef RB_ENGINE_BUDGET_H
#define RB_ENGINE_BUDGET_H

#include <stdatomic.h>

#include "engine/rules.h"

enum { RB_BUDGET_SECONDS = 10 };

// Valid when zeroed: a new budget has a full floor (floor * 10 s) and no earnings. A floor below 0.1/s accumulates up
// to one retry, however long that takes.
struct rb_budget {
    _Atomic uint64_t floor;                     // virtual time (ns) at which the floor is full again
    _Atomic uint64_t earned[RB_BUDGET_SECONDS]; // packed: second, ten-thousandths of a retry saved in it
};

// Adds `ratio` of a retry for one original call. Call once per call, not per attempt.
void rb_budget_deposit(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms);

// Takes one whole retry from the floor, or else from the earnings. Never overspends, even if several processes withdraw
// at once; a race may refuse a retry that would have been allowed. Returns true if the retry may be made.
bool rb_budget_withdraw(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms);

// Returns the number of retries available now, in thousandths. For commands that display it.
uint64_t rb_budget_balance_milli(const struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms);

#endif
