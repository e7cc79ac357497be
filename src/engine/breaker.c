// SPDX-License-Identifier: MIT
// The circuit breaker: one state word that every transition swaps, and leases for the probes.
//
// A process may die between any two instructions here, and the others go on with what it left. Results are recorded
// first and judged after; whoever comes next judges what a dead recorder left behind. As in the window, a probe slot is
// read before the state is checked and swapped after, so that a late caller cannot take a newer generation's lease.
#include "engine/breaker.h"

#include <assert.h>
#include <stddef.h>

#include "engine/arithmetic.h"
#include "engine/backoff.h"
#include "engine/breaker_quorum.h"
#include "engine/breaker_window.h"
#include "engine/breaker_word.h"

enum { RATE_ONE = 10000, JITTER_DIVISOR = 10 };

// Clock readings of two processes lie apart by as long as one of them was stopped between reading and acting.
enum { READINGS_APART_MS = 60000 };

static const uint64_t time_max_ms = (UINT64_C(1) << 40) - 1;

static_assert(sizeof(struct rb_breaker) == 8 * (4 + 64 + 2 * 16 + 16), "one layout for all processes");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs lock-free 64-bit atomics");

static bool transit(struct rb_breaker *breaker, uint64_t from, enum rb_breaker_state name, uint32_t reopened,
                    uint64_t until_ms)
{
    struct rb_breaker_word next = {name, (rb_breaker_unpack(from).generation + 1) & RB_GENERATION_MASK, reopened,
                                   until_ms};
    return atomic_compare_exchange_strong(&breaker->state, &from, rb_breaker_pack(next));
}

static uint64_t deadline(uint64_t now_ms, uint64_t span_ms)
{
    return rb_arithmetic_min(rb_arithmetic_add(now_ms, span_ms), time_max_ms);
}

static void open_breaker(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from,
                         uint32_t reopened, uint64_t now_ms, uint32_t draw)
{
    struct rb_backoff growth = {.kind = RB_BACKOFF_EXPONENTIAL,
                                .multiplier_milli = rules->open_multiplier_milli,
                                .base_ms = rules->open_ms,
                                .cap_ms = rules->open_max_ms};
    uint64_t open = rb_backoff_ceiling_ms(&growth, reopened + 1);
    uint64_t jitter = rb_arithmetic_share(open, draw, 0) / JITTER_DIVISOR;
    transit(breaker, from, RB_BREAKER_OPEN, reopened, deadline(now_ms, rb_arithmetic_add(open, jitter)));
}

// ---- rates ----

static bool reaches(uint64_t part, uint64_t whole, uint32_t rate)
{
    return part > 0 && part * RATE_ONE >= whole * rate;
}

static bool is_sick(const struct rb_breaker_rules *rules, struct rb_window_counts counts)
{
    return reaches(counts.failed, counts.calls, rules->failure_rate) ||
           (rules->slow_call_ms > 0 && reaches(counts.slow, counts.calls, rules->slow_rate));
}

static uint32_t clamp(uint32_t value, uint32_t max)
{
    if (value == 0)
        return 1;
    return value < max ? value : max;
}

// ---- closed: record, then look at the rates ----

// min_calls counts as the window where it is larger: a window of calls never holds more.
static bool window_is_sick(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                           uint32_t generation)
{
    uint64_t least = rules->min_calls;
    struct rb_window_counts counts = rb_window_count(breaker, rules, now_ms, generation);
    if (!rules->time_window)
        least = rb_arithmetic_min(least, clamp(rules->window, RB_BREAKER_MAX_CALLS));
    return counts.calls >= least && is_sick(rules, counts);
}

static enum rb_recorded record_closed(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                      uint32_t generation, enum rb_health health, bool slow, uint64_t now_ms,
                                      uint32_t draw)
{
    uint64_t from = atomic_load(&breaker->state);
    struct rb_breaker_word state = rb_breaker_unpack(from);
    if (state.name != RB_BREAKER_CLOSED || state.generation != generation)
        return RB_RECORD_STALE;
    if (health == RB_HEALTH_IGNORED || health == RB_HEALTH_THROTTLED)
        return RB_RECORD_IGNORED;
    if (!rb_window_record(breaker, rules, now_ms, generation, health == RB_HEALTH_FAILURE, slow))
        return RB_RECORD_STALE;
    if (window_is_sick(breaker, rules, now_ms, generation) && rb_quorum_reached(breaker, rules, generation, now_ms))
        open_breaker(breaker, rules, from, 0, now_ms, draw);
    return RB_RECORDED;
}

// ---- half-open: probe slots of generation 16 bits, kind 3, unused 5, lease deadline 40 ----

enum probe_kind { PROBE_FREE, PROBE_HELD, PROBE_OK, PROBE_FAILED, PROBE_SLOW, PROBE_FAILED_SLOW };

// A lease that is taken over ends later than the one before: no two leases of a generation are the same word.
struct probe {
    uint32_t generation;
    enum probe_kind kind;
    uint64_t until_ms;
};

static uint64_t pack_probe(struct probe p)
{
    return (uint64_t) p.generation | (uint64_t) p.kind << 16 | p.until_ms << 24;
}

static struct probe unpack_probe(uint64_t word)
{
    return (struct probe){
        .generation = (uint32_t) word & RB_GENERATION_MASK,
        .kind = (enum probe_kind)(word >> 16 & 7),
        .until_ms = word >> 24,
    };
}

static bool is_vacant(struct probe probe, uint32_t generation, uint64_t now_ms)
{
    return probe.generation != generation || probe.kind == PROBE_FREE ||
           (probe.kind == PROBE_HELD && now_ms >= probe.until_ms);
}

// Takes the slot if it is vacant in the state `from`. A lease is at least 1 ms, or it would be over at once.
static bool take_slot(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from, uint32_t slot,
                      uint64_t now_ms, struct rb_permit *permit)
{
    uint64_t word = atomic_load(&breaker->probe[slot]);
    struct probe probe = unpack_probe(word);
    uint32_t generation = rb_breaker_unpack(from).generation;
    uint64_t lease_ms = rules->probe_lease_ms > 0 ? rules->probe_lease_ms : 1;
    if (!is_vacant(probe, generation, now_ms) || atomic_load(&breaker->state) != from)
        return false;
    uint64_t lease = pack_probe((struct probe){generation, PROBE_HELD, deadline(now_ms, lease_ms)});
    if (!atomic_compare_exchange_strong(&breaker->probe[slot], &word, lease))
        return false;
    *permit =
        (struct rb_permit){.held = true, .half_open = true, .generation = generation, .slot = slot, .lease = lease};
    return true;
}

static bool probe_results(const struct rb_breaker *breaker, uint32_t probes, uint32_t generation,
                          struct rb_window_counts *counts)
{
    *counts = (struct rb_window_counts){.calls = probes};
    for (uint32_t i = 0; i < probes; i++) {
        struct probe probe = unpack_probe(atomic_load(&breaker->probe[i]));
        if (probe.generation != generation || probe.kind == PROBE_FREE || probe.kind == PROBE_HELD)
            return false;
        counts->failed += probe.kind == PROBE_FAILED || probe.kind == PROBE_FAILED_SLOW;
        counts->slow += probe.kind == PROBE_SLOW || probe.kind == PROBE_FAILED_SLOW;
    }
    return true;
}

// Ends the half-open state `from` when all probes have results. Returns true when they had, whoever ended it.
static bool settle(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from, uint64_t now_ms,
                   uint32_t draw)
{
    struct rb_breaker_word state = rb_breaker_unpack(from);
    uint32_t reopened = state.reopened < RB_REOPENED_MAX ? state.reopened + 1 : RB_REOPENED_MAX;
    struct rb_window_counts counts;
    if (!probe_results(breaker, clamp(rules->probes, RB_BREAKER_MAX_PROBES), state.generation, &counts))
        return false;
    if (is_sick(rules, counts))
        open_breaker(breaker, rules, from, reopened, now_ms, draw);
    else if (rb_window_clear(breaker, from))
        transit(breaker, from, RB_BREAKER_CLOSED, 0, 0);
    return true;
}

static enum probe_kind probe_result(enum rb_health health, bool slow)
{
    bool failed = health == RB_HEALTH_FAILURE || health == RB_HEALTH_THROTTLED;
    if (failed)
        return slow ? PROBE_FAILED_SLOW : PROBE_FAILED;
    return slow ? PROBE_SLOW : PROBE_OK;
}

static enum rb_recorded record_probe(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                     const struct rb_permit *permit, enum rb_health health, bool slow, uint64_t now_ms,
                                     uint32_t draw)
{
    uint64_t from = atomic_load(&breaker->state);
    struct rb_breaker_word state = rb_breaker_unpack(from);
    uint64_t lease = permit->lease;
    struct probe probe = unpack_probe(lease);
    if (state.name != RB_BREAKER_HALF_OPEN || state.generation != permit->generation)
        return RB_RECORD_STALE;
    probe.kind = health == RB_HEALTH_IGNORED ? PROBE_FREE : probe_result(health, slow);
    if (!atomic_compare_exchange_strong(&breaker->probe[permit->slot % RB_BREAKER_MAX_PROBES], &lease,
                                        pack_probe(probe)))
        return RB_RECORD_EXPIRED;
    if (health == RB_HEALTH_IGNORED)
        return RB_RECORD_IGNORED;
    settle(breaker, rules, from, now_ms, draw);
    return RB_RECORDED;
}

// ---- the interface ----

static bool take_any_slot(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from,
                          uint64_t now_ms, struct rb_permit *permit)
{
    uint32_t probes = clamp(rules->probes, RB_BREAKER_MAX_PROBES);
    for (uint32_t slot = 0; slot < probes; slot++) {
        if (take_slot(breaker, rules, from, slot, now_ms, permit))
            return true;
    }
    return false;
}

// The time until the first lease ends; 1 ms when a slot has just become free.
static uint64_t lease_left(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms)
{
    uint32_t probes = clamp(rules->probes, RB_BREAKER_MAX_PROBES);
    uint64_t least = UINT64_MAX;
    for (uint32_t slot = 0; slot < probes; slot++) {
        struct probe probe = unpack_probe(atomic_load(&breaker->probe[slot]));
        if (probe.kind == PROBE_HELD)
            least = rb_arithmetic_min(least, rb_arithmetic_sub(probe.until_ms, now_ms));
    }
    return least == UINT64_MAX || least == 0 ? 1 : least;
}

static bool acquire_half_open(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from,
                              uint64_t now_ms, struct rb_permit *permit, uint64_t *wait_ms)
{
    bool taken = take_any_slot(breaker, rules, from, now_ms, permit);
    *wait_ms = taken ? 0 : lease_left(breaker, rules, now_ms);
    return taken;
}

// Whether an end of the open time can come from these rules.
static bool is_credible(const struct rb_breaker_rules *rules, uint64_t left_ms)
{
    uint64_t longest = rb_arithmetic_add(rules->open_max_ms, rules->open_max_ms / JITTER_DIVISOR);
    return left_ms <= rb_arithmetic_add(longest, READINGS_APART_MS);
}

static bool acquire_forced(enum rb_breaker_force force, struct rb_permit *permit, uint64_t *retry_in_ms)
{
    *permit = (struct rb_permit){0};
    if (retry_in_ms != NULL)
        *retry_in_ms = force == RB_FORCE_OPEN ? RB_BREAKER_FOREVER : 0;
    return force == RB_FORCE_CLOSED;
}

// Each turn of the loop follows a transition that somebody made; a state of `from` that stays ends it.
bool rb_breaker_acquire(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                        struct rb_permit *permit, uint64_t *retry_in_ms)
{
    uint64_t wait_ms = 0;
    enum rb_breaker_force force = rb_breaker_forced(breaker);
    if (force != RB_FORCE_NONE)
        return acquire_forced(force, permit, retry_in_ms);
    *permit = (struct rb_permit){0};
    for (;;) {
        uint64_t from = atomic_load_explicit(&breaker->state, memory_order_acquire);
        struct rb_breaker_word state = rb_breaker_unpack(from);
        if (state.name == RB_BREAKER_CLOSED) {
            permit->held = true;
            permit->generation = state.generation;
            break;
        }
        if (state.name == RB_BREAKER_OPEN && now_ms < state.until_ms && is_credible(rules, state.until_ms - now_ms)) {
            wait_ms = state.until_ms - now_ms;
            break;
        }
        if (state.name == RB_BREAKER_OPEN) {
            transit(breaker, from, RB_BREAKER_HALF_OPEN, state.reopened, 0);
            continue;
        }
        if (acquire_half_open(breaker, rules, from, now_ms, permit, &wait_ms))
            break;
        if (!settle(breaker, rules, from, now_ms, 0) && atomic_load(&breaker->state) == from)
            break;
    }
    if (retry_in_ms != NULL)
        *retry_in_ms = wait_ms;
    return permit->held;
}

enum rb_recorded rb_breaker_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                   struct rb_permit *permit, enum rb_health health, uint64_t took_ms, uint64_t now_ms,
                                   uint32_t draw)
{
    bool slow = rules->slow_call_ms > 0 && took_ms > rules->slow_call_ms;
    if (!permit->held)
        return RB_RECORD_IGNORED;
    permit->held = false;
    if (permit->half_open)
        return record_probe(breaker, rules, permit, health, slow, now_ms, draw);
    return record_closed(breaker, rules, permit->generation, health, slow, now_ms, draw);
}

enum rb_breaker_state rb_breaker_peek(const struct rb_breaker *breaker, uint64_t *until_ms)
{
    struct rb_breaker_word state = rb_breaker_unpack(atomic_load(&breaker->state));
    enum rb_breaker_force force = rb_breaker_forced(breaker);
    if (force != RB_FORCE_NONE)
        state = (struct rb_breaker_word){.name = force == RB_FORCE_OPEN ? RB_BREAKER_OPEN : RB_BREAKER_CLOSED,
                                         .until_ms = RB_BREAKER_FOREVER};
    if (until_ms != NULL)
        *until_ms = state.name == RB_BREAKER_OPEN ? state.until_ms : 0;
    return state.name;
}

// The window is empty with its generation; it is cleared all the same, as a place that was claimed and never filled
// must hold no failure.
void rb_breaker_renew(struct rb_breaker *breaker)
{
    uint64_t from = atomic_load(&breaker->state);
    atomic_store(&breaker->forced, RB_FORCE_NONE);
    while (!transit(breaker, from, RB_BREAKER_CLOSED, 0, 0))
        from = atomic_load(&breaker->state);
    rb_window_clear(breaker, atomic_load(&breaker->state));
    rb_breaker_moves(breaker); // this one was no transition
}

struct rb_breaker_moves rb_breaker_moves(struct rb_breaker *breaker)
{
    struct rb_breaker_word state = rb_breaker_unpack(atomic_load_explicit(&breaker->state, memory_order_relaxed));
    uint64_t counted = atomic_load_explicit(&breaker->counted, memory_order_relaxed);
    uint32_t count = (state.generation - (uint32_t) counted) & RB_GENERATION_MASK;
    bool ahead = count > 0 && count <= RB_GENERATION_MASK / 2; // else somebody counted further than this reading
    if (!ahead || !atomic_compare_exchange_strong(&breaker->counted, &counted, state.generation))
        count = 0;
    return (struct rb_breaker_moves){count, state.name};
}

void rb_breaker_force(struct rb_breaker *breaker, enum rb_breaker_force force)
{
    if (force == RB_FORCE_NONE)
        rb_breaker_renew(breaker);
    else
        atomic_store(&breaker->forced, force);
}

enum rb_breaker_force rb_breaker_forced(const struct rb_breaker *breaker)
{
    uint64_t force = atomic_load_explicit(&breaker->forced, memory_order_relaxed);
    return force <= RB_FORCE_CLOSED ? (enum rb_breaker_force) force : RB_FORCE_NONE;
}

// ---- who holds a probe: pid 22 bits, generation 16, start time 26 ----

enum { OWNER_PID_BITS = 22, OWNER_START_SHIFT = OWNER_PID_BITS + 16 };

static const uint64_t owner_pid = (UINT64_C(1) << OWNER_PID_BITS) - 1;

void rb_breaker_sign(struct rb_breaker *breaker, const struct rb_permit *permit, uint64_t owner)
{
    uint64_t word = (owner & owner_pid) | (uint64_t) permit->generation << OWNER_PID_BITS |
                    owner >> OWNER_PID_BITS << OWNER_START_SHIFT;
    if (permit->held && permit->half_open)
        atomic_store_explicit(&breaker->holder[permit->slot % RB_BREAKER_MAX_PROBES], word, memory_order_relaxed);
}

bool rb_breaker_held(const struct rb_breaker *breaker, uint32_t slot, uint64_t *until_ms, uint64_t *owner)
{
    struct rb_breaker_word state = rb_breaker_unpack(atomic_load(&breaker->state));
    struct probe probe = unpack_probe(atomic_load(&breaker->probe[slot % RB_BREAKER_MAX_PROBES]));
    uint64_t word = atomic_load_explicit(&breaker->holder[slot % RB_BREAKER_MAX_PROBES], memory_order_relaxed);
    bool signed_for = (word >> OWNER_PID_BITS & RB_GENERATION_MASK) == state.generation;
    *until_ms = probe.until_ms;
    *owner = signed_for ? (word & owner_pid) | word >> OWNER_START_SHIFT << OWNER_PID_BITS : 0;
    return state.name == RB_BREAKER_HALF_OPEN && probe.generation == state.generation && probe.kind == PROBE_HELD;
}

const char *rb_breaker_state_name(enum rb_breaker_state state)
{
    switch (state) {
    case RB_BREAKER_OPEN:
        return "open";
    case RB_BREAKER_HALF_OPEN:
        return "half-open";
    case RB_BREAKER_CLOSED:
    case RB_BREAKER_STATES:
        break;
    }
    return "closed";
}
