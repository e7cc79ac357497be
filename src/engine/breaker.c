// SPDX-License-Identifier: MIT
// The circuit breaker: one state word that every transition swaps, and leases for the probes.
//
// A process may die between any two instructions, and the others continue with the state that it left. Results are
// recorded first and judged afterwards; the next process also judges results whose recorder died. As in the window, a
// probe slot is read before the state is checked and swapped afterwards, so that a delayed caller cannot take a lease
// of a newer generation.
#include "engine/breaker.h"

#include <assert.h>
#include <stddef.h>

#include "base/arithmetic.h"
#include "engine/backoff.h"
#include "engine/breaker_quorum.h"
#include "engine/breaker_window.h"
#include "engine/breaker_word.h"

enum { RATE_ONE = 10000, JITTER_DIVISOR = 10, ANSWER_REFRESH_MS = 1000 };

// A valid lease of another process may end this much later than a lease taken now: the clock readings of two processes
// that act at the same moment are at most this far apart, unless one was stopped between reading and acting. It is
// shorter than RB_READINGS_APART_MS, because a lease that is taken over too early costs one probe more.
enum { LEASE_TOLERANCE_MS = 1000 };

static const uint64_t time_max_ms = (UINT64_C(1) << 40) - 1;

static_assert(sizeof(struct rb_breaker) == 8 * (5 + 64 + 2 * 16 + 16), "one layout for all processes");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs lock-free 64-bit atomics");

// Returns the next state word with this name, in a new generation. Closing resets `reopened` and `costly`; the other
// states keep them from `from`.
static struct rb_breaker_word next_word(uint64_t from, enum rb_breaker_state name)
{
    struct rb_breaker_word next = rb_breaker_word_unpack(from);
    next.name = name;
    next.generation = (next.generation + 1) & RB_GENERATION_MASK;
    next.until_ms = 0;
    if (name == RB_BREAKER_CLOSED) {
        next.reopened = 0;
        next.costly = false;
    }
    return next;
}

static bool transit(struct rb_breaker *breaker, uint64_t from, struct rb_breaker_word next)
{
    return atomic_compare_exchange_strong(&breaker->state, &from, rb_breaker_word_pack(next));
}

static uint64_t deadline(uint64_t now_ms, uint64_t span_ms)
{
    return rb_arithmetic_min(rb_arithmetic_add(now_ms, span_ms), time_max_ms);
}

static uint64_t longest_open_ms(const struct rb_breaker_rules *rules)
{
    return rules->open_ms > rules->open_max_ms ? rules->open_ms : rules->open_max_ms;
}

static uint64_t open_time_ms(const struct rb_breaker_rules *rules, uint32_t reopened, uint32_t draw)
{
    uint64_t longest = longest_open_ms(rules);
    struct rb_backoff growth = {.kind = RB_BACKOFF_EXPONENTIAL,
                                .multiplier_milli = rules->open_multiplier_milli,
                                .base_ms = rules->open_ms,
                                .cap_ms = longest};
    uint64_t open = rb_backoff_ceiling_ms(&growth, reopened + 1);
    uint64_t jitter = rb_arithmetic_share(open, draw, 0) / JITTER_DIVISOR;
    return jitter <= longest - open ? open + jitter : open - jitter;
}

// Opens a breaker that is in the state `from`.
//   reopened: failed half-open periods in a row
//   since_ms: when the open time begins
static void open_breaker(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from,
                         uint32_t reopened, bool costly, uint64_t since_ms, uint32_t draw)
{
    struct rb_breaker_word next = next_word(from, RB_BREAKER_OPEN);
    next.reopened = reopened;
    next.costly = costly;
    next.until_ms = deadline(since_ms, open_time_ms(rules, reopened, draw));
    transit(breaker, from, next);
}

// ---- rates ----

static bool reaches(uint64_t part, uint64_t whole, uint32_t rate)
{
    return part > 0 && part * RATE_ONE >= whole * rate;
}

static bool exceeds_rate(const struct rb_breaker_rules *rules, struct rb_window_counts counts)
{
    return reaches(counts.failed, counts.calls, rules->failure_rate) ||
           (rules->slow_call_ms > 0 && reaches(counts.slow, counts.calls, rules->slow_rate));
}

// Opening is costly if failures caused it and each of them took long: then a refusal saves the program time. If slow
// successes caused it, a refusal saves nothing.
static bool is_costly(const struct rb_breaker_rules *rules, struct rb_window_counts counts)
{
    return !counts.instant && reaches(counts.failed, counts.calls, rules->failure_rate);
}

// ---- closed: record, and check the rates after a failed or slow attempt ----

// One result, and whether it is slow by the rules.
struct result {
    enum rb_health health;
    uint64_t took_ms, now_ms;
    uint32_t draw;
    bool slow;
};

static bool is_instant(const struct result *result)
{
    return result->took_ms < RB_BREAKER_COSTLY_MS;
}

// Makes an open breaker half-open. The word keeps the end of the open time.
static void half_open(struct rb_breaker *breaker, uint64_t from)
{
    struct rb_breaker_word next = next_word(from, RB_BREAKER_HALF_OPEN);
    next.until_ms = rb_breaker_word_unpack(from).until_ms;
    transit(breaker, from, next);
}

// Closes a half-open breaker with an empty window. Returns false if another process changed the state.
static bool close_half_open(struct rb_breaker *breaker, uint64_t from)
{
    return rb_window_clear(breaker, from) && transit(breaker, from, next_word(from, RB_BREAKER_CLOSED));
}

// Closes the breaker because an attempt succeeded. An open breaker becomes half-open first, because only in that state
// no process writes into the window.
static void close_on_success(struct rb_breaker *breaker)
{
    uint64_t from = atomic_load(&breaker->state);
    if (rb_breaker_word_unpack(from).name == RB_BREAKER_OPEN) {
        half_open(breaker, from);
        from = atomic_load(&breaker->state);
    }
    if (rb_breaker_word_unpack(from).name == RB_BREAKER_HALF_OPEN)
        close_half_open(breaker, from);
}

// Clears `costly` in the state `from`, so that own attempts pass again. This is not a transition.
static void forget_cost(struct rb_breaker *breaker, uint64_t from)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(from);
    if (!state.costly)
        return;
    state.costly = false;
    transit(breaker, from, state);
}

// Handles a result of an earlier generation or an expired lease. Unless rules->refuse is ALWAYS, a success still closes
// the breaker: the host answered just now.
static enum rb_recorded record_late(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                    enum rb_health health, enum rb_recorded late)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(atomic_load(&breaker->state));
    if (rules->refuse == RB_REFUSE_ALWAYS || health != RB_HEALTH_SUCCESS || state.name == RB_BREAKER_CLOSED)
        return late;
    close_on_success(breaker);
    return RB_RECORDED;
}

// Opens the closed breaker if its window is over a rate and enough processes saw a failure.
//
// If the host answered any process within the longest open time, it may fail only most attempts. Then the first open
// time is not costly and refuses nobody, and a failed probe decides.
static void open_over_rate(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from,
                           const struct result *result)
{
    uint32_t generation = rb_breaker_word_unpack(from).generation;
    struct rb_window_counts counts = rb_window_count(breaker, rules, result->now_ms, generation);
    uint64_t least = rules->min_calls;
    if (!rules->time_window) // a window of calls never holds more outcomes than its size
        least = rb_arithmetic_min(least, rb_rules_within(rules->window, RB_BREAKER_MAX_CALLS));
    if (counts.calls < least || !exceeds_rate(rules, counts) ||
        !rb_quorum_reached(breaker, rules, generation, result->now_ms))
        return;
    uint64_t answered_ms = atomic_load_explicit(&breaker->answered, memory_order_relaxed);
    uint64_t ago_ms = rb_arithmetic_sub(result->now_ms, answered_ms); // 0 for a time of another clock, in the future
    bool answered_lately = answered_ms > 0 && ago_ms <= longest_open_ms(rules);
    open_breaker(breaker, rules, from, 0, is_costly(rules, counts) && !answered_lately, result->now_ms, result->draw);
}

static enum rb_recorded record_closed(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                      uint32_t generation, const struct result *result)
{
    uint64_t from = atomic_load(&breaker->state);
    struct rb_breaker_word state = rb_breaker_word_unpack(from);
    bool failed = result->health == RB_HEALTH_FAILURE;
    if (state.name != RB_BREAKER_CLOSED || state.generation != generation)
        return record_late(breaker, rules, result->health, RB_RECORD_STALE);
    if (result->health == RB_HEALTH_IGNORED || result->health == RB_HEALTH_THROTTLED)
        return RB_RECORD_IGNORED;
    struct rb_window_outcome outcome = {failed, result->slow, failed && is_instant(result)};
    if (!rb_window_record(breaker, rules, result->now_ms, generation, outcome))
        return record_late(breaker, rules, result->health, RB_RECORD_STALE);
    if (failed || result->slow)
        open_over_rate(breaker, rules, from, result);
    return RB_RECORDED;
}

// ---- half-open: probe slots of generation 16 bits, kind 3, instant 1, unused 4, lease deadline 40 ----

enum probe_kind { PROBE_FREE, PROBE_HELD, PROBE_OK, PROBE_FAILED, PROBE_SLOW, PROBE_FAILED_SLOW };

// One slot, unpacked. A lease that is taken over ends later than the previous one, so no two leases of a generation
// have the same word.
struct probe {
    uint32_t generation;
    enum probe_kind kind;
    bool instant; // it failed in less than RB_BREAKER_COSTLY_MS
    uint64_t until_ms;
};

static uint64_t pack_probe(struct probe p)
{
    return (uint64_t) p.generation | (uint64_t) p.kind << 16 | (uint64_t) p.instant << 19 | p.until_ms << 24;
}

static struct probe unpack_probe(uint64_t word)
{
    return (struct probe){
        .generation = (uint32_t) word & RB_GENERATION_MASK,
        .kind = (enum probe_kind)(word >> 16 & 7),
        .instant = word >> 19 & 1,
        .until_ms = word >> 24,
    };
}

// Takes the slot if it is vacant and the state is still `from`. A lease that ends later than these rules and this clock
// allow comes from a process with another clock (a time namespace) and counts as ended.
static bool take_slot(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from, uint32_t slot,
                      uint64_t now_ms, struct rb_permit *permit)
{
    uint64_t word = atomic_load(&breaker->probe[slot]);
    struct probe probe = unpack_probe(word);
    uint32_t generation = rb_breaker_word_unpack(from).generation;
    uint64_t lease_ms = rules->probe_lease_ms > 0 ? rules->probe_lease_ms : 1; // a lease of 0 would end at once
    bool ended = now_ms >= probe.until_ms || probe.until_ms - now_ms > rb_arithmetic_add(lease_ms, LEASE_TOLERANCE_MS);
    bool vacant = probe.generation != generation || probe.kind == PROBE_FREE || (probe.kind == PROBE_HELD && ended);
    if (!vacant || atomic_load(&breaker->state) != from)
        return false;
    struct probe held = {.generation = generation, .kind = PROBE_HELD, .until_ms = deadline(now_ms, lease_ms)};
    uint64_t lease = pack_probe(held);
    if (!atomic_compare_exchange_strong(&breaker->probe[slot], &word, lease))
        return false;
    *permit = (struct rb_permit){RB_PERMIT_PROBE, generation, slot, lease};
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
        counts->instant = counts->instant || probe.instant;
    }
    return true;
}

// Ends the half-open state `from` if all probes have results. Returns true if they have, even if another process ended
// the state.
//   since_ms: when the open time begins if the breaker opens again
static bool end_half_open(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from,
                          uint64_t since_ms, uint32_t draw)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(from);
    uint32_t reopened = state.reopened < RB_REOPENED_MAX ? state.reopened + 1 : RB_REOPENED_MAX;
    struct rb_window_counts counts;
    if (!probe_results(breaker, rb_rules_within(rules->probes, RB_BREAKER_MAX_PROBES), state.generation, &counts))
        return false;
    if (exceeds_rate(rules, counts))
        open_breaker(breaker, rules, from, reopened, is_costly(rules, counts), since_ms, draw);
    else
        close_half_open(breaker, from);
    return true;
}

// Returns the slot with the probe's result. An ignored result frees the slot.
static struct probe probe_ended(struct probe probe, const struct result *result)
{
    bool failed = result->health == RB_HEALTH_FAILURE, throttled = result->health == RB_HEALTH_THROTTLED;
    if (result->health == RB_HEALTH_IGNORED)
        probe.kind = PROBE_FREE;
    else if (failed || throttled)
        probe.kind = result->slow ? PROBE_FAILED_SLOW : PROBE_FAILED;
    else
        probe.kind = result->slow ? PROBE_SLOW : PROBE_OK;
    probe.instant = throttled || (failed && is_instant(result));
    return probe;
}

static enum rb_recorded record_probe(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                     const struct rb_permit *permit, const struct result *result)
{
    uint64_t from = atomic_load(&breaker->state);
    struct rb_breaker_word state = rb_breaker_word_unpack(from);
    uint64_t lease = permit->lease, since_ms = result->now_ms;
    if (state.name != RB_BREAKER_HALF_OPEN || state.generation != permit->generation)
        return record_late(breaker, rules, result->health, RB_RECORD_STALE);
    uint64_t ended = pack_probe(probe_ended(unpack_probe(lease), result));
    if (!atomic_compare_exchange_strong(&breaker->probe[permit->slot % RB_BREAKER_MAX_PROBES], &lease, ended))
        return record_late(breaker, rules, result->health, RB_RECORD_EXPIRED);
    if (result->health == RB_HEALTH_IGNORED) {
        forget_cost(breaker, from);
        return RB_RECORD_IGNORED;
    }
    if (rules->refuse != RB_REFUSE_ALWAYS)
        since_ms = rb_arithmetic_sub(since_ms, result->took_ms);
    if (rules->refuse != RB_REFUSE_ALWAYS && result->health == RB_HEALTH_SUCCESS)
        close_on_success(breaker);
    else
        end_half_open(breaker, rules, from, since_ms, result->draw);
    return RB_RECORDED;
}

// ---- the interface ----

static bool take_any_slot(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t from,
                          uint64_t now_ms, struct rb_permit *permit)
{
    uint32_t probes = rb_rules_within(rules->probes, RB_BREAKER_MAX_PROBES);
    for (uint32_t slot = 0; slot < probes; slot++)
        if (take_slot(breaker, rules, from, slot, now_ms, permit))
            return true;
    return false;
}

// Returns the time until the first lease ends; 1 ms if a slot has just become free.
static uint64_t lease_left(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms)
{
    uint32_t probes = rb_rules_within(rules->probes, RB_BREAKER_MAX_PROBES);
    uint64_t least = UINT64_MAX;
    for (uint32_t slot = 0; slot < probes; slot++) {
        struct probe probe = unpack_probe(atomic_load(&breaker->probe[slot]));
        if (probe.kind == PROBE_HELD)
            least = rb_arithmetic_min(least, rb_arithmetic_sub(probe.until_ms, now_ms));
    }
    return least == UINT64_MAX || least == 0 ? 1 : least;
}

// Returns how long the breaker stays open from now. An end further ahead than the rules allow was written with another
// clock or other rules, and counts as the longest open time.
static uint64_t open_left_ms(const struct rb_breaker_rules *rules, struct rb_breaker_word state, uint64_t now_ms)
{
    uint64_t left = state.name == RB_BREAKER_OPEN ? rb_arithmetic_sub(state.until_ms, now_ms) : 0;
    return rb_arithmetic_min(left, longest_open_ms(rules));
}

// Returns whether nothing recent is known about the host: the open time and each probe's lease ended longer ago than
// the longest open time. Then the calls of a burst pass beside the probe, because the host may have recovered long ago.
static bool is_cost_old(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                        struct rb_breaker_word state, uint64_t now_ms)
{
    uint64_t known_ms = state.until_ms;
    uint32_t probes = state.name == RB_BREAKER_HALF_OPEN ? rb_rules_within(rules->probes, RB_BREAKER_MAX_PROBES) : 0;
    for (uint32_t slot = 0; slot < probes; slot++) {
        struct probe probe = unpack_probe(atomic_load(&breaker->probe[slot]));
        if (probe.generation == state.generation && probe.kind != PROBE_FREE && probe.until_ms > known_ms)
            known_ms = probe.until_ms;
    }
    return rb_arithmetic_sub(now_ms, known_ms) > longest_open_ms(rules);
}

// Returns whether a breaker that is not closed and has no free probe still admits the attempt.
static bool lets_pass(const struct rb_breaker_rules *rules, enum rb_ask ask, struct rb_breaker_word state)
{
    if (ask == RB_ASK_RETRY || rules->refuse == RB_REFUSE_ALWAYS)
        return false;
    return rules->refuse == RB_REFUSE_NEVER || !state.costly || ask == RB_ASK_PROVEN;
}

static bool acquire_forced(enum rb_breaker_force force, struct rb_permit *permit, uint64_t *retry_in_ms)
{
    *permit = (struct rb_permit){0};
    if (retry_in_ms)
        *retry_in_ms = force == RB_FORCE_OPEN ? RB_BREAKER_FOREVER : 0;
    return force == RB_FORCE_CLOSED;
}

// The loop repeats only after a transition, by this or another process. An unchanged state ends it.
bool rb_breaker_acquire(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_ask ask,
                        uint64_t now_ms, struct rb_permit *permit, uint64_t *retry_in_ms)
{
    uint64_t wait_ms = 0;
    struct rb_breaker_word state;
    enum rb_breaker_force force = rb_breaker_forced(breaker);
    if (force != RB_FORCE_NONE)
        return acquire_forced(force, permit, retry_in_ms);
    *permit = (struct rb_permit){0};
    for (;;) {
        uint64_t from = atomic_load_explicit(&breaker->state, memory_order_acquire);
        state = rb_breaker_word_unpack(from);
        if (state.name == RB_BREAKER_CLOSED) {
            permit->kind = RB_PERMIT_CLOSED;
            permit->generation = state.generation;
            break;
        }
        wait_ms = open_left_ms(rules, state, now_ms);
        if (wait_ms > 0 && state.until_ms - now_ms > wait_ms) {
            state.until_ms = deadline(now_ms, wait_ms); // else the open time would never pass
            transit(breaker, from, state);              // in the same generation: not a transition
        }
        if (wait_ms > 0)
            break;
        if (state.costly && is_cost_old(breaker, rules, state, now_ms)) {
            forget_cost(breaker, from);
            continue;
        }
        if (state.name == RB_BREAKER_OPEN) {
            half_open(breaker, from);
            continue;
        }
        if (take_any_slot(breaker, rules, from, now_ms, permit))
            break;
        wait_ms = lease_left(breaker, rules, now_ms);
        if (!end_half_open(breaker, rules, from, now_ms, 0) && atomic_load(&breaker->state) == from)
            break;
    }
    if (permit->kind == RB_PERMIT_NONE && lets_pass(rules, ask, state))
        *permit = (struct rb_permit){.kind = RB_PERMIT_PASSED, .generation = state.generation};
    if (retry_in_ms)
        *retry_in_ms = permit->kind == RB_PERMIT_NONE ? wait_ms : 0;
    return permit->kind != RB_PERMIT_NONE;
}

bool rb_breaker_would_refuse(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_ask ask,
                             uint64_t now_ms, uint64_t *retry_in_ms)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(atomic_load(&breaker->state));
    struct rb_permit unused;
    enum rb_breaker_force force = rb_breaker_forced(breaker);
    if (force != RB_FORCE_NONE)
        return !acquire_forced(force, &unused, retry_in_ms);
    uint64_t left_ms = lets_pass(rules, ask, state) ? 0 : open_left_ms(rules, state, now_ms);
    if (retry_in_ms)
        *retry_in_ms = left_ms;
    return left_ms > 0;
}

bool rb_breaker_is_refusing(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(atomic_load(&breaker->state));
    return state.name != RB_BREAKER_CLOSED && !lets_pass(rules, RB_ASK_OWN, state);
}

enum rb_recorded rb_breaker_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                   struct rb_permit *permit, enum rb_health health, uint64_t took_ms, uint64_t now_ms,
                                   uint32_t draw)
{
    struct result result = {health, took_ms, now_ms, draw, rb_rules_is_slow(rules, took_ms)};
    struct rb_permit given = *permit;
    permit->kind = RB_PERMIT_NONE;
    if (health == RB_HEALTH_SUCCESS) {
        uint64_t answered_ms = atomic_load_explicit(&breaker->answered, memory_order_relaxed);
        if (answered_ms == 0 || answered_ms > now_ms || now_ms - answered_ms >= ANSWER_REFRESH_MS)
            atomic_store_explicit(&breaker->answered, now_ms > 0 ? now_ms : 1, memory_order_relaxed);
    }
    switch (given.kind) {
    case RB_PERMIT_CLOSED:
        return record_closed(breaker, rules, given.generation, &result);
    case RB_PERMIT_PROBE:
        return record_probe(breaker, rules, &given, &result);
    case RB_PERMIT_PASSED:
        if (health != RB_HEALTH_SUCCESS)
            break;
        close_on_success(breaker);
        return RB_RECORDED;
    case RB_PERMIT_NONE:
        break;
    }
    return RB_RECORD_IGNORED;
}

enum rb_breaker_state rb_breaker_peek(const struct rb_breaker *breaker, uint64_t *until_ms)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(atomic_load(&breaker->state));
    enum rb_breaker_force force = rb_breaker_forced(breaker);
    if (force != RB_FORCE_NONE)
        state = (struct rb_breaker_word){.name = force == RB_FORCE_OPEN ? RB_BREAKER_OPEN : RB_BREAKER_CLOSED,
                                         .until_ms = RB_BREAKER_FOREVER};
    if (until_ms)
        *until_ms = state.name == RB_BREAKER_OPEN ? state.until_ms : 0;
    return state.name;
}

// The new generation makes the window empty. It is cleared anyway: a place that was claimed and never written must not
// hold an old failure.
void rb_breaker_renew(struct rb_breaker *breaker)
{
    uint64_t from = atomic_load(&breaker->state);
    atomic_store(&breaker->forced, RB_FORCE_NONE);
    atomic_store(&breaker->answered, 0);
    while (!transit(breaker, from, next_word(from, RB_BREAKER_CLOSED)))
        from = atomic_load(&breaker->state);
    rb_window_clear(breaker, atomic_load(&breaker->state));
    rb_breaker_transitions(breaker); // a renewal is not counted as a transition
}

struct rb_breaker_transitions rb_breaker_transitions(struct rb_breaker *breaker)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(atomic_load_explicit(&breaker->state, memory_order_relaxed));
    uint64_t counted = atomic_load_explicit(&breaker->counted, memory_order_relaxed);
    uint32_t count = (state.generation - (uint32_t) counted) & RB_GENERATION_MASK;
    bool ahead = count > 0 && count <= RB_GENERATION_MASK / 2; // else another process counted a newer generation
    if (!ahead || !atomic_compare_exchange_strong(&breaker->counted, &counted, state.generation))
        count = 0;
    return (struct rb_breaker_transitions){count, state.name};
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

// ---- the process that holds a probe: pid 22 bits, generation 16, start time 26 ----

enum { OWNER_PID_BITS = 22, OWNER_START_SHIFT = OWNER_PID_BITS + 16 };

static const uint64_t owner_pid = (UINT64_C(1) << OWNER_PID_BITS) - 1;

void rb_breaker_note_holder(struct rb_breaker *breaker, const struct rb_permit *permit, uint64_t owner)
{
    uint64_t word = (owner & owner_pid) | (uint64_t) permit->generation << OWNER_PID_BITS |
                    owner >> OWNER_PID_BITS << OWNER_START_SHIFT;
    if (permit->kind == RB_PERMIT_PROBE)
        atomic_store_explicit(&breaker->holder[permit->slot % RB_BREAKER_MAX_PROBES], word, memory_order_relaxed);
}

bool rb_breaker_holder(const struct rb_breaker *breaker, uint32_t slot, uint64_t *until_ms, uint64_t *owner)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(atomic_load(&breaker->state));
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
