// SPDX-License-Identifier: MIT
// The retry budget: a floor kept as one virtual time, and earnings kept per second, both by compare-and-swap.
#include "engine/budget.h"

#include <assert.h>
#include <stddef.h>

#include "engine/arithmetic.h"

// Earnings are counted in ten-thousandths of a retry, the unit of the ratio.
enum { RETRY_PARTS = 10000 };
enum { SECOND_MS = 1000, MS_NS = 1000000 };

static const uint64_t milli_interval_ns = UINT64_C(1000000000000); // between two retries at a thousandth per second

static_assert(sizeof(struct rb_budget) == 8 + 8 * RB_BUDGET_SECONDS, "one layout for all processes");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs lock-free 64-bit atomics");

static uint64_t pack(uint32_t second, uint64_t parts)
{
    return (uint64_t) second << 32 | rb_arithmetic_min(parts, UINT32_MAX);
}

static uint32_t second_of(uint64_t slot)
{
    return (uint32_t) (slot >> 32);
}

static uint32_t parts_of(uint64_t slot)
{
    return (uint32_t) slot;
}

// Seconds are compared modulo 2^32. A slot of a later second is not ours to judge (another process's clock reading).
static bool is_fresh(uint64_t slot, uint32_t second)
{
    return second - second_of(slot) < RB_BUDGET_SECONDS;
}

void rb_budget_deposit(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms)
{
    uint32_t second = (uint32_t) (now_ms / SECOND_MS);
    _Atomic uint64_t *slot = &budget->earned[second % RB_BUDGET_SECONDS];
    uint64_t old = atomic_load(slot);
    uint64_t new;
    if (rules->ratio == 0)
        return;
    do {
        uint64_t saved = second_of(old) == second ? parts_of(old) : 0;
        if (parts_of(old) > 0 && (int32_t) (second_of(old) - second) > 0)
            return; // a deposit that comes ten seconds late
        new = pack(second, saved + rules->ratio);
    } while (!atomic_compare_exchange_weak(slot, &old, new));
}

// floor_milli: not 0, here and below
static uint64_t interval_ns(uint32_t floor_milli)
{
    return (milli_interval_ns + floor_milli - 1) / floor_milli;
}

static uint64_t depth_ns(uint32_t floor_milli)
{
    uint64_t capacity = (uint64_t) floor_milli * RB_BUDGET_SECONDS / 1000;
    return interval_ns(floor_milli) * (capacity > 0 ? capacity : 1);
}

// The floor as a generic cell rate: the word is the virtual time in ns at which the floor is full again, each retry
// moves it on by one interval. One word, so that no process can die between two halves of an update. Intervals round
// up: the floor never gives more than it should. A floor of less than one retry in ten seconds saves up for one.
//
// A time far ahead, left by rules with a much slower floor, is waited for: to pull it in would let a caller with an old
// clock reading (stopped, or preempted) refill the floor.
static bool withdraw_floor(struct rb_budget *budget, uint32_t floor_milli, uint64_t now_ms)
{
    if (floor_milli == 0)
        return false;
    uint64_t interval = interval_ns(floor_milli), depth = depth_ns(floor_milli);
    uint64_t now = rb_arithmetic_mul(now_ms, MS_NS);
    uint64_t full = atomic_load(&budget->floor);
    uint64_t next;
    do {
        next = rb_arithmetic_add(full > now ? full : now, interval);
        if (next - now > depth || next == UINT64_MAX)
            return false;
    } while (!atomic_compare_exchange_weak(&budget->floor, &full, next));
    return true;
}

static uint64_t earned_total(const struct rb_budget *budget, uint32_t second)
{
    uint64_t total = 0;
    for (size_t i = 0; i < RB_BUDGET_SECONDS; i++) {
        uint64_t slot = atomic_load(&budget->earned[i]);
        total += is_fresh(slot, second) ? parts_of(slot) : 0;
    }
    return total;
}

// Takes up to `wanted` parts out of one slot; returns them with the slot's second.
static uint64_t take(_Atomic uint64_t *slot, uint32_t second, uint32_t wanted)
{
    uint64_t old = atomic_load(slot);
    uint32_t taken;
    do {
        if (!is_fresh(old, second))
            return 0;
        taken = parts_of(old) < wanted ? parts_of(old) : wanted;
    } while (taken > 0 && !atomic_compare_exchange_weak(slot, &old, old - taken));
    return pack(second_of(old), taken);
}

// Gives parts back to a slot, unless it has passed to another second meanwhile: then they are lost.
static void give_back(_Atomic uint64_t *slot, uint64_t taken)
{
    uint64_t old = atomic_load(slot);
    while (parts_of(taken) > 0 && second_of(old) == second_of(taken)) {
        uint64_t sum = pack(second_of(old), (uint64_t) parts_of(old) + parts_of(taken));
        if (atomic_compare_exchange_weak(slot, &old, sum))
            return;
    }
}

// One retry may be gathered from several seconds, the oldest first. What was taken before a death or a lost race goes
// back or is lost; nothing is ever spent twice.
static bool withdraw_earned(struct rb_budget *budget, uint32_t second)
{
    uint64_t taken[RB_BUDGET_SECONDS];
    uint32_t oldest = second % RB_BUDGET_SECONDS + 1;
    uint32_t missing = RETRY_PARTS;
    if (earned_total(budget, second) < RETRY_PARTS)
        return false;
    for (uint32_t i = 0; i < RB_BUDGET_SECONDS; i++) {
        taken[i] = take(&budget->earned[(oldest + i) % RB_BUDGET_SECONDS], second, missing);
        missing -= parts_of(taken[i]);
    }
    for (uint32_t i = 0; missing > 0 && i < RB_BUDGET_SECONDS; i++)
        give_back(&budget->earned[(oldest + i) % RB_BUDGET_SECONDS], taken[i]);
    return missing == 0;
}

bool rb_budget_withdraw(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms)
{
    return withdraw_floor(budget, rules->floor_milli, now_ms) ||
           withdraw_earned(budget, (uint32_t) (now_ms / SECOND_MS));
}

uint64_t rb_budget_balance_milli(const struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms)
{
    uint64_t milli = earned_total(budget, (uint32_t) (now_ms / SECOND_MS)) / (RETRY_PARTS / 1000);
    if (rules->floor_milli == 0)
        return milli;
    uint64_t debt = rb_arithmetic_sub(atomic_load(&budget->floor), rb_arithmetic_mul(now_ms, MS_NS));
    uint64_t left = rb_arithmetic_sub(depth_ns(rules->floor_milli), debt);
    return milli + rb_arithmetic_mul(left, rules->floor_milli) / (milli_interval_ns / 1000);
}
