// SPDX-License-Identifier: MIT
// Tests of a whole call: the order of its reasons, waits, deadlines, and what it costs budget and breaker.
#include "engine_vectors.h"

#include "engine/call.h"

enum { NOW_MS = 1000000, THROTTLED = 429, UNAVAILABLE = 503 };

// Three attempts, 100 ms doubling without jitter, 503 and every transport cause, a budget without limit.
static struct rb_rules plain_rules(void)
{
    struct rb_rules rules = {
        .attempts = 3,
        .backoff = {.kind = RB_BACKOFF_EXPONENTIAL, .base_ms = 100, .multiplier_milli = 2000, .cap_ms = 10000},
        .causes = (1u << RB_CAUSE_REFUSED) | (1u << RB_CAUSE_RESET) | (1u << RB_CAUSE_TIMEOUT),
        .after_max_ms = 60000,
        .breaker = {.window = 20,
                    .min_calls = 10,
                    .failure_rate = 5000,
                    .slow_rate = 10000,
                    .open_ms = 30000,
                    .open_multiplier_milli = 2000,
                    .open_max_ms = 300000,
                    .probes = 1,
                    .probe_lease_ms = 10000,
                    .refuse = RB_REFUSE_ALWAYS},
        .budget = {.ratio = 2000, .floor_milli = 3000},
    };
    rb_rules_put(rules.statuses, UNAVAILABLE, true);
    rb_rules_put(rules.statuses, THROTTLED, true);
    return rules;
}

static const struct rb_outcome refused = {
    .cause = RB_CAUSE_REFUSED, .sent = RB_SENT_NEVER, .health = RB_HEALTH_FAILURE, .absent = true};
static const struct rb_outcome reset = {.cause = RB_CAUSE_RESET, .sent = RB_SENT_MAYBE, .health = RB_HEALTH_FAILURE};
static const struct rb_outcome unavailable = {
    .cause = RB_CAUSE_STATUS, .sent = RB_SENT_ANSWERED, .health = RB_HEALTH_FAILURE, .status = UNAVAILABLE};
static const struct rb_outcome throttled = {
    .cause = RB_CAUSE_STATUS, .sent = RB_SENT_ANSWERED, .health = RB_HEALTH_THROTTLED, .status = THROTTLED};
static const struct rb_outcome fine = {.cause = RB_CAUSE_NONE, .sent = RB_SENT_ANSWERED, .health = RB_HEALTH_SUCCESS};

struct trial {
    struct rb_rules rules;
    struct rb_breaker breaker;
    struct rb_budget budget;
    struct rb_call call;
    struct rb_hint hint;
};

static void begin(struct trial *trial, uint64_t total_ms)
{
    rb_call_begin(&trial->call, &trial->rules, &trial->breaker, &trial->budget, total_ms, NOW_MS);
    assert_true(rb_call_admit(&trial->call, NOW_MS, NULL));
}

static struct rb_decision judge(struct trial *trial, const struct rb_outcome *outcome, enum rb_reason blocked,
                                bool method_allowed, uint64_t now_ms)
{
    return rb_call_judge(&trial->call, outcome, blocked, method_allowed, &trial->hint, now_ms, 0);
}

static void assert_stops(struct rb_decision decision, const char *reason)
{
    assert_string_equal(rb_reason_name(decision.reason), reason);
    assert_false(decision.retry);
    assert_int_equal(decision.delay_ms, 0);
}

static void assert_waits(struct rb_decision decision, uint64_t delay_ms)
{
    assert_string_equal(rb_reason_name(decision.reason), "none");
    assert_true(decision.retry);
    assert_int_equal(decision.delay_ms, delay_ms);
}

// ---- one reason after the other ----

// A result that gives every reason to stop. Taking the reasons away one by one, in their order, shows the next.
static void test_order_of_reasons(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    struct rb_outcome outcome = reset;
    trial.rules.attempts = 1;
    trial.rules.causes = 0;
    trial.rules.budget = (struct rb_budget_rules){0};
    trial.hint = (struct rb_hint){.source = RB_HINT_RETRY_AFTER, .wait_ms = 60001};
    outcome.permanent = true;
    begin(&trial, 100);
    assert_true(trial.call.deadline_ms == NOW_MS + 100);

    assert_stops(judge(&trial, &fine, RB_REASON_UPLOAD, false, NOW_MS), "done");
    assert_stops(judge(&trial, &outcome, RB_REASON_UPLOAD, false, NOW_MS), "upload");
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, false, NOW_MS), "permanent");
    outcome.permanent = false;
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, false, NOW_MS), "cause");
    trial.rules.causes = 1u << RB_CAUSE_RESET;
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, false, NOW_MS), "method");
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, true, NOW_MS), "attempts");
    trial.rules.attempts = 3;
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, true, NOW_MS), "retry-after");
    trial.hint.wait_ms = 100;
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, true, NOW_MS), "time");
    trial.hint.wait_ms = 99;
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, true, NOW_MS), "budget");
    trial.rules.budget.floor_milli = 1000;
    trial.rules.breaker.window = 1;
    trial.rules.breaker.min_calls = 1;
    trial.call.permit.kind = RB_PERMIT_CLOSED; // one more result for the breaker, which trips on it
    assert_stops(judge(&trial, &outcome, RB_REASON_NONE, true, NOW_MS), "breaker");
    memset(&trial.breaker, 0, sizeof(trial.breaker));
    assert_waits(judge(&trial, &outcome, RB_REASON_NONE, true, NOW_MS), 99);
}

static void test_done(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    struct rb_outcome status = unavailable;
    begin(&trial, 0);
    assert_stops(judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS), "done");
    status.status = 404;
    assert_stops(judge(&trial, &status, RB_REASON_DELIVERED, true, NOW_MS), "done");
    status.status = 600;
    assert_stops(judge(&trial, &status, RB_REASON_NONE, true, NOW_MS), "done");
    assert_waits(judge(&trial, &unavailable, RB_REASON_NONE, true, NOW_MS), 100);
}

static void test_other_is_never_repeated(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    struct rb_outcome other = {.cause = RB_CAUSE_OTHER, .sent = RB_SENT_NEVER};
    trial.rules.causes = UINT32_MAX;
    begin(&trial, 0);
    assert_stops(judge(&trial, &other, RB_REASON_NONE, true, NOW_MS), "cause");
}

// A request that was never sent is repeated for every method. If the server may have seen it, the method decides.
static void test_methods(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    begin(&trial, 0);
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, false, NOW_MS), 100);
    assert_stops(judge(&trial, &reset, RB_REASON_NONE, false, NOW_MS), "method");
    assert_stops(judge(&trial, &unavailable, RB_REASON_NONE, false, NOW_MS), "method");
    assert_waits(judge(&trial, &reset, RB_REASON_NONE, true, NOW_MS), 100);
    assert_waits(judge(&trial, &unavailable, RB_REASON_NONE, true, NOW_MS), 100);
}

// If a proxy refuses a CONNECT, the transfer has failed, whatever the status. Nothing was sent.
static void test_refused_tunnel(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    struct rb_outcome tunnel = {.cause = RB_CAUSE_STATUS, .sent = RB_SENT_NEVER, .status = UNAVAILABLE, .tunnel = true};
    begin(&trial, 0);
    assert_waits(judge(&trial, &tunnel, RB_REASON_NONE, false, NOW_MS), 100);
    tunnel.status = 403;
    assert_stops(judge(&trial, &tunnel, RB_REASON_NONE, false, NOW_MS), "cause");
    tunnel.permanent = true;
    assert_stops(judge(&trial, &tunnel, RB_REASON_NONE, false, NOW_MS), "permanent");
}

// ---- a whole call ----

static void test_attempts_and_schedule(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    trial.rules.attempts = 4;
    begin(&trial, 0);
    uint64_t now_ms = NOW_MS;
    for (uint64_t delay_ms = 100; delay_ms <= 400; delay_ms *= 2) {
        assert_true(rb_call_may_retry(&trial.call, now_ms));
        assert_waits(judge(&trial, &refused, RB_REASON_NONE, false, now_ms), delay_ms);
        now_ms += delay_ms;
        assert_true(rb_call_admit(&trial.call, now_ms, NULL));
    }
    assert_int_equal(trial.call.attempt, 4);
    assert_false(rb_call_may_retry(&trial.call, now_ms));
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, false, now_ms), "attempts");
}

static void test_once_means_one_retry(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    struct rb_outcome once = reset;
    once.once = true;
    trial.rules.attempts = 10;
    begin(&trial, 0);
    assert_waits(judge(&trial, &once, RB_REASON_NONE, true, NOW_MS), 100);
    assert_true(rb_call_admit(&trial.call, NOW_MS + 100, NULL));
    assert_stops(judge(&trial, &once, RB_REASON_NONE, true, NOW_MS + 100), "attempts");
    trial.rules.attempts = 1;
    begin(&trial, 0);
    assert_stops(judge(&trial, &once, RB_REASON_NONE, true, NOW_MS), "attempts");
}

// Decorrelated jitter draws from the delay before.
static void test_previous_delay_is_remembered(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    trial.rules.backoff.jitter = RB_JITTER_DECORRELATED;
    begin(&trial, 0);
    assert_waits(rb_call_judge(&trial.call, &refused, RB_REASON_NONE, false, NULL, NOW_MS, UINT32_MAX), 300);
    assert_true(rb_call_admit(&trial.call, NOW_MS, NULL));
    assert_waits(rb_call_judge(&trial.call, &refused, RB_REASON_NONE, false, NULL, NOW_MS, UINT32_MAX), 900);
}

// A wait must end before the deadline. If it ends at the deadline, there is no retry.
static void test_total_time(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    begin(&trial, 5000);
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, false, NOW_MS + 4899), 100);
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, false, NOW_MS + 4900), "time");
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, false, UINT64_MAX), "time");
    assert_true(rb_call_may_retry(&trial.call, NOW_MS + 4999));
    assert_false(rb_call_may_retry(&trial.call, NOW_MS + 5000));
    begin(&trial, UINT64_MAX);
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, false, NOW_MS), 100);
    begin(&trial, 0);
    assert_true(rb_call_may_retry(&trial.call, NOW_MS * UINT64_C(1000000)));
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, false, NOW_MS * UINT64_C(1000000)), 100);
}

static struct rb_decision after_of(struct trial *trial, uint64_t ms, enum rb_after_over over)
{
    trial->hint = (struct rb_hint){.source = ms > 0 ? RB_HINT_RETRY_AFTER : RB_HINT_NONE, .wait_ms = ms};
    trial->rules.after_over = over;
    begin(trial, 0);
    return judge(trial, &unavailable, RB_REASON_NONE, true, NOW_MS);
}

static void test_retry_after(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    assert_waits(after_of(&trial, 0, RB_AFTER_FAIL), 100);
    assert_waits(after_of(&trial, 60000, RB_AFTER_FAIL), 60000);
    assert_stops(after_of(&trial, 60001, RB_AFTER_FAIL), "retry-after");
    assert_waits(after_of(&trial, UINT64_MAX, RB_AFTER_CAP), 60000);
    assert_waits(after_of(&trial, 60001, RB_AFTER_IGNORE), 100);
    trial.rules.backoff.jitter = RB_JITTER_FULL; // draw 0 would make a jittered delay 0
    assert_waits(after_of(&trial, 7000, RB_AFTER_FAIL), 7000);
    trial.rules.backoff.jitter = RB_JITTER_NONE;
}

// ---- budget ----

// Only a retry that everything before would allow is charged.
static void test_budget_is_charged_last(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    trial.rules.budget = (struct rb_budget_rules){.floor_milli = 100}; // one retry saved up
    begin(&trial, 1000);
    judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS);
    judge(&trial, &reset, RB_REASON_UPLOAD, true, NOW_MS);
    judge(&trial, &reset, RB_REASON_NONE, false, NOW_MS);
    judge(&trial, &reset, RB_REASON_NONE, true, NOW_MS + 999);
    assert_waits(judge(&trial, &reset, RB_REASON_NONE, true, NOW_MS), 100);
    assert_stops(judge(&trial, &reset, RB_REASON_NONE, true, NOW_MS), "budget");
}

// Each call earns a tenth of a retry. The tenth call asks for five retries and gets one.
static void test_budget_is_charged_per_call(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    trial.rules.attempts = 6;
    trial.rules.budget = (struct rb_budget_rules){.ratio = 1000};
    for (unsigned i = 0; i < 9; i++) {
        begin(&trial, 0);
        assert_stops(judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS), "done");
    }
    begin(&trial, 0);
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), 100);
    assert_true(rb_call_admit(&trial.call, NOW_MS + 100, NULL));
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS + 100), "budget");
}

static void test_budget_of_zero_means_never(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    trial.rules.budget = (struct rb_budget_rules){0};
    for (unsigned i = 0; i < 5; i++) {
        begin(&trial, 0);
        assert_stops(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS + 60000 * i), "budget");
    }
    rb_call_begin(&trial.call, &trial.rules, NULL, NULL, 0, NOW_MS); // no budget at all is no limit
    assert_true(rb_call_admit(&trial.call, NOW_MS, NULL));
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), 100);
}

// ---- breaker ----

// Every attempt counts for the breaker, also without a retry. The attempt that opens the breaker ends the retries.
static void test_breaker_hears_every_attempt(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    uint64_t until_ms, wait_ms;
    trial.rules.breaker.min_calls = 3;
    begin(&trial, 0);
    assert_stops(judge(&trial, &reset, RB_REASON_NONE, false, NOW_MS), "method");
    begin(&trial, 0);
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), 100);
    assert_true(rb_call_admit(&trial.call, NOW_MS + 100, NULL));
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS + 200), "breaker");
    assert_int_equal(rb_breaker_peek(&trial.breaker, &until_ms), RB_BREAKER_OPEN);
    assert_int_equal(until_ms, NOW_MS + 30200);
    rb_call_begin(&trial.call, &trial.rules, &trial.breaker, &trial.budget, 0, NOW_MS);
    assert_false(rb_call_admit(&trial.call, NOW_MS + 10200, &wait_ms));
    assert_int_equal(wait_ms, 20000);
    assert_int_equal(trial.call.attempt, 0);
}

// An open time that is over when the wait ends does not stop the retry; it becomes the probe.
static void test_breaker_that_ends_in_time(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    trial.rules.breaker.min_calls = 1;
    trial.rules.breaker.open_ms = 100;
    begin(&trial, 0);
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), 100);
    assert_true(rb_call_admit(&trial.call, NOW_MS + 100, NULL));
    assert_int_equal(trial.call.permit.kind, RB_PERMIT_PROBE);
    assert_stops(judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS + 100), "done");
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_CLOSED);
}

static const struct rb_outcome timed_out = {
    .cause = RB_CAUSE_TIMEOUT, .sent = RB_SENT_NEVER, .health = RB_HEALTH_FAILURE};

// Whether a timeout after took_ms counts against the host.
static bool timeout_counts(const struct rb_rules *rules, uint64_t took_ms)
{
    struct trial trial = {.rules = *rules};
    trial.rules.breaker.min_calls = 1;
    begin(&trial, 0);
    judge(&trial, &timed_out, RB_REASON_NONE, true, NOW_MS + took_ms);
    return rb_breaker_peek(&trial.breaker, NULL) == RB_BREAKER_OPEN;
}

static void test_short_timeouts_prove_nothing(void **state)
{
    struct rb_rules rules = plain_rules();
    (void) state;
    assert_false(timeout_counts(&rules, RB_BREAKER_TIMEOUT_MS - 1));
    assert_true(timeout_counts(&rules, RB_BREAKER_TIMEOUT_MS));
    rules.breaker.slow_call_ms = 2000;
    assert_false(timeout_counts(&rules, 1999));
    assert_true(timeout_counts(&rules, 2000));
    rules.attempt_ms = 300;
    assert_false(timeout_counts(&rules, 299));
    assert_true(timeout_counts(&rules, 300));
}

// One instant failure opens the breaker of this trial.
static struct trial opened_by_refusals(enum rb_breaker_refuse refuse)
{
    struct trial trial = {.rules = plain_rules()};
    trial.rules.breaker.min_calls = 1;
    trial.rules.breaker.refuse = refuse;
    begin(&trial, 0);
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), "breaker");
    return trial;
}

// The program's own attempt passes once, is not held back for a retry, and is not repeated.
static void test_own_attempt_passes_without_retries(void **state)
{
    struct trial trial = opened_by_refusals(RB_REFUSE_SLOW);
    (void) state;
    begin(&trial, 0);
    assert_int_equal(trial.call.permit.kind, RB_PERMIT_PASSED);
    assert_false(rb_call_may_retry(&trial.call, NOW_MS));
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), "breaker");
    begin(&trial, 0);
    assert_stops(judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS), "done");
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_CLOSED);
}

// Nothing is repeated while the breaker is open: the budget stays for the time after that.
static void test_passed_attempt_leaves_the_budget(void **state)
{
    struct trial trial = opened_by_refusals(RB_REFUSE_SLOW);
    (void) state;
    trial.rules.budget = (struct rb_budget_rules){.ratio = 0, .floor_milli = 100};
    trial.budget = (struct rb_budget){0};
    for (unsigned i = 0; i < 20; i++) {
        begin(&trial, 0);
        assert_stops(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), "breaker");
    }
    begin(&trial, 0);
    judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS);
    trial.rules.breaker.min_calls = 10;
    begin(&trial, 0);
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), 100);
}

// A host refuses at once. A program that looks at its socket only seconds later is not spared anything by a refusal.
static void test_late_look_at_a_refusal_is_not_costly(void **state)
{
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    trial.rules.breaker.min_calls = 1;
    trial.rules.breaker.refuse = RB_REFUSE_SLOW;
    begin(&trial, 0);
    judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS + 5000);
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_OPEN);
    assert_true(rb_call_admit(&trial.call, NOW_MS + 5000, NULL) == false); // a retry
    rb_call_begin(&trial.call, &trial.rules, &trial.breaker, &trial.budget, 0, NOW_MS + 5000);
    assert_true(rb_call_admit(&trial.call, NOW_MS + 5000, NULL));
}

// A breaker that timeouts have opened, and the call that probes it.
static void begin_probe(struct trial *trial)
{
    *trial = (struct trial){.rules = plain_rules()};
    trial->rules.breaker.min_calls = 1;
    trial->rules.breaker.open_ms = 1000;
    trial->rules.breaker.refuse = RB_REFUSE_SLOW;
    begin(trial, 0);
    judge(trial, &timed_out, RB_REASON_NONE, true, NOW_MS + 5000);
    assert_int_equal(rb_breaker_peek(&trial->breaker, NULL), RB_BREAKER_OPEN);
    rb_call_begin(&trial->call, &trial->rules, &trial->breaker, &trial->budget, 0, NOW_MS + 7000);
    assert_true(rb_call_admit(&trial->call, NOW_MS + 7000, NULL));
    assert_int_equal(trial->call.permit.kind, RB_PERMIT_PROBE);
}

// The header of a long download closes the breaker: the others need not wait for the end of the body. What becomes of
// the body changes nothing more.
static void test_answered_probe_closes(void **state)
{
    struct trial trial;
    (void) state;
    begin_probe(&trial);
    rb_call_answered(&trial.call, false, NOW_MS + 7100);
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_CLOSED);
    judge(&trial, &timed_out, RB_REASON_NONE, true, NOW_MS + 17000);
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_CLOSED);
}

// With a closed breaker the header is not the result: a body that breaks off is a failure of the host. A redirect to
// another host is all that an attempt says of the first one.
static void test_answered_counts_once(void **state)
{
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    trial.rules.breaker.min_calls = 2;
    begin(&trial, 0);
    rb_call_answered(&trial.call, false, NOW_MS);
    assert_int_equal(trial.call.permit.kind, RB_PERMIT_CLOSED);
    judge(&trial, &reset, RB_REASON_NONE, true, NOW_MS);
    assert_int_equal(atomic_load(&trial.breaker.head) >> 16, 1);
    assert_int_equal(atomic_load(&trial.breaker.window.calls.failed[0]), 1);
    begin(&trial, 0);
    rb_call_answered(&trial.call, true, NOW_MS);
    rb_call_answered(&trial.call, true, NOW_MS);
    judge(&trial, &reset, RB_REASON_NONE, true, NOW_MS);
    assert_int_equal(atomic_load(&trial.breaker.head) >> 16, 2);
    assert_int_equal(atomic_load(&trial.breaker.window.calls.failed[0]), 1);
}

static void test_always_refuses(void **state)
{
    struct trial trial = opened_by_refusals(RB_REFUSE_ALWAYS);
    uint64_t wait_ms;
    (void) state;
    rb_call_begin(&trial.call, &trial.rules, &trial.breaker, &trial.budget, 0, NOW_MS);
    assert_false(rb_call_admit(&trial.call, NOW_MS, &wait_ms));
    assert_int_equal(wait_ms, 30000);
}

enum { KEY = 7 };

// Begins a call whose process remembers its results. Returns whether it was admitted.
static bool begin_with(struct trial *trial, struct rb_recent *recent, uint64_t now_ms)
{
    rb_call_begin(&trial->call, &trial->rules, &trial->breaker, &trial->budget, 0, now_ms);
    trial->call.recent = recent;
    trial->call.key = (uint64_t) KEY << 40;
    return rb_call_admit(&trial->call, now_ms, NULL);
}

// While timeouts keep the breaker open, a process whose latest result with the host was a success goes on.
static void test_process_with_success_is_not_refused(void **state)
{
    struct trial trial = {.rules = plain_rules()}, other;
    struct rb_recent recent = {0}, none = {0};
    (void) state;
    trial.rules.breaker.min_calls = 2;
    trial.rules.breaker.failure_rate = 5000;
    trial.rules.breaker.open_ms = 300000;
    trial.rules.breaker.refuse = RB_REFUSE_SLOW;
    assert_true(begin_with(&trial, &recent, NOW_MS - 1000));
    judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS - 1000);
    atomic_store(&trial.breaker.answered, 0); // else the first open time would refuse nobody
    assert_true(begin_with(&trial, &none, NOW_MS - 1000));
    judge(&trial, &timed_out, RB_REASON_NONE, true, NOW_MS + 4000);
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_OPEN);
    other = trial;
    assert_false(begin_with(&other, &none, NOW_MS + 4000));
    other = trial;
    assert_false(begin_with(&other, &recent, NOW_MS - 1000 + RB_BREAKER_PROVEN_MS + 1));
    assert_true(begin_with(&trial, &recent, NOW_MS + 4000));
    assert_int_equal(trial.call.permit.kind, RB_PERMIT_PASSED);
    judge(&trial, &timed_out, RB_REASON_NONE, true, NOW_MS + 10000);
    assert_false(begin_with(&trial, &recent, NOW_MS + 10000)); // its latest result is a failure now
}

// Eight targets that refuse within ten seconds, and none that accepts: the next new one gets no retries.
static void test_sweep(void **state)
{
    struct rb_sweep sweep = {0};
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    trial.rules.breaker.window = trial.rules.breaker.min_calls = RB_BREAKER_MAX_CALLS;
    for (uint64_t target = 1; target <= 20; target++) {
        begin(&trial, 0);
        trial.call.sweep = &sweep;
        trial.call.key = target << 40;
        memset(&trial.budget, 0, sizeof(trial.budget));
        struct rb_decision decision = judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS);
        assert_string_equal(rb_reason_name(decision.reason), target <= RB_SWEEP_TARGETS ? "none" : "sweep");
    }
    trial.rules.budget.floor_milli = 1000000;
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), 100); // it comes back to the last one
    trial.call.key = UINT64_C(99) << 40;
    assert_stops(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS), "sweep");
    trial.call.key = UINT64_C(100) << 40;
    assert_waits(judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS + RB_SWEEP_MS + 1), 100);
}

// One target that accepts, or ten seconds, and what refused before does not count any more.
static void test_sweep_ends(void **state)
{
    struct rb_sweep sweep = {0};
    (void) state;
    for (uint64_t target = 1; target <= RB_SWEEP_TARGETS; target++) {
        assert_false(rb_sweep_is_on(&sweep, UINT64_C(99) << 40, NOW_MS));
        rb_sweep_refused(&sweep, target << 40, NOW_MS);
        rb_sweep_refused(&sweep, target << 40, NOW_MS); // the same one again is no further target
    }
    assert_true(rb_sweep_is_on(&sweep, UINT64_C(99) << 40, NOW_MS + RB_SWEEP_MS));
    assert_false(rb_sweep_is_on(&sweep, UINT64_C(99) << 40, NOW_MS + RB_SWEEP_MS + 1));
    assert_false(rb_sweep_is_on(&sweep, UINT64_C(3) << 40, NOW_MS));
    rb_sweep_accepted(&sweep);
    assert_false(rb_sweep_is_on(&sweep, UINT64_C(99) << 40, NOW_MS));
}

static void test_recent_results(void **state)
{
    struct rb_recent recent = {0};
    const uint64_t key = (uint64_t) KEY << 40, other = (uint64_t) (KEY + 1) << 40;
    (void) state;
    assert_false(rb_recent_is_success(&recent, key, 60000, 5));
    rb_recent_note(&recent, key, true, 5000);
    assert_true(rb_recent_is_success(&recent, key, 60000, 65000));
    assert_false(rb_recent_is_success(&recent, key, 60000, 65001));
    assert_false(rb_recent_is_success(&recent, other, 60000, 5000));
    rb_recent_note(&recent, other, false, 5000); // a failure of another host
    assert_true(rb_recent_is_success(&recent, key, 60000, 5000));
    rb_recent_note(&recent, key, true, 7000);
    assert_true(rb_recent_is_success(&recent, key, 60000, 67000));
    rb_recent_note(&recent, key, false, 7000);
    assert_false(rb_recent_is_success(&recent, key, 60000, 7000));
    rb_recent_note(&recent, other, true, 8000);
    assert_true(rb_recent_is_success(&recent, other, 60000, 8000));
}

static void test_slow_attempts(void **state)
{
    (void) state;
    struct trial trial = {.rules = plain_rules()};
    trial.rules.breaker.min_calls = 1;
    trial.rules.breaker.slow_call_ms = 500;
    begin(&trial, 0);
    judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS + 500);
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_CLOSED);
    memset(&trial.breaker, 0, sizeof(trial.breaker));
    begin(&trial, 0);
    judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS + 501);
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_OPEN);
}

// The jitter of the delay and that of the open time come from one draw, but do not go together.
static void test_two_draws_from_one(void **state)
{
    (void) state;
    uint64_t random = 777, until_ms;
    unsigned same = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct trial trial = {.rules = plain_rules()};
        uint32_t draw = vector_random(&random);
        trial.rules.breaker.min_calls = 1;
        begin(&trial, 0);
        rb_call_judge(&trial.call, &refused, RB_REASON_NONE, true, NULL, NOW_MS, draw);
        assert_int_equal(rb_breaker_peek(&trial.breaker, &until_ms), RB_BREAKER_OPEN);
        assert_in_range(until_ms, NOW_MS + 30000, NOW_MS + 33000);
        same += (draw > UINT32_MAX / 2) == (until_ms > NOW_MS + 31500);
    }
    assert_in_range(same, 400, 600);
}

// ---- names ----

static void test_reason_names(void **state)
{
    (void) state;
    static const char *const names[] = {"none",     "done",     "attempts",    "cause",           "permanent",
                                        "method",   "time",     "retry-after", "budget",          "breaker",
                                        "sweep",    "upload",   "delivered",   "next-candidate",  "interrupted",
                                        "changed",  "overflow", "resource",    "unknown-options", "shared",
                                        "bypassed", "failover", "sandbox",     "quota",           "hint",
                                        "stack"};
    assert_int_equal(sizeof(names) / sizeof(names[0]), RB_REASON_COUNT);
    for (int reason = 0; reason < RB_REASON_COUNT; reason++)
        assert_string_equal(rb_reason_name((enum rb_reason) reason), names[reason]);
    assert_string_equal(rb_reason_name(RB_REASON_COUNT), "unknown");
}

// ---- hints of the server ----

static struct rb_decision judge_hint(struct trial *trial, unsigned status, struct rb_hint hint, bool method_allowed)
{
    struct rb_outcome outcome = unavailable;
    outcome.status = status;
    outcome.health = RB_HEALTH_SUCCESS;
    begin(trial, 0);
    trial->hint = hint;
    return judge(trial, &outcome, RB_REASON_NONE, method_allowed, NOW_MS);
}

#define JUDGE(status, verdict_, method_allowed)                                                                        \
    judge_hint(&trial, status, (struct rb_hint){.verdict = (verdict_)}, method_allowed)

// A rejected status allows every method, and so does the server.
static void test_rejected(void **state)
{
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    trial.rules.causes |= 1U << RB_CAUSE_STATUS;
    assert_stops(JUDGE(THROTTLED, RB_HINT_NO_VERDICT, false), "method");
    rb_rules_put(trial.rules.rejected, THROTTLED, true);
    assert_waits(JUDGE(THROTTLED, RB_HINT_NO_VERDICT, false), 100);
    assert_stops(JUDGE(UNAVAILABLE, RB_HINT_NO_VERDICT, false), "method");
    assert_waits(JUDGE(UNAVAILABLE, RB_HINT_RETRY, false), 100);
    assert_waits(JUDGE(409, RB_HINT_RETRY, false), 100);
    assert_stops(JUDGE(403, RB_HINT_THROTTLED, true), "done");
    trial.rules.throttled = true;
    assert_waits(JUDGE(403, RB_HINT_THROTTLED, true), 100);
    assert_stops(JUDGE(403, RB_HINT_THROTTLED, false), "method");
    trial.rules.rejected_throttled = true;
    assert_waits(JUDGE(403, RB_HINT_THROTTLED, false), 100);
    trial.rules.causes = 0;
    memset(trial.rules.statuses, 0, sizeof(trial.rules.statuses));
    assert_stops(JUDGE(409, RB_HINT_RETRY, true), "done");
}

static void test_forbidden_by_the_server(void **state)
{
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    assert_stops(JUDGE(UNAVAILABLE, RB_HINT_STOP, true), "hint");
    assert_stops(JUDGE(THROTTLED, RB_HINT_QUOTA, true), "quota");
    assert_stops(JUDGE(404, RB_HINT_STOP, true), "done");
    assert_stops(JUDGE(404, RB_HINT_QUOTA, true), "done");
}

// The decision names the hint that it follows.
static void test_hint_of_a_decision(void **state)
{
    struct trial trial = {.rules = plain_rules()};
    struct rb_hint hint = {.source = RB_HINT_RATE_LIMIT, .wait_ms = 300};
    (void) state;
    assert_int_equal(judge_hint(&trial, UNAVAILABLE, hint, true).hint, RB_HINT_RATE_LIMIT);
    hint.wait_ms = 60001;
    assert_int_equal(judge_hint(&trial, UNAVAILABLE, hint, true).hint, RB_HINT_RATE_LIMIT);
    trial.rules.after_over = RB_AFTER_IGNORE;
    assert_int_equal(judge_hint(&trial, UNAVAILABLE, hint, true).hint, RB_HINT_NONE);
    hint = (struct rb_hint){.verdict = RB_HINT_RETRY, .source = RB_HINT_SHOULD_RETRY};
    assert_int_equal(judge_hint(&trial, UNAVAILABLE, hint, true).hint, RB_HINT_SHOULD_RETRY);
    assert_int_equal(judge_hint(&trial, UNAVAILABLE, (struct rb_hint){0}, true).hint, RB_HINT_NONE);
}

// Throttling under another status delays only calls with the same credential.
static void test_throttling_is_the_callers(void **state)
{
    struct rb_not_before not_before = {0};
    struct trial trial = {.rules = plain_rules()};
    struct rb_hint hint = {.verdict = RB_HINT_THROTTLED, .source = RB_HINT_RETRY_AFTER, .wait_ms = 300};
    struct rb_outcome forbidden = {.cause = RB_CAUSE_STATUS, .sent = RB_SENT_ANSWERED, .status = 403};
    (void) state;
    trial.rules.throttled = true;
    begin(&trial, 0);
    trial.call.not_before = &not_before;
    trial.hint = hint;
    assert_waits(judge(&trial, &forbidden, RB_REASON_NONE, true, NOW_MS), 300);
    assert_int_equal(rb_not_before_left_ms(&not_before, NOW_MS, NULL), 0);
}

// ---- what the host told another call ----

static void hear(struct trial *trial, struct rb_not_before *not_before, uint64_t after_ms)
{
    begin(trial, 0);
    trial->call.not_before = not_before;
    trial->hint = (struct rb_hint){.source = RB_HINT_RETRY_AFTER, .wait_ms = after_ms};
}

static void test_others_are_held_back(void **state)
{
    struct rb_not_before not_before = {0};
    struct trial first = {.rules = plain_rules()}, second = {.rules = plain_rules()};
    (void) state;
    hear(&first, &not_before, 2000);
    assert_waits(judge(&first, &unavailable, RB_REASON_NONE, true, NOW_MS), 2000);
    rb_call_begin(&second.call, &second.rules, NULL, NULL, 0, NOW_MS + 500);
    second.call.not_before = &not_before;
    assert_int_equal(rb_call_hold(&second.call, NOW_MS + 500), 1500 + RB_NOT_BEFORE_SLOT_MS);
    assert_int_equal(rb_call_hold(&second.call, NOW_MS + 2000), 0);
}

// A retry of another call waits for it where its own delay is shorter.
static void test_retries_are_held_back(void **state)
{
    struct rb_not_before not_before = {0};
    struct trial first = {.rules = plain_rules()}, second = {.rules = plain_rules()};
    (void) state;
    hear(&first, &not_before, 50);
    judge(&first, &unavailable, RB_REASON_NONE, true, NOW_MS);
    begin(&second, 0);
    second.call.not_before = &not_before;
    assert_waits(judge(&second, &refused, RB_REASON_NONE, true, NOW_MS), 100);
    hear(&first, &not_before, 5000);
    judge(&first, &unavailable, RB_REASON_NONE, true, NOW_MS);
    assert_waits(judge(&second, &refused, RB_REASON_NONE, true, NOW_MS + 10), 5000 - 10 + 2 * RB_NOT_BEFORE_SLOT_MS);
}

// It is the host's wish, also where this call is not repeated; one that the rules do not follow is nobody's.
static void test_what_is_heard(void **state)
{
    struct rb_not_before not_before = {0};
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    hear(&trial, &not_before, 3000);
    judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS);
    assert_int_equal(rb_not_before_left_ms(&not_before, NOW_MS, NULL), 0);
    hear(&trial, &not_before, 61000);
    assert_stops(judge(&trial, &unavailable, RB_REASON_NONE, true, NOW_MS), "retry-after");
    assert_int_equal(rb_not_before_left_ms(&not_before, NOW_MS, NULL), 0);
    hear(&trial, &not_before, 3000);
    assert_stops(judge(&trial, &unavailable, RB_REASON_NONE, false, NOW_MS), "method");
    assert_int_equal(rb_not_before_left_ms(&not_before, NOW_MS, NULL), 3000);
    trial.rules.after = RB_HINT_IGNORE;
    assert_int_equal(rb_call_hold(&trial.call, NOW_MS), 0);
}

// What does not fit into the total time is not waited for: the call goes its way.
static void test_holding_must_fit(void **state)
{
    struct rb_not_before not_before = {0};
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    rb_not_before_set(&not_before, 5000, NOW_MS);
    rb_call_begin(&trial.call, &trial.rules, NULL, NULL, 5000, NOW_MS);
    trial.call.not_before = &not_before;
    assert_int_equal(rb_call_hold(&trial.call, NOW_MS), 0);
    rb_call_begin(&trial.call, &trial.rules, NULL, NULL, 6000, NOW_MS);
    trial.call.not_before = &not_before;
    assert_in_range(rb_call_hold(&trial.call, NOW_MS), 5000, 5100);
}

static void call_as(struct trial *trial, struct rb_not_before *not_before, struct rb_tenants *tenants,
                    uint64_t credential, uint64_t now_ms)
{
    rb_call_begin(&trial->call, &trial->rules, NULL, NULL, 0, now_ms);
    trial->call.not_before = not_before;
    trial->call.tenants = tenants;
    trial->call.credential = credential;
}

// A 429 holds back the calls with the same credential only.
static void test_throttling_is_for_one_credential(void **state)
{
    struct rb_not_before not_before = {0};
    struct rb_tenants tenants = {0};
    struct trial first = {.rules = plain_rules()}, second = {.rules = plain_rules()};
    (void) state;
    hear(&first, &not_before, 2000);
    first.call.tenants = &tenants;
    first.call.credential = 1;
    assert_waits(judge(&first, &throttled, RB_REASON_NONE, true, NOW_MS), 2000);
    assert_int_equal(rb_not_before_left_ms(&not_before, NOW_MS, NULL), 0);
    call_as(&second, &not_before, &tenants, 2, NOW_MS + 500);
    assert_int_equal(rb_call_hold(&second.call, NOW_MS + 500), 0);
    call_as(&second, &not_before, &tenants, 0, NOW_MS + 500); // it is not known
    assert_int_equal(rb_call_hold(&second.call, NOW_MS + 500), 0);
    call_as(&second, &not_before, &tenants, 1, NOW_MS + 500);
    assert_int_equal(rb_call_hold(&second.call, NOW_MS + 500), 1500 + RB_NOT_BEFORE_SLOT_MS);
}

// Of the host's wish and that of a credential the longer one counts.
static void test_the_longer_wish_counts(void **state)
{
    struct rb_not_before not_before = {0};
    struct rb_tenants tenants = {0};
    struct trial trial = {.rules = plain_rules()};
    (void) state;
    rb_not_before_set(rb_tenants_claim(&tenants, 1, NOW_MS), 3000, NOW_MS);
    rb_not_before_set(&not_before, 1000, NOW_MS);
    call_as(&trial, &not_before, &tenants, 1, NOW_MS);
    assert_int_equal(rb_call_hold(&trial.call, NOW_MS), 3000);
    call_as(&trial, &not_before, &tenants, 2, NOW_MS);
    assert_int_equal(rb_call_hold(&trial.call, NOW_MS), 1000);
    rb_not_before_set(&not_before, 5000, NOW_MS);
    call_as(&trial, &not_before, &tenants, 1, NOW_MS);
    assert_int_equal(rb_call_hold(&trial.call, NOW_MS), 5000 + RB_NOT_BEFORE_SLOT_MS);
    rb_not_before_set(&not_before, 100000, NOW_MS); // is not believed
    call_as(&trial, &not_before, &tenants, 1, NOW_MS);
    assert_int_equal(rb_call_hold(&trial.call, NOW_MS), 3000 + RB_NOT_BEFORE_SLOT_MS);
}

// ---- start.wait

// A trial whose host may wait until 10 s after NOW_MS, with a breaker that two failures open.
static void begin_absent(struct trial *trial, struct rb_absent_host *host, uint64_t total_ms)
{
    trial->rules.breaker.min_calls = 2;
    trial->rules.breaker.window = 2;
    atomic_store(&host->until_ms, NOW_MS + 10000);
    begin(trial, total_ms);
    trial->call.start = host;
}

static void test_tries_do_not_count(void **state)
{
    struct trial trial = {.rules = plain_rules()};
    struct rb_absent_host host = {0};
    uint64_t now_ms = NOW_MS;
    (void) state;
    begin_absent(&trial, &host, 2000);
    for (int i = 0; i < 9; i++) {
        assert_true(rb_call_awaits_start(&trial.call, &refused, UINT64_MAX, now_ms));
        now_ms += RB_ABSENT_EVERY_MS;
        assert_true(rb_call_admit(&trial.call, now_ms, NULL));
        assert_int_equal(rb_call_attempts(&trial.call), 1);
    }
    // The total time began anew with each try, and the window of the breaker is empty.
    assert_int_equal(trial.call.deadline_ms, NOW_MS + 2000 + 9 * RB_ABSENT_EVERY_MS);
    assert_int_equal(rb_breaker_peek(&trial.breaker, NULL), RB_BREAKER_CLOSED);
    // The last try may begin 10 s after the beginning, not later.
    assert_true(rb_call_awaits_start(&trial.call, &refused, UINT64_MAX, now_ms));
    now_ms += RB_ABSENT_EVERY_MS;
    assert_true(rb_call_admit(&trial.call, now_ms, NULL));
    assert_false(rb_call_awaits_start(&trial.call, &refused, UINT64_MAX, now_ms));
    assert_int_equal(judge(&trial, &refused, RB_REASON_NONE, true, now_ms).delay_ms, 100);
    assert_int_equal(rb_absent_take(&host, false, now_ms), 10000);
    assert_int_equal(rb_absent_take(&host, false, now_ms), 0);
}

static void test_success_ends_the_wait_for_good(void **state)
{
    struct trial trial = {.rules = plain_rules()}, later = {.rules = plain_rules()};
    struct rb_absent_host host = {0};
    (void) state;
    begin_absent(&trial, &host, 0);
    assert_int_equal(rb_absent_take(&host, false, NOW_MS), 0);
    assert_true(rb_call_awaits_start(&trial.call, &refused, UINT64_MAX, NOW_MS + 5));
    assert_int_equal(rb_absent_take(&host, false, NOW_MS + 5), 0); // not over
    assert_true(rb_call_admit(&trial.call, NOW_MS + 1005, NULL));
    assert_int_equal(judge(&trial, &fine, RB_REASON_NONE, true, NOW_MS + 1006).reason, RB_REASON_DONE);
    assert_int_equal(rb_absent_take(&host, false, NOW_MS + 1006), 1006);
    begin_absent(&later, &host, 0);
    assert_false(rb_call_awaits_start(&later.call, &refused, UINT64_MAX, NOW_MS + 5));
}

static void test_which_failures_wait_for_the_start(void **state)
{
    static const struct rb_outcome absent = {.cause = RB_CAUSE_DNS, .permanent = true, .absent = true};
    static const struct rb_outcome present = {.cause = RB_CAUSE_DNS, .permanent = true};
    static const struct {
        const struct rb_outcome *outcome;
        bool waits;
    } rows[] = {{&refused, true}, {&absent, true}, {&present, false}, {&reset, false}, {&fine, false}};
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trial trial = {.rules = plain_rules()};
        struct rb_absent_host host = {0};
        begin_absent(&trial, &host, 0);
        assert_int_equal(rb_call_awaits_start(&trial.call, rows[i].outcome, UINT64_MAX, NOW_MS), rows[i].waits);
    }
}

static void test_own_limit_ends_the_wait(void **state)
{
    struct trial trial = {.rules = plain_rules()};
    struct rb_absent_host host = {0};
    (void) state;
    begin_absent(&trial, &host, 1500);
    assert_false(rb_call_awaits_start(&trial.call, &refused, NOW_MS + 1000, NOW_MS));
    assert_true(rb_call_awaits_start(&trial.call, &refused, NOW_MS + 1600, NOW_MS));
    assert_int_equal(trial.call.deadline_ms, NOW_MS + 1600);
}

static void test_hosts_without_a_place(void **state)
{
    struct rb_absent absent = {0};
    (void) state;
    for (uint64_t i = 0; i < RB_ABSENT_REACH; i++)
        assert_ptr_equal(rb_absent_find(&absent, 1 + i * RB_ABSENT_HOSTS), &absent.hosts[1 + i]);
    assert_null(rb_absent_find(&absent, 1 + RB_ABSENT_REACH * RB_ABSENT_HOSTS));
    assert_ptr_equal(rb_absent_find(&absent, 1 + RB_ABSENT_HOSTS), &absent.hosts[2]);
}

static void test_wait_for_a_name_continues_with_the_port(void **state)
{
    struct rb_absent_host name = {0}, port = {0};
    (void) state;
    atomic_store(&name.since_ms, NOW_MS);
    rb_absent_continue(&name, &port);
    assert_int_equal(atomic_load(&name.since_ms), 0);
    assert_int_equal(rb_absent_take(&port, true, NOW_MS + 7), 7);
    atomic_store(&port.since_ms, NOW_MS + 1);
    atomic_store(&name.since_ms, NOW_MS + 2);
    rb_absent_continue(&name, &port);
    assert_int_equal(rb_absent_take(&port, true, NOW_MS + 7), 6);
}

// ---- a connect whose protocol is known later ----

// Begins a connect that succeeds at once. One failure has opened the breaker, or none has.
static struct rb_call connect_in(struct trial *trial, enum rb_breaker_refuse refuse, bool failed, uint64_t now_ms)
{
    *trial = (struct trial){.rules = plain_rules()};
    trial->rules.breaker.min_calls = 1;
    trial->rules.breaker.refuse = refuse;
    trial->rules.breaker.open_ms = trial->rules.breaker.open_max_ms = 1000;
    if (failed) {
        begin(trial, 0);
        judge(trial, &refused, RB_REASON_NONE, true, NOW_MS);
        assert_int_equal(rb_breaker_peek(&trial->breaker, NULL), RB_BREAKER_OPEN);
    }
    rb_call_begin(&trial->call, &trial->rules, &trial->breaker, &trial->budget, 0, now_ms);
    assert_true(rb_call_admit(&trial->call, now_ms, NULL));
    rb_call_connected(&trial->call, now_ms);
    return trial->call;
}

static enum rb_breaker_state state_of(const struct trial *trial)
{
    return rb_breaker_peek(&trial->breaker, NULL);
}

static bool take_over(struct trial *trial, struct rb_call *connect, uint64_t now_ms)
{
    rb_call_begin(&trial->call, &trial->rules, &trial->breaker, NULL, 0, now_ms);
    return rb_call_take_over(&trial->call, connect, now_ms);
}

static void test_request_takes_over_a_probe(void **state)
{
    struct trial trial;
    struct rb_call connect = connect_in(&trial, RB_REFUSE_ALWAYS, true, NOW_MS + 2000);
    (void) state;
    assert_int_equal(state_of(&trial), RB_BREAKER_HALF_OPEN);
    assert_true(take_over(&trial, &connect, NOW_MS + 2500));
    assert_int_equal(trial.call.permit.kind, RB_PERMIT_PROBE);
    assert_int_equal(connect.permit.kind, RB_PERMIT_NONE);
    judge(&trial, &unavailable, RB_REASON_NONE, true, NOW_MS + 2600);
    assert_int_equal(state_of(&trial), RB_BREAKER_OPEN);
}

static void test_request_takes_over_a_passed_attempt(void **state)
{
    struct trial trial;
    struct rb_call connect = connect_in(&trial, RB_REFUSE_NEVER, true, NOW_MS);
    (void) state;
    assert_int_equal(connect.permit.kind, RB_PERMIT_PASSED);
    trial.rules.breaker.refuse = RB_REFUSE_ALWAYS; // a new policy
    assert_true(take_over(&trial, &connect, NOW_MS + 10));
    assert_int_equal(trial.call.permit.kind, RB_PERMIT_PASSED);
}

// The breaker opens between the connect and the request.
static void test_request_may_be_refused(void **state)
{
    struct trial trial;
    struct rb_call connect = connect_in(&trial, RB_REFUSE_ALWAYS, false, NOW_MS);
    (void) state;
    begin(&trial, 0);
    judge(&trial, &refused, RB_REASON_NONE, true, NOW_MS);
    assert_int_equal(state_of(&trial), RB_BREAKER_OPEN);
    assert_false(take_over(&trial, &connect, NOW_MS + 10));
    assert_int_equal(connect.permit.kind, RB_PERMIT_NONE);
}

// A connect of a closed breaker counts only as its request: after one failure every call has failed.
static void test_connect_is_no_success(void **state)
{
    struct trial trial;
    struct rb_call connect = connect_in(&trial, RB_REFUSE_ALWAYS, false, NOW_MS);
    (void) state;
    trial.rules.breaker.failure_rate = 10000;
    assert_true(take_over(&trial, &connect, NOW_MS + 10));
    judge(&trial, &unavailable, RB_REASON_NONE, true, NOW_MS + 20);
    assert_int_equal(state_of(&trial), RB_BREAKER_OPEN);
}

// A success that is recorded late closes the breaker only as its probe.
static void test_connect_settles(void **state)
{
    enum { LATE_MS = RB_CALL_FRESH_MS + 1 };
    struct trial trial;
    struct rb_call connect = connect_in(&trial, RB_REFUSE_NEVER, true, NOW_MS);
    (void) state;
    rb_call_settle(&connect, NOW_MS + RB_CALL_FRESH_MS);
    assert_int_equal(state_of(&trial), RB_BREAKER_CLOSED);
    assert_int_equal(connect.ended_ms, NOW_MS);
    connect = connect_in(&trial, RB_REFUSE_NEVER, true, NOW_MS);
    rb_call_settle(&connect, NOW_MS + LATE_MS);
    assert_int_equal(state_of(&trial), RB_BREAKER_OPEN);
    connect = connect_in(&trial, RB_REFUSE_ALWAYS, true, NOW_MS + 2000);
    rb_call_settle(&connect, NOW_MS + 2000 + LATE_MS);
    assert_int_equal(state_of(&trial), RB_BREAKER_CLOSED);
}

// The time from the success of the connect to its record is not part of the attempt.
static void test_connect_that_settles_is_not_slow(void **state)
{
    struct trial trial;
    struct rb_call connect = connect_in(&trial, RB_REFUSE_ALWAYS, false, NOW_MS);
    (void) state;
    trial.rules.breaker.slow_call_ms = 100;
    rb_call_settle(&connect, NOW_MS + 900);
    assert_int_equal(state_of(&trial), RB_BREAKER_CLOSED);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_takes_over_a_probe),
        cmocka_unit_test(test_request_takes_over_a_passed_attempt),
        cmocka_unit_test(test_request_may_be_refused),
        cmocka_unit_test(test_connect_is_no_success),
        cmocka_unit_test(test_connect_settles),
        cmocka_unit_test(test_connect_that_settles_is_not_slow),
        cmocka_unit_test(test_throttling_is_for_one_credential),
        cmocka_unit_test(test_the_longer_wish_counts),
        cmocka_unit_test(test_others_are_held_back),
        cmocka_unit_test(test_retries_are_held_back),
        cmocka_unit_test(test_what_is_heard),
        cmocka_unit_test(test_holding_must_fit),
        cmocka_unit_test(test_order_of_reasons),
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_other_is_never_repeated),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_refused_tunnel),
        cmocka_unit_test(test_attempts_and_schedule),
        cmocka_unit_test(test_once_means_one_retry),
        cmocka_unit_test(test_previous_delay_is_remembered),
        cmocka_unit_test(test_total_time),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_forbidden_by_the_server),
        cmocka_unit_test(test_hint_of_a_decision),
        cmocka_unit_test(test_throttling_is_the_callers),
        cmocka_unit_test(test_budget_is_charged_last),
        cmocka_unit_test(test_budget_is_charged_per_call),
        cmocka_unit_test(test_budget_of_zero_means_never),
        cmocka_unit_test(test_breaker_hears_every_attempt),
        cmocka_unit_test(test_breaker_that_ends_in_time),
        cmocka_unit_test(test_slow_attempts),
        cmocka_unit_test(test_short_timeouts_prove_nothing),
        cmocka_unit_test(test_own_attempt_passes_without_retries),
        cmocka_unit_test(test_passed_attempt_leaves_the_budget),
        cmocka_unit_test(test_late_look_at_a_refusal_is_not_costly),
        cmocka_unit_test(test_answered_probe_closes),
        cmocka_unit_test(test_answered_counts_once),
        cmocka_unit_test(test_always_refuses),
        cmocka_unit_test(test_process_with_success_is_not_refused),
        cmocka_unit_test(test_recent_results),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_sweep_ends),
        cmocka_unit_test(test_two_draws_from_one),
        cmocka_unit_test(test_tries_do_not_count),
        cmocka_unit_test(test_success_ends_the_wait_for_good),
        cmocka_unit_test(test_which_failures_wait_for_the_start),
        cmocka_unit_test(test_own_limit_ends_the_wait),
        cmocka_unit_test(test_hosts_without_a_place),
        cmocka_unit_test(test_wait_for_a_name_continues_with_the_port),
        cmocka_unit_test(test_reason_names),
    };
    return cmocka_run_group_tests_name("engine call", tests, NULL, NULL);
}
