// SPDX-License-Identifier: MIT
// The view of a state that the commands have, and the changes that they make.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "state_file.h"

#include "engine/call.h"
#include "real/system.h"
#include "state/cells.h"
#include "state/label.h"
#include "state/record.h"
#include "state/ring.h"
#include "state/shared.h"
#include "state/view.h"

enum { CELLS = 64, NOW_MS = 1000000 };

static struct rb_view view;

static const struct rb_rules rules = {
    .breaker = {.window = 10,
                .min_calls = 4,
                .failure_rate = 5000,
                .slow_rate = 10000,
                .open_ms = 5000,
                .open_multiplier_milli = 1000,
                .open_max_ms = 5000,
                .probes = 2,
                .probe_lease_ms = 1000,
                .quorum = 1},
    .budget = {.ratio = 2000, .floor_milli = 3000},
};

static int set_up(void **state)
{
    (void) state;
    if (!make_directory())
        return 1;
    return rb_store_make(path, CELLS) != RB_STORE_SOUND || rb_view_open(&view, path, geteuid(), true) != RB_STORE_SOUND;
}

static int tear_down(void **state)
{
    (void) state;
    rb_view_close(&view);
    return remove_directory();
}

static struct rb_cell *cell_of(uint64_t key, const char *host)
{
    struct rb_target target = {.name = host, .name_length = strlen(host), .port = 443};
    return rb_cell_in(&view.state, key, "payments", &rules, &target, NOW_MS);
}

static void record(struct rb_cell *cell, enum rb_health health, uint64_t now_ms)
{
    struct rb_permit permit;
    assert_true(rb_breaker_acquire(&cell->breaker, &rules.breaker, RB_ASK_OWN, now_ms, &permit, NULL));
    rb_breaker_record(&cell->breaker, &rules.breaker, &permit, health, 0, now_ms, 0);
}

// The one cell that is in use.
static struct rb_view_cell only_cell(uint64_t now_ms)
{
    struct rb_view_cell found = {0}, cell;
    unsigned count = 0;
    for (uint32_t i = 0; i < view.state.cell_count; i++) {
        if (!rb_view_cell(&view, i, now_ms, &cell))
            continue;
        found = cell;
        count++;
    }
    assert_int_equal(count, 1);
    return found;
}

static void test_an_empty_state(void **state)
{
    struct rb_view_cell cell;
    struct rb_view_policy policy;
    struct rb_view_event event;
    struct rb_view_process process;
    struct rb_view_totals totals;
    uint64_t after = 0;
    (void) state;
    for (uint32_t i = 0; i < view.state.cell_count + 10; i++)
        assert_false(rb_view_cell(&view, i, NOW_MS, &cell));
    for (unsigned i = 0; i < RB_STATE_POLICIES + 10; i++)
        assert_false(rb_view_policy(&view, i, &policy));
    for (unsigned i = 0; i < RB_STATE_PROCESSES + 10; i++)
        assert_false(rb_view_process(&view, i, &process));
    assert_false(rb_view_event(&view, &after, &event));
    rb_view_totals(&view, &totals);
    assert_true(totals.created_s > 0);
    assert_true(totals.reload_succeeded);
}

static void test_a_cell(void **state)
{
    struct rb_cell *cell = cell_of(1, "Api.Example.");
    (void) state;
    record(cell, RB_HEALTH_SUCCESS, NOW_MS);
    record(cell, RB_HEALTH_FAILURE, NOW_MS);
    struct rb_view_cell seen = only_cell(NOW_MS);
    assert_string_equal(seen.policy, "payments");
    assert_string_equal(seen.host, "api.example:443");
    assert_int_equal(seen.state, RB_BREAKER_CLOSED);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(seen.failed, 1);
    assert_int_equal(seen.failure_rate, 5000);
    assert_int_equal(seen.rules.min_calls, 4);
    assert_int_equal(seen.rules.probes, 2);
    assert_int_equal(seen.budget_milli, 30000);
    assert_true(rb_budget_withdraw(&cell->budget, &rules.budget, NOW_MS));
    assert_in_range(only_cell(NOW_MS).budget_milli, 28999, 29001);
    rb_not_before_set(&cell->not_before, 700, NOW_MS);
    rb_not_before_take(&cell->not_before, 1000, NOW_MS);
    seen = only_cell(NOW_MS + 200);
    assert_int_equal(seen.not_before_in_ms, 500);
    assert_int_equal(seen.not_before_queued, 1);
}

// Opens a breaker by failures that take so long; returns whether those who look are told that it refuses.
static bool shows_refusals(enum rb_breaker_refuse refuse, uint64_t took_ms)
{
    struct rb_cell *cell = cell_of(1, "api.example");
    struct rb_breaker_rules own = rules.breaker;
    own.refuse = refuse;
    rb_breaker_renew(&cell->breaker);
    for (unsigned i = 0; i < 4; i++) {
        struct rb_permit permit;
        assert_true(rb_breaker_acquire(&cell->breaker, &own, RB_ASK_OWN, NOW_MS, &permit, NULL));
        rb_breaker_record(&cell->breaker, &own, &permit, RB_HEALTH_FAILURE, took_ms, NOW_MS, 0);
    }
    atomic_store(&cell->rules, rb_state_pack_rules(&own));
    struct rb_view_cell seen = only_cell(NOW_MS);
    assert_int_equal(seen.state, RB_BREAKER_OPEN);
    assert_int_equal(seen.rules.refuse, refuse);
    assert_int_equal(seen.rules.probes, 2);
    assert_int_equal(seen.rules.quorum, 1);
    return seen.refuses;
}

static void test_whether_it_refuses(void **state)
{
    (void) state;
    assert_false(shows_refusals(RB_REFUSE_SLOW, RB_BREAKER_COSTLY_MS - 1));
    assert_true(shows_refusals(RB_REFUSE_SLOW, RB_BREAKER_COSTLY_MS));
    assert_true(shows_refusals(RB_REFUSE_ALWAYS, 0));
    assert_false(shows_refusals(RB_REFUSE_NEVER, RB_BREAKER_COSTLY_MS));
}

static void test_an_open_cell_and_its_probe(void **state)
{
    struct rb_cell *cell = cell_of(1, "api.example");
    struct rb_call call;
    (void) state;
    for (unsigned i = 0; i < 4; i++)
        record(cell, RB_HEALTH_FAILURE, NOW_MS);
    struct rb_view_cell seen = only_cell(NOW_MS + 1000);
    assert_int_equal(seen.state, RB_BREAKER_OPEN);
    assert_int_equal(seen.next_probe_in_ms, 4000);
    struct rb_rules on = rules;
    on.breaker_on = true;
    rb_cell_begin(cell, &call, &on, 0, NOW_MS + 5000);
    assert_true(rb_call_admit(&call, NOW_MS + 5000, NULL));
    seen = only_cell(NOW_MS + 5400);
    assert_int_equal(seen.state, RB_BREAKER_HALF_OPEN);
    assert_int_equal(seen.holder_count, 1);
    assert_int_equal(seen.holders[0].pid, getpid());
    assert_int_equal(seen.holders[0].lease_left_ms, 600);
    assert_int_equal(seen.holders[0].start_ticks, rb_shared_self() >> 22 & 0x3ffffff);
    assert_int_equal(seen.generation, 3); // taken, opened, half-open
}

// A process whose clock is 100 days ahead has left every time of a cell. Nobody waits for them, and nobody is shown
// them; the next calls by the right clock find all they need.
static void test_times_of_another_clock(void **state)
{
    const uint64_t ahead = NOW_MS + UINT64_C(100) * 24 * 3600 * 1000;
    struct rb_cell *cell = cell_of(1, "api.example");
    struct rb_call call;
    (void) state;
    for (unsigned i = 0; i < 4; i++)
        record(cell, RB_HEALTH_FAILURE, ahead);
    while (rb_budget_withdraw(&cell->budget, &rules.budget, ahead))
        continue;
    rb_budget_deposit(&cell->budget, &rules.budget, ahead);
    rb_not_before_set(&cell->not_before, 60000, ahead);
    struct rb_not_before *own = rb_tenants_claim(&cell->tenants, 77, ahead);
    assert_non_null(own);
    rb_not_before_set(own, 60000, ahead);
    atomic_store(&cell->used_ms, ahead);

    struct rb_view_cell seen = only_cell(NOW_MS);
    assert_int_equal(seen.state, RB_BREAKER_OPEN);
    assert_int_equal(seen.next_probe_in_ms, 0);
    assert_int_equal(seen.not_before_in_ms, 0);
    assert_int_equal(seen.not_before_queued, 0);
    assert_int_equal(seen.used_ago_ms, 0);
    struct rb_rules on = rules;
    on.breaker_on = true;
    rb_cell_begin(cell, &call, &on, 0, ahead + 6000);
    assert_true(rb_call_admit(&call, ahead + 6000, NULL)); // takes a probe, and dies
    seen = only_cell(NOW_MS);
    assert_int_equal(seen.state, RB_BREAKER_HALF_OPEN);
    assert_int_equal(seen.holders[0].lease_left_ms, 0);

    cell_of(1, "api.example");
    assert_int_equal(atomic_load(&cell->used_ms), NOW_MS);
    for (unsigned i = 0; i < 2; i++) // the probes of this clock close the breaker
        record(cell, RB_HEALTH_SUCCESS, NOW_MS);
    assert_int_equal(only_cell(NOW_MS).state, RB_BREAKER_CLOSED);
    rb_cell_begin(cell, &call, &on, 0, NOW_MS);
    assert_int_equal(rb_call_hold(&call, NOW_MS), 0);
    assert_int_equal(rb_not_before_left_ms(own, NOW_MS, NULL), 0);
    assert_false(rb_budget_withdraw(&cell->budget, &rules.budget, NOW_MS)); // an empty floor, which fills by this clock
    assert_true(rb_budget_withdraw(&cell->budget, &rules.budget, NOW_MS + 334));
}

// ---- controls ----

static void test_forcing(void **state)
{
    struct rb_cell *one = cell_of(1, "api.example"), *other = cell_of(2, "api.example.org");
    (void) state;
    assert_int_equal(rb_view_force(&view, "nobody.example", RB_FORCE_OPEN), 0);
    assert_int_equal(rb_view_force(&view, "api.example", RB_FORCE_OPEN), 1);
    assert_int_equal(rb_breaker_forced(&one->breaker), RB_FORCE_OPEN);
    assert_int_equal(rb_breaker_forced(&other->breaker), RB_FORCE_NONE);
    assert_int_equal(rb_view_force(&view, "API.example:443", RB_FORCE_CLOSED), 1);
    assert_int_equal(rb_breaker_forced(&one->breaker), RB_FORCE_CLOSED);
    assert_int_equal(rb_view_force(&view, "api.example:44", RB_FORCE_OPEN), 0);
    assert_int_equal(rb_view_force(&view, "api.example", RB_FORCE_NONE), 1);
    assert_int_equal(rb_breaker_forced(&one->breaker), RB_FORCE_NONE);
    assert_int_equal(rb_view_force(&view, "api.example.", RB_FORCE_OPEN), 1);
    assert_int_equal(rb_view_force(&view, "", RB_FORCE_OPEN), 0);
    assert_int_equal(rb_view_force(&view, ".", RB_FORCE_OPEN), 0);
    assert_int_equal(rb_view_force(&view, "payments", RB_FORCE_OPEN), 0); // these breakers are of hosts
}

static void test_forcing_the_breaker_of_a_policy(void **state)
{
    struct rb_rules whole = rules;
    struct rb_target target = {.name = "api.example", .name_length = 11, .port = 443};
    (void) state;
    whole.breaker_scope = RB_SCOPE_POLICY;
    struct rb_cell *cell = rb_cell_in(&view.state, 3, "payments", &whole, &target, NOW_MS);
    assert_int_equal(rb_view_force(&view, "", RB_FORCE_OPEN), 0);
    assert_int_equal(rb_view_force(&view, "api.example", RB_FORCE_OPEN), 0);
    assert_int_equal(rb_view_force(&view, "payments", RB_FORCE_OPEN), 1);
    assert_int_equal(rb_breaker_forced(&cell->breaker), RB_FORCE_OPEN);
}

static void test_switching(void **state)
{
    struct rb_view_policy policy;
    unsigned found = 0;
    (void) state;
    assert_true(rb_view_switch(&view, "payments", true));
    for (unsigned i = 0; i < RB_STATE_POLICIES; i++) {
        if (!rb_view_policy(&view, i, &policy))
            continue;
        assert_string_equal(policy.name, "payments");
        assert_true(policy.off);
        found++;
    }
    assert_int_equal(found, 1);
    assert_int_equal(atomic_load(&view.state.header->policies_off), 1);
    assert_true(rb_view_switch(&view, "payments", false));
    assert_int_equal(atomic_load(&rb_label_find_policy(&view.state, "payments")->off), 0);
}

static void test_read_only(void **state)
{
    struct rb_view reader;
    (void) state;
    cell_of(1, "api.example");
    assert_int_equal(rb_view_open(&reader, path, geteuid(), false), RB_STORE_SOUND);
    assert_int_equal(rb_view_force(&reader, "api.example", RB_FORCE_OPEN), 0);
    assert_false(rb_view_switch(&reader, "payments", true));
    rb_view_reset(&reader); // would crash if it tried
    rb_view_close(&reader);
}

static void put_event(const char *host)
{
    struct rb_ring_entry entry = {.verdict = RB_VERDICT_RETRY,
                                  .api = RB_API_CONNECT,
                                  .cause = RB_CAUSE_RESET,
                                  .delay_ms = 20,
                                  .attempt = 1,
                                  .process = 4711};
    rb_state_pad(entry.policy, sizeof(entry.policy), "payments");
    rb_state_pad(entry.host, sizeof(entry.host), host);
    rb_state_pad(entry.program, sizeof(entry.program), "curl");
    entry.way = RB_WAY_OPENSSL;
    rb_state_pad(entry.method, sizeof(entry.method), "GET");
    rb_state_pad(entry.path, sizeof(entry.path), "/v1");
    rb_ring_put(&view.state, &entry);
}

static void test_reset(void **state)
{
    struct rb_cell *cell = cell_of(1, "api.example");
    struct rb_view_cell seen;
    struct rb_view_event event;
    uint64_t after = 0;
    (void) state;
    for (unsigned i = 0; i < 4; i++)
        record(cell, RB_HEALTH_FAILURE, NOW_MS);
    rb_view_switch(&view, "payments", true);
    put_event("a");
    atomic_store(&view.state.processes[7], 4711);
    assert_true(rb_view_event(&view, &after, &event));
    rb_view_reset(&view);
    for (uint32_t i = 0; i < view.state.cell_count; i++)
        assert_false(rb_view_cell(&view, i, NOW_MS, &seen));
    assert_null(rb_label_find_policy(&view.state, "payments"));
    assert_false(rb_view_event(&view, &after, &event));
    put_event("b"); // one who follows the events sees it
    assert_true(rb_view_event(&view, &after, &event));
    assert_string_equal(event.host, "b");
    assert_string_equal(event.method, "GET");
    assert_string_equal(event.path, "/v1");
    assert_int_equal(event.way, RB_WAY_OPENSSL);
    assert_int_equal(atomic_load(&view.state.processes[7]), 4711);
    assert_int_equal(rb_breaker_peek(&cell_of(1, "api.example")->breaker, NULL), RB_BREAKER_CLOSED);
}

// ---- events ----

static void test_events_in_order(void **state)
{
    struct rb_view_event event;
    uint64_t after = 0;
    (void) state;
    put_event("a");
    put_event("b");
    assert_true(rb_view_event(&view, &after, &event));
    assert_string_equal(event.host, "a");
    assert_string_equal(event.policy, "payments");
    assert_string_equal(event.program, "curl");
    assert_int_equal(event.pid, 4711);
    assert_int_equal(event.cause, RB_CAUSE_RESET);
    assert_int_equal(event.delay_ms, 20);
    assert_true(rb_view_event(&view, &after, &event));
    assert_string_equal(event.host, "b");
    assert_false(rb_view_event(&view, &after, &event));
    put_event("c");
    assert_true(rb_view_event(&view, &after, &event));
    assert_int_equal(event.number, 3);
    assert_int_equal(rb_view_event_last(&view), 3);
}

static void test_the_ring_comes_round(void **state)
{
    struct rb_view_event event;
    uint64_t after = 0;
    unsigned count = 0;
    (void) state;
    for (unsigned i = 0; i < RB_STATE_EVENTS + 5; i++)
        put_event("a");
    while (rb_view_event(&view, &after, &event))
        assert_int_equal(event.number, 6 + count++);
    assert_int_equal(count, RB_STATE_EVENTS);
}

static void test_broken_events_are_left_out(void **state)
{
    struct rb_view_event event;
    uint64_t after = 0;
    (void) state;
    put_event("a");
    put_event("b\x1b[2J"); // not broken; what prints the name escapes it
    put_event("c");
    put_event("d");
    atomic_fetch_xor(&view.state.events[3].words[5], 1);
    assert_true(rb_view_event(&view, &after, &event));
    assert_string_equal(event.host, "a");
    assert_true(rb_view_event(&view, &after, &event));
    assert_string_equal(event.host, "b\x1b[2J");
    assert_true(rb_view_event(&view, &after, &event));
    assert_string_equal(event.host, "d");
    atomic_store(&view.state.header->event_next, UINT64_MAX);
    after = 0;
    assert_false(rb_view_event(&view, &after, &event)); // and ends
}

// A reader may see words of two entries while one replaces the other. Here their times are as far apart as possible.
static void test_half_overwritten_events_are_left_out(void **state)
{
    enum { NUMBER = 4 };
    struct rb_state_event *place = &view.state.events[NUMBER];
    struct rb_ring_entry entry;
    (void) state;
    for (unsigned i = 0; i < NUMBER; i++)
        put_event("a");
    atomic_fetch_add(&place->number, RB_STATE_EVENTS);
    atomic_fetch_xor(&place->words[0], RB_STATE_EVENTS);
    assert_false(rb_ring_get(&view.state, NUMBER + RB_STATE_EVENTS, &entry));
    atomic_fetch_xor(&place->words[0], RB_STATE_EVENTS);
    atomic_fetch_sub(&place->number, RB_STATE_EVENTS);
    atomic_fetch_xor(&place->words[4], UINT64_C(1) << 63);
    atomic_fetch_xor(&place->words[5], UINT64_C(1) << 63); // the last bytes of neighbours
    assert_false(rb_ring_get(&view.state, NUMBER, &entry));
}

// ---- counters ----

static uint64_t value(const struct rb_view *of, unsigned counter)
{
    struct rb_view_policy policy;
    for (unsigned i = 0; i < RB_STATE_POLICIES; i++)
        if (rb_view_policy(of, i, &policy) && strcmp(policy.name, "payments") == 0)
            return policy.values[counter];
    return 0;
}

// By the library's own functions, on its own state.
static void test_counters(void **state)
{
    struct rb_view own = {.state = *rb_shared()};
    struct rb_target target = {.name = "api.example", .name_length = 11, .port = 443};
    struct rb_rules on = rules;
    struct rb_call call;
    struct rb_event event = {.policy = "payments", .host = "api.example:443", .api = RB_API_CURL, .resends = 2};
    (void) state;
    on.breaker_on = true;
    struct rb_cell *cell = rb_cell_get(rb_cell_key(&(struct rb_section){.name = "payments"}, &target, 0), "payments",
                                       &on, &target, NOW_MS);
    rb_cell_begin(cell, &call, &on, 0, NOW_MS);
    call.attempt = 1;
    call.ended_ms = NOW_MS + 42;
    rb_record_success(&call, "payments", RB_API_CURL);
    event.verdict = RB_VERDICT_RETRY;
    event.cause = RB_CAUSE_STATUS;
    event.delay_ms = 200;
    rb_record_event(&call, &event, "curl");
    call.attempt = 3;
    event.verdict = RB_VERDICT_STOP;
    event.reason = RB_REASON_BUDGET;
    rb_record_event(&call, &event, "curl");
    event.verdict = RB_VERDICT_REFUSED;
    call.attempt = 0;
    rb_record_event(&call, &event, "curl");
    for (unsigned i = 0; i < 4; i++)
        record(cell, RB_HEALTH_FAILURE, NOW_MS);
    rb_record_success(&call, "payments", RB_API_DNS);
    assert_int_equal(value(&own, RB_COUNTER_CALLS + RB_API_CURL * RB_RESULT_COUNT + RB_RESULT_SUCCESS), 1);
    assert_int_equal(value(&own, RB_COUNTER_CALLS + RB_API_CURL * RB_RESULT_COUNT + RB_RESULT_FAILED), 1);
    assert_int_equal(value(&own, RB_COUNTER_CALLS + RB_API_CURL * RB_RESULT_COUNT + RB_RESULT_REFUSED), 1);
    assert_int_equal(value(&own, RB_COUNTER_CALLS + RB_API_DNS * RB_RESULT_COUNT + RB_RESULT_SUCCESS), 1);
    assert_int_equal(value(&own, RB_COUNTER_ATTEMPTS), 4);
    assert_int_equal(value(&own, RB_COUNTER_RETRIES + RB_CAUSE_STATUS), 1);
    assert_int_equal(value(&own, RB_COUNTER_SUPPRESSED + RB_REASON_BUDGET), 1);
    assert_int_equal(value(&own, RB_COUNTER_BACKOFF_MS), 200);
    assert_int_equal(value(&own, RB_COUNTER_RESENDS), 6);
    assert_int_equal(value(&own, RB_COUNTER_REJECTED), 1);
    assert_int_equal(value(&own, RB_COUNTER_TRANSITIONS + RB_BREAKER_OPEN), 1);
    assert_int_equal(value(&own, RB_COUNTER_DURATION + 5), 2); // 25 ms to 50 ms
    assert_int_equal(value(&own, RB_COUNTER_DURATION + 0), 0); // the calls without an attempt took no time of theirs
    assert_int_equal(value(&own, RB_COUNTER_DURATION_MS), 84);
    struct rb_view_cell host;
    assert_true(rb_view_cell(&own, (uint32_t) (cell - own.state.cells), NOW_MS, &host));
    assert_int_equal(host.ended.calls, 4);
    assert_int_equal(host.ended.attempts, 4); // 1 + 3 + 0 + 0
    assert_int_equal(host.ended.failures, 1);
    assert_int_equal(host.ended.rejected, 1);
}

// A host without a breaker is counted, too. A lookup that is part of another call has no host.
static void test_counters_of_a_host_without_breaker(void **state)
{
    struct rb_view own = {.state = *rb_shared()};
    struct rb_target target = {.name = "plain.example", .name_length = 13, .port = 80};
    struct rb_view_cell host;
    struct rb_event event = {.policy = "plain", .host = "plain.example:80", .verdict = RB_VERDICT_RECOVERED};
    struct rb_call call;
    (void) state;
    struct rb_cell *cell = rb_cell_get(77, "plain", &rules, &target, NOW_MS);
    rb_cell_begin(cell, &call, &rules, 0, NOW_MS);
    assert_null(call.breaker);
    call.attempt = 1;
    rb_record_success(&call, "plain", RB_API_CONNECT);
    call.attempt = 5;
    rb_record_event(&call, &event, "curl");
    call.budget = NULL;
    rb_record_success(&call, "plain", RB_API_DNS);
    struct rb_view_policy policy = {0};
    for (unsigned i = 0; i < RB_STATE_POLICIES && strcmp(policy.name, "plain") != 0; i++)
        rb_view_policy(&own, i, &policy);
    assert_int_equal(policy.rest.calls, 1);
    assert_int_equal(policy.rest.attempts, 5);
    assert_true(rb_view_cell(&own, (uint32_t) (cell - own.state.cells), NOW_MS, &host));
    assert_int_equal(host.ended.calls, 2);
    assert_int_equal(host.ended.attempts, 6);
    assert_int_equal(host.ended.failures, 0);
    assert_int_equal(host.ended.rejected, 0);
}

// A connect whose failure is passed to the program at once is not judged. Its attempt ends when it is counted.
static void test_the_duration_of_an_attempt_without_judgement(void **state)
{
    struct rb_view own = {.state = *rb_shared()};
    struct rb_call call = {.attempt = 1};
    struct rb_event event = {.policy = "payments", .host = "x:1", .verdict = RB_VERDICT_STOP};
    uint64_t now_ms = rb_system_now_ms(), before = value(&own, RB_COUNTER_DURATION_MS);
    (void) state;
    call.begun_ms = now_ms > 7000 ? now_ms - 7000 : 0;
    call.attempt_started_ms = call.begun_ms + 1;
    rb_record_event(&call, &event, "curl");
    assert_true(value(&own, RB_COUNTER_DURATION_MS) - before >= now_ms - call.begun_ms);
}

// More policies than there is room for are not counted, and that is.
static void test_too_many_policies(void **state)
{
    struct rb_call call = {.attempt = 1};
    (void) state;
    for (unsigned i = 0; i < 3 * RB_STATE_POLICIES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "policy %u", i);
        rb_record_success(&call, name, RB_API_CURL);
    }
    assert_true(atomic_load(&rb_shared()->header->uncounted) >= 2 * RB_STATE_POLICIES);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FILE(test_an_empty_state),
        ON_FILE(test_a_cell),
        ON_FILE(test_whether_it_refuses),
        ON_FILE(test_an_open_cell_and_its_probe),
        ON_FILE(test_times_of_another_clock),
        ON_FILE(test_forcing),
        ON_FILE(test_forcing_the_breaker_of_a_policy),
        ON_FILE(test_switching),
        ON_FILE(test_read_only),
        ON_FILE(test_reset),
        ON_FILE(test_events_in_order),
        ON_FILE(test_the_ring_comes_round),
        ON_FILE(test_broken_events_are_left_out),
        ON_FILE(test_half_overwritten_events_are_left_out),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_counters_of_a_host_without_breaker),
        cmocka_unit_test(test_the_duration_of_an_attempt_without_judgement),
        cmocka_unit_test(test_too_many_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
