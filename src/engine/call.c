// SPDX-License-Identifier: MIT
// The decision after each attempt of a call, and the names of the reasons.
#include "engine/call.h"

#include <stddef.h>

#include "engine/arithmetic.h"
#include "engine/backoff.h"

// Attempts for a result that is worth one retry at most.
enum { ONCE_ATTEMPTS = 2 };

void rb_call_begin(struct rb_call *call, const struct rb_rules *rules, struct rb_breaker *breaker,
                   struct rb_budget *budget, uint64_t total_ms, uint64_t now_ms)
{
    *call = (struct rb_call){
        .rules = rules,
        .breaker = breaker,
        .budget = budget,
        .deadline_ms = total_ms > 0 ? rb_arithmetic_add(now_ms, total_ms) : UINT64_MAX,
    };
    if (budget != NULL)
        rb_budget_deposit(budget, &rules->budget, now_ms);
}

bool rb_call_admit(struct rb_call *call, uint64_t now_ms, uint64_t *retry_in_ms)
{
    if (retry_in_ms != NULL)
        *retry_in_ms = 0;
    if (call->breaker != NULL &&
        !rb_breaker_acquire(call->breaker, &call->rules->breaker, now_ms, &call->permit, retry_in_ms))
        return false;
    call->attempt++;
    call->attempt_started_ms = now_ms;
    return true;
}

// The breaker's jitter must not follow the delay's: both come from one draw.
static uint32_t second_draw(uint32_t draw)
{
    return draw * UINT32_C(2654435769);
}

static void tell_breaker(struct rb_call *call, enum rb_health health, uint64_t now_ms, uint32_t draw)
{
    uint64_t took_ms = rb_arithmetic_sub(now_ms, call->attempt_started_ms);
    if (call->breaker != NULL)
        rb_breaker_record(call->breaker, &call->rules->breaker, &call->permit, health, took_ms, now_ms,
                          second_draw(draw));
}

static bool is_done(const struct rb_rules *rules, const struct rb_outcome *outcome)
{
    if (outcome->cause == RB_CAUSE_STATUS)
        return !rb_rules_status(rules, outcome->status);
    return outcome->cause == RB_CAUSE_NONE && !outcome->permanent;
}

static bool is_retried_cause(const struct rb_rules *rules, enum rb_cause cause)
{
    if (cause == RB_CAUSE_STATUS)
        return true; // is_done looked at the statuses
    return (unsigned) cause < RB_CAUSE_OTHER && (rules->causes >> cause & 1);
}

// Why the result as such is not repeated; RB_REASON_NONE: it may be, as far as it goes.
static enum rb_reason judge_outcome(const struct rb_call *call, const struct rb_outcome *outcome,
                                    enum rb_reason blocked, bool method_allowed)
{
    uint32_t attempts = call->rules->attempts;
    if (outcome->once && attempts > ONCE_ATTEMPTS)
        attempts = ONCE_ATTEMPTS;
    if (is_done(call->rules, outcome))
        return RB_REASON_DONE;
    if (blocked != RB_REASON_NONE)
        return blocked;
    if (outcome->permanent)
        return RB_REASON_PERMANENT;
    if (!is_retried_cause(call->rules, outcome->cause))
        return RB_REASON_CAUSE;
    if (outcome->sent != RB_SENT_NEVER && !method_allowed)
        return RB_REASON_METHOD;
    return call->attempt >= attempts ? RB_REASON_ATTEMPTS : RB_REASON_NONE;
}

// The wait before the next attempt. A Retry-After that is honoured is exact: jitter could only come too early or
// hold back what the server asked for.
static enum rb_reason choose_delay(const struct rb_call *call, const struct rb_retry_after *after, uint32_t draw,
                                   uint64_t *delay_ms)
{
    const struct rb_rules *rules = call->rules;
    bool heard = after != NULL && after->present && rules->after_honour;
    bool over = heard && after->ms > rules->after_max_ms;
    if (over && rules->after_over == RB_AFTER_FAIL)
        return RB_REASON_AFTER;
    if (!heard || (over && rules->after_over == RB_AFTER_IGNORE))
        *delay_ms = rb_backoff_delay_ms(&rules->backoff, call->attempt, call->delay_ms, draw);
    else
        *delay_ms = rb_arithmetic_min(after->ms, rules->after_max_ms);
    return RB_REASON_NONE;
}

static bool fits(const struct rb_call *call, uint64_t now_ms, uint64_t delay_ms)
{
    return call->deadline_ms == UINT64_MAX || rb_arithmetic_add(now_ms, delay_ms) < call->deadline_ms;
}

// Half-open is left to rb_call_admit: whether a probe is free shows only then.
static bool breaker_refuses(const struct rb_call *call, uint64_t at_ms)
{
    uint64_t until_ms;
    return call->breaker != NULL && rb_breaker_peek(call->breaker, &until_ms) == RB_BREAKER_OPEN && until_ms > at_ms;
}

static enum rb_reason judge_means(const struct rb_call *call, uint64_t now_ms, uint64_t delay_ms)
{
    if (!fits(call, now_ms, delay_ms))
        return RB_REASON_TIME;
    if (call->budget != NULL && !rb_budget_withdraw(call->budget, &call->rules->budget, now_ms))
        return RB_REASON_BUDGET;
    return breaker_refuses(call, rb_arithmetic_add(now_ms, delay_ms)) ? RB_REASON_BREAKER : RB_REASON_NONE;
}

struct rb_decision rb_call_judge(struct rb_call *call, const struct rb_outcome *outcome, enum rb_reason blocked,
                                 bool method_allowed, const struct rb_retry_after *after, uint64_t now_ms,
                                 uint32_t draw)
{
    uint64_t delay_ms = 0;
    tell_breaker(call, outcome->health, now_ms, draw);
    enum rb_reason reason = judge_outcome(call, outcome, blocked, method_allowed);
    if (reason == RB_REASON_NONE)
        reason = choose_delay(call, after, draw, &delay_ms);
    if (reason == RB_REASON_NONE)
        reason = judge_means(call, now_ms, delay_ms);
    if (reason != RB_REASON_NONE)
        return (struct rb_decision){.reason = reason};
    call->delay_ms = delay_ms;
    return (struct rb_decision){.retry = true, .delay_ms = delay_ms};
}

void rb_call_abandon(struct rb_call *call, uint64_t now_ms)
{
    if (call->permit.held)
        tell_breaker(call, RB_HEALTH_IGNORED, now_ms, 0);
}

bool rb_call_may_retry(const struct rb_call *call, uint64_t now_ms)
{
    return call->attempt < call->rules->attempts && now_ms < call->deadline_ms;
}

const char *rb_reason_name(enum rb_reason reason)
{
    static const char *const names[RB_REASON_COUNT] = {
        [RB_REASON_NONE] = "none",
        [RB_REASON_DONE] = "done",
        [RB_REASON_ATTEMPTS] = "attempts",
        [RB_REASON_CAUSE] = "cause",
        [RB_REASON_PERMANENT] = "permanent",
        [RB_REASON_METHOD] = "method",
        [RB_REASON_TIME] = "time",
        [RB_REASON_AFTER] = "retry-after",
        [RB_REASON_BUDGET] = "budget",
        [RB_REASON_BREAKER] = "breaker",
        [RB_REASON_UPLOAD] = "upload",
        [RB_REASON_DELIVERED] = "delivered",
        [RB_REASON_CANDIDATE] = "next-candidate",
        [RB_REASON_INTERRUPTED] = "interrupted",
        [RB_REASON_CHANGED] = "changed",
        [RB_REASON_OVERFLOW] = "overflow",
        [RB_REASON_RESOURCE] = "resource",
        [RB_REASON_UNKNOWN] = "unknown-options",
    };
    return (unsigned) reason < RB_REASON_COUNT ? names[reason] : "unknown";
}

static bool same_bytes(const char *a, const char *b, unsigned long length, bool fold)
{
    for (unsigned long i = 0; i < length; i++) {
        unsigned char x = (unsigned char) a[i], y = (unsigned char) b[i];
        bool letter = (x | 0x20) >= 'a' && (x | 0x20) <= 'z';
        if (x != y && !(fold && letter && (x ^ y) == 0x20))
            return false;
    }
    return true;
}

bool rb_list_holds(const char *list, const char *name, unsigned long length, bool fold)
{
    if (list[0] == '*' && list[1] == '\0')
        return true;
    while (*list != '\0') {
        const char *end = list;
        while (*end != '\0' && *end != ' ')
            end++;
        if ((unsigned long) (end - list) == length && length > 0 && same_bytes(list, name, length, fold))
            return true;
        list = *end == ' ' ? end + 1 : end;
    }
    return false;
}
