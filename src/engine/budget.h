// SPDX-License-Identifier: MIT
// A retry budget on a fixed-size struct of atomics: a floor per second, and a share of the original calls.
// The idea is Finagle's RetryBudget: both parts save up for at most ten seconds.
#ifndef RB_ENGINE_BUDGET_H
#define RB_ENGINE_BUDGET_H

#include <stdatomic.h>

#include "engine/rules.h"

enum { RB_BUDGET_SECONDS = 10 };

// Valid when zeroed: a new budget starts with a full floor (floor * 10 s) and nothing earned. A floor of less than
// 0.1/s saves up for one retry, however long that takes.
struct rb_budget {
    _Atomic uint64_t floor;                     // virtual time (ns) at which the floor is full again
    _Atomic uint64_t earned[RB_BUDGET_SECONDS]; // packed: second, ten-thousandths of a retry saved in it
};

// Counts one original call: earns ratio of a retry. Once per call, not per attempt.
void rb_budget_deposit(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms);

// Takes one whole retry: from the floor first, else from what was earned. Never overspends, also when several processes
// draw at once; a race may refuse a retry that would just have been allowed. Returns true when the retry may be made.
bool rb_budget_withdraw(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms);

// The retries that could be made at once, in thousandths, for who looks.
uint64_t rb_budget_balance_milli(const struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms);

#endif
