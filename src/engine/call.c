// SPDX-License-Identifier: MIT
// The decision after each attempt of a call.
#include "engine/call.h"

#include <stddef.h>

#include "base/arithmetic.h"
#include "base/hash.h"
#include "engine/backoff.h"
#include "engine/breaker_quorum.h"

// The number of attempts for a result with `once` set: one retry.
enum { ONCE_ATTEMPTS = 2 };

enum { HTTP_THROTTLED = 429 };

void rb_call_begin(struct rb_call *call, const struct rb_rules *rules, struct rb_breaker *breaker,
                   struct rb_budget *budget, uint64_t total_ms, uint64_t now_ms)
{
    *call = (struct rb_call){
        .rules = rules,
        .breaker = breaker,
        .budget = budget,
        .begun_ms = now_ms,
        .deadline_ms = total_ms > 0 ? rb_arithmetic_add(now_ms, total_ms) : UINT64_MAX,
    };
    if (budget)
        rb_budget_deposit(budget, &rules->budget, now_ms);
}

static void call_look(const struct rb_call *call)
{
    if (call->keeper)
        call->keeper->check();
}

static enum rb_ask ask_of(const struct rb_call *call, uint64_t now_ms)
{
    if (rb_call_attempts(call) > 0)
        return RB_ASK_RETRY;
    bool known = call->recent != NULL;
    bool proven = known && rb_recent_is_success(call->recent, call->key, RB_BREAKER_PROVEN_MS, now_ms);
    return proven ? RB_ASK_PROVEN : RB_ASK_OWN;
}

bool rb_call_admit(struct rb_call *call, uint64_t now_ms, uint64_t *retry_in_ms)
{
    if (now_ms != call->begun_ms)
        call_look(call);
    if (retry_in_ms)
        *retry_in_ms = 0;
    if (call->breaker && !rb_breaker_acquire(call->breaker, &call->rules->breaker, ask_of(call, now_ms), now_ms,
                                             &call->permit, retry_in_ms))
        return false;
    if (call->permit.kind == RB_PERMIT_PROBE && call->keeper)
        rb_breaker_note_holder(call->breaker, &call->permit, call->keeper->owner());
    call->attempt++;
    call->attempt_started_ms = now_ms;
    return true;
}

// Returns what the outcome says about the host. A timeout counts against the host only if the attempt lasted as long as
// the policy's limit per attempt, or, without that limit, as long as a slow call. The program itself set a shorter
// timeout, which says nothing about the host.
static enum rb_health health_of(const struct rb_rules *rules, const struct rb_outcome *outcome, uint64_t took_ms)
{
    if (outcome->cause != RB_CAUSE_TIMEOUT || outcome->health != RB_HEALTH_FAILURE)
        return outcome->health;
    uint64_t least_ms = rules->attempt_ms;
    if (least_ms == 0)
        least_ms = rules->breaker.slow_call_ms > 0 ? rules->breaker.slow_call_ms : RB_BREAKER_TIMEOUT_MS;
    return took_ms < least_ms ? RB_HEALTH_IGNORED : RB_HEALTH_FAILURE;
}

static void record_result(struct rb_call *call, enum rb_health health, uint64_t took_ms, uint64_t now_ms, uint32_t draw)
{
    const struct rb_breaker_rules *rules = &call->rules->breaker;
    uint32_t second_draw = draw * UINT32_C(2654435769); // the open time must not correlate with the delay
    call->ended_ms = now_ms;
    if (call->start && health == RB_HEALTH_SUCCESS)
        atomic_store_explicit(&call->start->succeeded, true, memory_order_relaxed);
    if (call->recent && health != RB_HEALTH_IGNORED)
        rb_recent_note(call->recent, call->key, health == RB_HEALTH_SUCCESS, now_ms);
    if (!call->breaker)
        return;
    if (rules->quorum > 1 && call->keeper && call->permit.kind != RB_PERMIT_NONE &&
        (health == RB_HEALTH_FAILURE || rb_rules_is_slow(rules, took_ms))) {
        // The quorum keeps 22 bits of this number. The hash makes them depend on the start time too, because
        // processes in different containers may have the same pid.
        uint64_t who = rb_hash_word(call->keeper->owner()) >> 32;
        rb_breaker_quorum_blame(call->breaker, rules, &call->permit, who, now_ms);
    }
    rb_breaker_record(call->breaker, rules, &call->permit, health, took_ms, now_ms, second_draw);
}

// Returns why the result itself forbids a retry, or RB_REASON_NONE.
static enum rb_reason judge_outcome(const struct rb_call *call, const struct rb_outcome *outcome,
                                    enum rb_reason blocked, bool method_allowed, const struct rb_hint *hint)
{
    const struct rb_rules *rules = call->rules;
    enum rb_cause cause = outcome->cause;
    enum rb_hint_verdict verdict = cause == RB_CAUSE_STATUS && hint ? hint->verdict : RB_HINT_NO_VERDICT;
    bool done = cause == RB_CAUSE_NONE && !outcome->permanent;
    bool retried = (unsigned) cause < RB_CAUSE_OTHER && (rules->causes >> cause & 1);
    if (cause == RB_CAUSE_STATUS) {
        retried = rb_rules_status(rules, outcome->status) || (verdict == RB_HINT_THROTTLED && rules->throttled) ||
                  (verdict == RB_HINT_RETRY && rules->causes != 0);
        done = !retried && !outcome->tunnel;
    }
    uint32_t attempts = rules->attempts;
    if (outcome->once && attempts > ONCE_ATTEMPTS)
        attempts = ONCE_ATTEMPTS;
    if (done)
        return RB_REASON_DONE;
    if (blocked != RB_REASON_NONE)
        return blocked;
    if (outcome->permanent)
        return RB_REASON_PERMANENT;
    if (verdict == RB_HINT_QUOTA)
        return RB_REASON_QUOTA;
    if (verdict == RB_HINT_STOP)
        return RB_REASON_HINT;
    if (!retried)
        return RB_REASON_CAUSE;
    // The server did not process the request, or accepts it again.
    bool rejected = cause == RB_CAUSE_STATUS && (rb_rules_rejects(rules, outcome->status) || verdict == RB_HINT_RETRY ||
                                                 (verdict == RB_HINT_THROTTLED && rules->rejected_throttled));
    if (outcome->sent != RB_SENT_NEVER && !method_allowed && !rejected)
        return RB_REASON_METHOD;
    return rb_call_attempts(call) >= attempts ? RB_REASON_ATTEMPTS : RB_REASON_NONE;
}

static bool fits(const struct rb_call *call, uint64_t now_ms, uint64_t delay_ms)
{
    return call->deadline_ms == UINT64_MAX || rb_arithmetic_add(now_ms, delay_ms) < call->deadline_ms;
}

// Returns whether the delay follows this hint.
static bool is_followed(const struct rb_rules *rules, const struct rb_hint *hint)
{
    return hint && hint->wait_ms > 0 && (hint->wait_ms <= rules->after_max_ms || rules->after_over == RB_AFTER_CAP);
}

// Shares a wait with other calls, whatever happens to this one. After throttling it applies to calls with the same
// credential, else to all calls to the host.
static void share_hint(const struct rb_call *call, const struct rb_outcome *outcome, const struct rb_hint *hint,
                       uint64_t now_ms)
{
    if (outcome->cause != RB_CAUSE_STATUS || !is_followed(call->rules, hint))
        return;
    bool throttled = hint->verdict == RB_HINT_THROTTLED;
    if (!rb_rules_status(call->rules, outcome->status) && !(throttled && call->rules->throttled))
        return;
    struct rb_not_before *not_before = call->not_before;
    if (outcome->status == HTTP_THROTTLED || throttled)
        not_before = call->tenants ? rb_tenants_claim(call->tenants, call->credential, now_ms) : NULL;
    if (not_before)
        rb_not_before_set(not_before, rb_arithmetic_min(hint->wait_ms, call->rules->after_max_ms), now_ms);
}

// Returns the time left until `not_before`; 0 if there is none, or if it exceeds retry.after_max.
static uint64_t call_time_left(const struct rb_call *call, const struct rb_not_before *not_before, uint64_t now_ms)
{
    uint64_t left_ms = not_before ? rb_not_before_left_ms(not_before, now_ms, NULL) : 0;
    return left_ms <= call->rules->after_max_ms ? left_ms : 0;
}

// Returns the delay extended to this call's slot after a shared Retry-After, if the slot is later and fits into the
// total time. The longer of the host's time and the credential's time applies.
static uint64_t delay_in_slot(const struct rb_call *call, uint64_t delay_ms, uint64_t now_ms)
{
    struct rb_not_before *wish = call->not_before;
    struct rb_not_before *own = call->tenants ? rb_tenants_find(call->tenants, call->credential, now_ms) : NULL;
    if (call_time_left(call, own, now_ms) > call_time_left(call, wish, now_ms))
        wish = own;
    if (!wish || call->rules->after == RB_HINT_IGNORE ||
        call_time_left(call, wish, now_ms) < (delay_ms > 0 ? delay_ms : 1))
        return delay_ms;
    uint64_t slot_ms = rb_not_before_take(wish, call->rules->after_max_ms, now_ms);
    return slot_ms > delay_ms && fits(call, now_ms, slot_ms) ? slot_ms : delay_ms;
}

uint64_t rb_call_hold(struct rb_call *call, uint64_t now_ms)
{
    return delay_in_slot(call, 0, now_ms);
}

// Chooses the delay before the next attempt. A hint is used exactly, apart from queue slots: jitter would retry too
// early or wait longer than the server asked.
static enum rb_reason choose_delay(const struct rb_call *call, const struct rb_hint *hint, uint64_t now_ms,
                                   uint32_t draw, uint64_t *delay_ms)
{
    const struct rb_rules *rules = call->rules;
    if (hint && hint->wait_ms > rules->after_max_ms && rules->after_over == RB_AFTER_FAIL)
        return RB_REASON_AFTER;
    if (is_followed(rules, hint))
        *delay_ms = rb_arithmetic_min(hint->wait_ms, rules->after_max_ms);
    else
        *delay_ms = rb_backoff_delay_ms(&rules->backoff, rb_call_attempts(call), call->delay_ms, draw);
    *delay_ms = delay_in_slot(call, *delay_ms, now_ms);
    return RB_REASON_NONE;
}

// Records a refused or accepted connection for the sweep detection. Returns true if the process is in a sweep and this
// target is new.
static bool is_swept(const struct rb_call *call, const struct rb_outcome *outcome, uint64_t now_ms)
{
    bool refused = outcome->cause == RB_CAUSE_REFUSED && outcome->health == RB_HEALTH_FAILURE, on;
    if (!call->sweep || (!refused && outcome->health != RB_HEALTH_SUCCESS))
        return false;
    if (!refused) {
        rb_sweep_accepted(call->sweep);
        return false;
    }
    on = rb_sweep_is_on(call->sweep, call->key, now_ms);
    rb_sweep_refused(call->sweep, call->key, now_ms);
    return on;
}

// A half-open breaker does not stop the retry here: rb_call_admit checks later whether a probe is free.
static enum rb_reason judge_limits(const struct rb_call *call, uint64_t now_ms, uint64_t delay_ms)
{
    uint64_t open_until_ms = 0;
    if (!fits(call, now_ms, delay_ms))
        return RB_REASON_TIME;
    if (call->budget && !rb_budget_withdraw(call->budget, &call->rules->budget, now_ms))
        return RB_REASON_BUDGET;
    if (call->breaker)
        rb_breaker_peek(call->breaker, &open_until_ms); // 0 if it is not open
    return open_until_ms > rb_arithmetic_add(now_ms, delay_ms) ? RB_REASON_BREAKER : RB_REASON_NONE;
}

// Returns the hint that a decision follows.
static enum rb_hint_source hint_of(const struct rb_rules *rules, enum rb_reason reason, const struct rb_hint *hint)
{
    bool stops = reason == RB_REASON_AFTER || reason == RB_REASON_QUOTA || reason == RB_REASON_HINT;
    bool retries = reason == RB_REASON_NONE && hint && (is_followed(rules, hint) || hint->verdict == RB_HINT_RETRY);
    return hint && (stops || retries) ? hint->source : RB_HINT_NONE;
}

struct rb_decision rb_call_judge(struct rb_call *call, const struct rb_outcome *outcome, enum rb_reason blocked,
                                 bool method_allowed, const struct rb_hint *hint, uint64_t now_ms, uint32_t draw)
{
    uint64_t delay_ms = 0, took_ms = rb_arithmetic_sub(now_ms, call->attempt_started_ms);
    bool passed = call->permit.kind == RB_PERMIT_PASSED, swept = is_swept(call, outcome, now_ms);
    // A refusal arrives at once. A longer time means that the program checked late, so it never counts as costly.
    if (outcome->cause == RB_CAUSE_REFUSED)
        took_ms = rb_arithmetic_min(took_ms, RB_BREAKER_COSTLY_MS - 1);
    if (now_ms != call->begun_ms) // else it was checked when the call began
        call_look(call);
    record_result(call, health_of(call->rules, outcome, took_ms), took_ms, now_ms, draw);
    share_hint(call, outcome, hint, now_ms);
    enum rb_reason reason = judge_outcome(call, outcome, blocked, method_allowed, hint);
    if (reason == RB_REASON_NONE && swept)
        reason = RB_REASON_SWEEP;
    if (reason == RB_REASON_NONE && passed) // checked before the queue and the budget are used
        reason = RB_REASON_BREAKER;
    if (reason == RB_REASON_NONE)
        reason = choose_delay(call, hint, now_ms, draw, &delay_ms);
    if (reason == RB_REASON_NONE)
        reason = judge_limits(call, now_ms, delay_ms);
    if (reason != RB_REASON_NONE)
        return (struct rb_decision){.reason = reason, .hint = hint_of(call->rules, reason, hint)};
    call->delay_ms = delay_ms;
    return (struct rb_decision){.retry = true, .delay_ms = delay_ms, .hint = hint_of(call->rules, reason, hint)};
}

void rb_call_abandon(struct rb_call *call, uint64_t now_ms)
{
    call_look(call);
    if (call->permit.kind != RB_PERMIT_NONE)
        record_result(call, RB_HEALTH_IGNORED, 0, now_ms, 0);
}

void rb_call_connected(struct rb_call *call, uint64_t now_ms)
{
    call->ended_ms = now_ms;
    if (call->start)
        atomic_store_explicit(&call->start->succeeded, true, memory_order_relaxed);
    if (call->sweep)
        rb_sweep_accepted(call->sweep);
}

static bool is_probe(const struct rb_call *call)
{
    return call->permit.kind == RB_PERMIT_PROBE && rb_breaker_peek(call->breaker, NULL) == RB_BREAKER_HALF_OPEN;
}

void rb_call_settle(struct rb_call *call, uint64_t now_ms)
{
    uint64_t ended_ms = call->ended_ms, took_ms = rb_arithmetic_sub(ended_ms, call->attempt_started_ms);
    call_look(call);
    bool counts = rb_arithmetic_sub(now_ms, ended_ms) <= RB_CALL_FRESH_MS || is_probe(call);
    record_result(call, counts ? RB_HEALTH_SUCCESS : RB_HEALTH_IGNORED, took_ms, now_ms, 0);
    call->ended_ms = ended_ms;
}

bool rb_call_take_over(struct rb_call *call, struct rb_call *connect, uint64_t now_ms)
{
    bool same = connect->breaker == call->breaker; // else the policy has changed
    bool probes = same && is_probe(connect), passed = same && connect->permit.kind == RB_PERMIT_PASSED;
    if (!probes && rb_call_admit(call, now_ms, NULL)) {
        rb_call_abandon(connect, now_ms);
        return true;
    }
    if (!probes && !passed) {
        rb_call_abandon(connect, now_ms);
        return false;
    }
    call->permit = connect->permit;
    connect->permit.kind = RB_PERMIT_NONE;
    call->attempt++;
    call->attempt_started_ms = now_ms;
    return true;
}

bool rb_call_awaits_start(struct rb_call *call, const struct rb_outcome *outcome, uint64_t own_deadline_ms,
                          uint64_t now_ms)
{
    struct rb_absent_host *host = call->start;
    uint64_t next_ms = rb_arithmetic_add(now_ms, RB_ABSENT_EVERY_MS), none = 0;
    if (!host || !outcome->absent || atomic_load_explicit(&host->succeeded, memory_order_relaxed) ||
        next_ms > atomic_load_explicit(&host->until_ms, memory_order_relaxed) || next_ms >= own_deadline_ms)
        return false;
    rb_call_abandon(call, now_ms);
    call->tries++;
    atomic_compare_exchange_strong(&host->since_ms, &none, call->attempt_started_ms);
    if (call->deadline_ms != UINT64_MAX)
        call->deadline_ms = rb_arithmetic_min(rb_arithmetic_add(call->deadline_ms, next_ms - call->attempt_started_ms),
                                              own_deadline_ms);
    return true;
}

void rb_call_answered(struct rb_call *call, bool whole, uint64_t now_ms)
{
    bool waits = call->permit.kind == RB_PERMIT_PROBE || call->permit.kind == RB_PERMIT_PASSED;
    if (!waits && (!whole || call->permit.kind == RB_PERMIT_NONE))
        return;
    call_look(call);
    record_result(call, RB_HEALTH_SUCCESS, rb_arithmetic_sub(now_ms, call->attempt_started_ms), now_ms, 0);
}

bool rb_call_may_retry(const struct rb_call *call, uint64_t now_ms)
{
    return rb_call_attempts(call) < call->rules->attempts && now_ms < call->deadline_ms &&
           call->permit.kind != RB_PERMIT_PASSED;
}
