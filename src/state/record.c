// SPDX-License-Identifier: MIT
// Turns calls and events into counters.
#include "state/record.h"

#include <string.h>

#include "base/arithmetic.h"
#include "base/escape.h"
#include "real/pages.h"
#include "real/system.h"
#include "state/label.h"
#include "state/ring.h"
#include "state/shared.h"

static void record_add(_Atomic uint64_t *counter, uint64_t amount)
{
    if (amount > 0)
        atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static void record_increment(struct rb_counters *counters, unsigned counter, uint64_t amount)
{
    record_add(&counters->values[counter], amount);
}

// The counters of a policy. `counters` is NULL if the policy found no place.
struct policy_place {
    struct rb_counters *counters; // in this thread's stripe
    struct rb_host_counters *rest;
};

static struct policy_place record_place(const struct rb_state *state, const char *policy)
{
    struct rb_state_policy *found = rb_label_claim_policy(state, policy);
    if (found)
        return (struct policy_place){
            &state->counters[(found - state->policies) * RB_STATE_STRIPES + rb_shared_stripe()], &found->rest};
    atomic_fetch_add_explicit(&state->header->uncounted, 1, memory_order_relaxed);
    return (struct policy_place){0};
}

// ---- transitions ----
//
// The breaker counts its generations. The first process that sees new ones counts the states that they were. So each
// transition is counted once, even if the process that made it dies right after it.

// A larger number comes from a damaged word.
enum { TRANSITIONS_MAX = 64 };

// Counts from the latest state back: open and half-open alternate until the breaker closes.
static void count_transitions(struct rb_counters *counters, struct rb_breaker *breaker)
{
    struct rb_breaker_transitions transitions = rb_breaker_transitions(breaker);
    enum rb_breaker_state state = transitions.state;
    for (unsigned i = 0; i < transitions.count && i < TRANSITIONS_MAX; i++) {
        record_increment(counters, RB_COUNTER_TRANSITIONS + state, 1);
        state = state == RB_BREAKER_HALF_OPEN ? RB_BREAKER_OPEN : RB_BREAKER_HALF_OPEN;
    }
}

// ---- calls ----

// Counts the end of a call in the cell of its host, or in `rest` if it has no cell. A call's budget lies in its host's
// cell, even if the policy has no breaker. A lookup by libcurl has no budget, and neither has a call that found no free
// cell.
static void count_for_host(struct rb_host_counters *rest, const struct rb_call *call, enum rb_result result)
{
    struct rb_host_counters *host = rest;
    if (call->budget) {
        struct rb_cell *cell = (void *) ((char *) call->budget - offsetof(struct rb_cell, budget));
        host = &cell->counters;
    }
    uint32_t attempts = rb_call_attempts(call);
    record_add(attempts > 0 ? &host->calls : &host->unattempted, 1);
    record_add(&host->retries, attempts > 0 ? attempts - 1 : 0);
    record_add(&host->failures, result == RB_RESULT_FAILED);
    record_add(&host->rejected, result == RB_RESULT_REFUSED);
}

// Counts the end of a call. If the last attempt has no result, it ends now and its failure goes to the program. A call
// without an attempt has no duration: while a breaker is open, such calls would pull the latency of a dead host down to
// 0.
static void end_call(struct policy_place place, const struct rb_call *call, enum rb_api api, enum rb_result result)
{
    struct rb_counters *counters = place.counters;
    record_increment(counters, RB_COUNTER_CALLS + api * RB_RESULT_COUNT + result, 1);
    record_increment(counters, RB_COUNTER_ATTEMPTS, rb_call_attempts(call));
    if (rb_call_attempts(call) > 0) {
        bool judged = call->ended_ms >= call->attempt_started_ms;
        uint64_t took_ms = rb_arithmetic_sub(judged ? call->ended_ms : rb_system_now_ms(), call->begun_ms);
        unsigned bucket = 0;
        while (took_ms > rb_duration_bound_ms(bucket))
            bucket++;
        record_increment(counters, RB_COUNTER_DURATION + bucket, 1);
        record_increment(counters, RB_COUNTER_DURATION_MS, took_ms);
    }
    count_for_host(place.rest, call, result);
}

void rb_record_success(const struct rb_call *call, const char *policy, enum rb_api api)
{
    const struct rb_state *state = rb_shared_attached();
    struct policy_place place = state ? record_place(state, policy) : (struct policy_place){0};
    if (!place.counters)
        return;
    end_call(place, call, api, RB_RESULT_SUCCESS);
    if (call->breaker)
        count_transitions(place.counters, call->breaker);
}

static void count_event(struct policy_place place, const struct rb_call *call, const struct rb_event *event)
{
    static const enum rb_result results[] = {
        [RB_VERDICT_STOP] = RB_RESULT_FAILED,     [RB_VERDICT_RECOVERED] = RB_RESULT_RECOVERED,
        [RB_VERDICT_REFUSED] = RB_RESULT_REFUSED, [RB_VERDICT_RESENT] = RB_RESULT_SUCCESS,
        [RB_VERDICT_STALE] = RB_RESULT_STALE,
    };
    struct rb_counters *counters = place.counters;
    if (event->verdict == RB_VERDICT_WAITED) // another event or a success ends the call
        return;
    record_increment(counters, RB_COUNTER_RESENDS, event->resends);
    if (event->verdict == RB_VERDICT_RETRY) {
        record_increment(counters, RB_COUNTER_RETRIES + event->cause, 1);
        record_increment(counters, RB_COUNTER_BACKOFF_MS, event->delay_ms);
        return;
    }
    if (event->verdict == RB_VERDICT_STOP)
        record_increment(counters, RB_COUNTER_SUPPRESSED + event->reason, 1);
    if (event->verdict == RB_VERDICT_REFUSED)
        record_increment(counters, RB_COUNTER_REJECTED, 1);
    end_call(place, call, event->api, results[event->verdict]);
}

// Copies a slice to a text that is zero.
static void record_copy(char *out, size_t size, struct rb_slice slice)
{
    size_t length = slice.length < size ? slice.length : rb_escape_whole(slice.at, size - 1);
    if (length > 0)
        memcpy(out, slice.at, length);
}

// The entry lies in pages from the kernel, because the program's stack may be small. Without memory the event is lost.
static void record_put_event(const struct rb_state *state, const struct rb_event *event, const char *program)
{
    struct rb_ring_entry *entry = rb_pages_memory(sizeof(*entry));
    if (!entry) {
        atomic_fetch_add_explicit(&state->header->event_lost, 1, memory_order_relaxed);
        return;
    }
    entry->unix_ms = rb_system_unix_ms();
    entry->process = rb_shared_self();
    if (event->verdict == RB_VERDICT_RETRY || event->verdict == RB_VERDICT_WAITED)
        entry->delay_ms = event->delay_ms;
    entry->verdict = (uint8_t) event->verdict;
    entry->api = (uint8_t) event->api;
    entry->cause = (uint8_t) event->cause;
    entry->reason = (uint8_t) event->reason;
    entry->status = (uint16_t) event->status;
    entry->attempt = (uint16_t) event->attempt;
    entry->way = (uint8_t) event->way;
    entry->stack = (uint8_t) event->stack;
    if (event->request) {
        record_copy(entry->method, sizeof(entry->method), event->request->method);
        record_copy(entry->path, sizeof(entry->path), event->request->path);
    }
    rb_state_pad(entry->policy, sizeof(entry->policy), event->policy);
    rb_state_pad(entry->host, sizeof(entry->host), event->host);
    rb_state_pad(entry->program, sizeof(entry->program), program);
    rb_ring_put(state, entry);
    rb_pages_memory_free(entry, sizeof(*entry));
}

void rb_record_event(const struct rb_call *call, const struct rb_event *event, const char *program)
{
    const struct rb_state *state = rb_shared_attached();
    if (!state)
        return;
    struct policy_place place = record_place(state, event->policy);
    record_put_event(state, event, program);
    if (!place.counters)
        return;
    count_event(place, call, event);
    if (call->breaker)
        count_transitions(place.counters, call->breaker);
}

void rb_record_reload(bool succeeded)
{
    rb_shared_check();
    const struct rb_state *state = rb_shared_attached();
    if (state)
        atomic_store(&state->header->reload, (uint64_t) rb_system_unix_s() << 1 | succeeded);
}
