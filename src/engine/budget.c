// SPDX-License-Identifier: MIT
// The retry budget: a floor kept as one virtual time, and earnings kept per second, both by compare-and-swap.
#include "engine/budget.h"

#include <assert.h>
#include <stddef.h>

#include "base/arithmetic.h"
#include "engine/reading.h"

// Earnings are counted in ten-thousandths of a retry, the unit of the ratio.
enum { RETRY_PARTS = 10000 };
enum { SECOND_MS = 1000, MS_NS = 1000000 };

static const uint64_t milli_interval_ns = UINT64_C(1000000000000); // the time between two retries at a rate of 0.001/s

static_assert(sizeof(struct rb_budget) == 8 + 8 * RB_BUDGET_SECONDS, "one layout for all processes");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs lock-free 64-bit atomics");

static uint64_t budget_pack(uint32_t second, uint64_t parts)
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

// Seconds are compared modulo 2^32.
static bool budget_is_fresh(uint64_t slot, uint32_t second)
{
    return second - second_of(slot) < RB_BUDGET_SECONDS;
}

// If the slot holds earnings of a later second, this deposit is at least ten seconds late, and the slot is kept. A
// second further ahead than RB_READINGS_APART_MS comes from another clock; the slot then counts as free, because
// otherwise nothing would be earned in it until that second.
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
        uint32_t ahead_s = second_of(old) - second;
        if (parts_of(old) > 0 && ahead_s > 0 && ahead_s <= RB_READINGS_APART_MS / SECOND_MS)
            return;
        new = budget_pack(second, saved + rules->ratio);
    } while (!atomic_compare_exchange_weak(slot, &old, new));
}

// Here and below, floor_milli is not 0.
static uint64_t interval_ns(uint32_t floor_milli)
{
    return (milli_interval_ns + floor_milli - 1) / floor_milli;
}

static uint64_t depth_ns(uint32_t floor_milli)
{
    uint64_t capacity = (uint64_t) floor_milli * RB_BUDGET_SECONDS / 1000;
    return interval_ns(floor_milli) * (capacity > 0 ? capacity : 1);
}

// Withdraws from the floor, which is a generic cell rate algorithm: the word is the virtual time in ns at which the
// floor is full again, and each retry adds one interval to it. It is one word, so that a process that dies never leaves
// half an update. Intervals round up, so the floor never gives too much. A floor below 0.1/s accumulates up to one
// retry.
//
// A stored time further ahead than that of an empty floor comes from another clock, or from rules with a slower floor.
// It would block the floor until then, so it counts as that of an empty floor. A caller whose clock reading is older
// than RB_READINGS_APART_MS replaces a valid time by mistake. Then the processes get one floor (ten seconds) too much,
// once per such caller.
static bool withdraw_floor(struct rb_budget *budget, uint32_t floor_milli, uint64_t now_ms)
{
    if (floor_milli == 0)
        return false;
    uint64_t interval = interval_ns(floor_milli), depth = depth_ns(floor_milli);
    uint64_t now = rb_arithmetic_mul(now_ms, MS_NS), empty = rb_arithmetic_add(now, depth);
    uint64_t furthest = rb_arithmetic_add(empty, (uint64_t) RB_READINGS_APART_MS * MS_NS);
    uint64_t word = atomic_load(&budget->floor);
    uint64_t next;
    bool given;
    do {
        uint64_t full = word > furthest ? empty : word;
        next = rb_arithmetic_add(full > now ? full : now, interval);
        given = next - now <= depth && next != UINT64_MAX;
        if (!given && full == word)
            return false;
        next = given ? next : full;
    } while (!atomic_compare_exchange_weak(&budget->floor, &word, next));
    return given;
}

static uint64_t earned_total(const struct rb_budget *budget, uint32_t second)
{
    uint64_t total = 0;
    for (size_t i = 0; i < RB_BUDGET_SECONDS; i++) {
        uint64_t slot = atomic_load(&budget->earned[i]);
        total += budget_is_fresh(slot, second) ? parts_of(slot) : 0;
    }
    return total;
}

// Takes up to `wanted` parts from one slot. Returns them packed with the slot's second.
static uint64_t budget_take(_Atomic uint64_t *slot, uint32_t second, uint32_t wanted)
{
    uint64_t old = atomic_load(slot);
    uint32_t taken;
    do {
        if (!budget_is_fresh(old, second))
            return 0;
        taken = parts_of(old) < wanted ? parts_of(old) : wanted;
    } while (taken > 0 && !atomic_compare_exchange_weak(slot, &old, old - taken));
    return budget_pack(second_of(old), taken);
}

// Returns parts to a slot. If the slot has moved to another second, they are lost.
static void give_back(_Atomic uint64_t *slot, uint64_t taken)
{
    uint64_t old = atomic_load(slot);
    while (parts_of(taken) > 0 && second_of(old) == second_of(taken)) {
        uint64_t sum = budget_pack(second_of(old), (uint64_t) parts_of(old) + parts_of(taken));
        if (atomic_compare_exchange_weak(slot, &old, sum))
            return;
    }
}

// Collects one retry from several seconds, oldest first. Parts taken by a process that dies are lost; parts of an
// incomplete retry are returned. No part is ever spent twice.
static bool withdraw_earned(struct rb_budget *budget, uint32_t second)
{
    uint64_t taken[RB_BUDGET_SECONDS];
    uint32_t oldest = second % RB_BUDGET_SECONDS + 1;
    uint32_t missing = RETRY_PARTS;
    if (earned_total(budget, second) < RETRY_PARTS)
        return false;
    for (uint32_t i = 0; i < RB_BUDGET_SECONDS; i++) {
        taken[i] = budget_take(&budget->earned[(oldest + i) % RB_BUDGET_SECONDS], second, missing);
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
