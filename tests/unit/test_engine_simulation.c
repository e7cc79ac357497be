// SPDX-License-Identifier: MIT
// 64 clients and one host, played on a virtual clock by the engine alone: what the breaker does to programs.
//
// Each scenario is played three times: without rebound ("alone"), with the default policy (breaker.refuse = slow), and
// with breaker.refuse = always. Every client wants one call a second. A call that a client could not begin, because it
// still waited for an earlier one, counts as failed. The table shows the share of calls that succeeded, the requests
// that the host got, and the time from the host's recovery to the first success.
//
// The engine's order of events is that of real programs: admit, attempt, judge, wait. Cells are what the library makes
// of them: one for each route to the host, so a client with a proxy of its own has a breaker of its own.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/call.h"
#include "policy/key.h"

enum {
    CLIENTS = 64,
    PERIOD_MS = 1000, // between two calls that a client wants
    SICK_MS = 20000,  // when the host falls ill
    WELL_MS = 80000,  // when it is well again
    END_MS = 140000,  // the end of the play
    FAST_MS = 20,     // an answer, also a 503
    REFUSAL_MS = 1,   // a refused connect
    SLOW_ANSWER_MS = 3000,
    HANG_MS = 2000,         // before a 503 of a host that hangs first
    LIMIT_LEAST_MS = 20000, // the clients' own limits lie between these two
    LIMIT_MOST_MS = 40000,
    BACKENDS = 4,      // behind the host's address, for the rolling restart
    RESTART_MS = 5000, // how long each of them is away
    RETRY_AFTER_MS = 5000,
    NAME_WIDTH = 42
};

enum mode { ALONE, SLOW, ALWAYS, MODES };

static const char *const mode_names[MODES] = {"alone", "slow", "always"};

// What becomes of one request.
struct answer {
    struct rb_outcome outcome;
    uint64_t took_ms;
    struct rb_hint hint;
};

// One request, as the host sees it.
struct request {
    unsigned client;
    uint64_t number; // of all requests at the host
    uint64_t now_ms;
    uint32_t luck;     // uniform random, the same for the same attempt in all modes
    uint64_t limit_ms; // the client's
};

struct scenario {
    const char *name;
    struct answer (*answer)(const struct request *request);
    uint64_t well_ms;      // when the host is well again; 0: it is as it is all the time
    uint64_t slow_call_ms; // breaker.slow_call
    bool own_route;        // the first client goes by a route of its own
};

// ---- what hosts do ----

static struct answer good(void)
{
    return (struct answer){.outcome = {.health = RB_HEALTH_SUCCESS, .sent = RB_SENT_ANSWERED}, .took_ms = FAST_MS};
}

static struct answer refusal(void)
{
    return (struct answer){
        .outcome = {.cause = RB_CAUSE_REFUSED, .sent = RB_SENT_NEVER, .health = RB_HEALTH_FAILURE},
        .took_ms = REFUSAL_MS,
    };
}

static struct answer status(unsigned status, enum rb_health health)
{
    return (struct answer){
        .outcome = {.cause = RB_CAUSE_STATUS, .sent = RB_SENT_ANSWERED, .health = health, .status = status},
        .took_ms = FAST_MS,
    };
}

static bool is_sick(const struct request *request)
{
    return request->now_ms >= SICK_MS && request->now_ms < WELL_MS;
}

static struct answer dead_by_refusal(const struct request *request)
{
    return is_sick(request) ? refusal() : good();
}

static struct answer dead_by_timeout(const struct request *request)
{
    struct answer timeout = {
        .outcome = {.cause = RB_CAUSE_TIMEOUT, .sent = RB_SENT_NEVER, .health = RB_HEALTH_FAILURE},
        .took_ms = request->limit_ms,
    };
    return is_sick(request) ? timeout : good();
}

static struct answer every_other_fails(const struct request *request)
{
    return request->number % 2 ? status(503, RB_HEALTH_FAILURE) : good();
}

static struct answer most_fail(const struct request *request)
{
    return request->luck % 10 ? status(503, RB_HEALTH_FAILURE) : good();
}

// Each 503 takes two seconds: failures that a refusal would spare.
static struct answer most_hang(const struct request *request)
{
    struct answer answer = request->luck % 5 ? status(503, RB_HEALTH_FAILURE) : good();
    if (answer.outcome.health == RB_HEALTH_FAILURE)
        answer.took_ms = HANG_MS;
    return answer;
}

static struct answer slow_answers(const struct request *request)
{
    struct answer answer = good();
    (void) request;
    answer.took_ms = SLOW_ANSWER_MS;
    return answer;
}

static struct answer bad_proxy(const struct request *request)
{
    return request->client == 0 ? refusal() : good();
}

static struct answer throttled_tenant(const struct request *request)
{
    struct answer answer = request->client == 0 ? status(429, RB_HEALTH_THROTTLED) : good();
    if (request->client == 0)
        answer.hint = (struct rb_hint){.source = RB_HINT_RETRY_AFTER, .wait_ms = RETRY_AFTER_MS};
    return answer;
}

// The backends are away one after the other. A balancer sends each request to one of them by chance.
static struct answer rolling_restart(const struct request *request)
{
    uint64_t turn = request->now_ms < SICK_MS ? BACKENDS : (request->now_ms - SICK_MS) / RESTART_MS;
    return turn < BACKENDS && request->luck % BACKENDS == turn ? refusal() : good();
}

static const struct scenario scenarios[] = {
    {"dead for 60 s, refuses", dead_by_refusal, WELL_MS, 0, false},
    {"dead for 60 s, does not answer", dead_by_timeout, WELL_MS, 0, false},
    {"every other request fails", every_other_fails, 0, 0, false},
    {"90 % of the requests fail", most_fail, 0, 0, false},
    {"80 % of the requests fail after 2 s", most_hang, 0, 0, false},
    {"slow: answers take 3 s (slow_call = 2s)", slow_answers, 0, 2000, false},
    {"one client of 64 has a dead proxy", bad_proxy, 0, 0, true},
    {"one client of 64 is throttled (429)", throttled_tenant, 0, 0, false},
    {"rolling restart, 4 backends, 5 s each", rolling_restart, SICK_MS + BACKENDS *RESTART_MS, 0, false},
};

// ---- the play ----

struct cell {
    struct rb_breaker breaker;
    struct rb_budget budget;
    struct rb_not_before not_before;
    struct rb_tenants tenants;
};

enum step { STEP_IDLE, STEP_HELD, STEP_FLIES, STEP_WAITS };

struct client {
    enum step step;
    uint64_t next_ms; // when the step ends
    uint64_t wish;    // number of the call that it makes
    uint64_t limit_ms;
    struct rb_call call;
    struct rb_recent recent;
    struct answer answer;
};

struct play {
    const struct scenario *scenario;
    enum mode mode;
    struct rb_rules rules;
    struct cell cells[2]; // of the common route, and of the first client's
    struct client clients[CLIENTS];
    uint64_t requests, wishes, good;
    uint64_t first_good_ms; // after the recovery; 0: none yet
};

// A number that depends on nothing but its arguments: splitmix64's last steps.
static uint32_t luck_of(uint64_t client, uint64_t wish, uint64_t attempt)
{
    uint64_t z = client * 0x9e3779b97f4a7c15u + wish * 0xbf58476d1ce4e5b9u + attempt * 0x94d049bb133111ebu;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t) ((z ^ (z >> 31)) >> 32);
}

static unsigned number_of(const struct play *play, const struct client *client)
{
    return (unsigned) (client - play->clients);
}

// The client's next call that is not over yet.
static void rest(struct play *play, struct client *client, uint64_t now_ms)
{
    uint64_t phase_ms = number_of(play, client) * (uint64_t) PERIOD_MS / CLIENTS;
    client->step = STEP_IDLE;
    client->next_ms = phase_ms + ((now_ms - phase_ms) / PERIOD_MS + 1) * PERIOD_MS;
}

static void succeed(struct play *play, uint64_t now_ms)
{
    play->good++;
    if (play->first_good_ms == 0 && play->scenario->well_ms > 0 && now_ms >= play->scenario->well_ms)
        play->first_good_ms = now_ms;
}

static void fly(struct play *play, struct client *client, uint64_t now_ms)
{
    unsigned number = number_of(play, client);
    struct request request = {
        .client = number,
        .number = play->requests++,
        .now_ms = now_ms,
        .luck = luck_of(number, client->wish, client->call.attempt),
        .limit_ms = client->limit_ms,
    };
    client->answer = play->scenario->answer(&request);
    client->step = STEP_FLIES;
    client->next_ms = now_ms + client->answer.took_ms;
}

// Makes the next attempt where the breaker admits it.
static void admit(struct play *play, struct client *client, uint64_t now_ms)
{
    if (play->mode == ALONE) {
        client->call.attempt = 1;
        fly(play, client, now_ms);
    } else if (rb_call_admit(&client->call, now_ms, NULL)) {
        fly(play, client, now_ms);
    } else {
        rest(play, client, now_ms);
    }
}

static void begin(struct play *play, struct client *client, uint64_t now_ms)
{
    unsigned number = number_of(play, client);
    struct cell *cell = &play->cells[play->scenario->own_route && number == 0];
    client->wish = now_ms / PERIOD_MS;
    if (play->mode != ALONE) {
        rb_call_begin(&client->call, &play->rules, &cell->breaker, &cell->budget, play->rules.total_ms, now_ms);
        client->call.not_before = &cell->not_before;
        client->call.tenants = &cell->tenants;
        client->call.credential = 1000 + number;
        client->call.recent = &client->recent;
        client->call.key = UINT64_C(1) << 40;
        uint64_t held_ms = rb_call_hold(&client->call, now_ms);
        if (held_ms > 0) {
            client->step = STEP_HELD;
            client->next_ms = now_ms + held_ms;
            return;
        }
    }
    admit(play, client, now_ms);
}

static void land(struct play *play, struct client *client, uint64_t now_ms)
{
    const struct answer *answer = &client->answer;
    struct rb_decision decision = {.retry = false};
    if (play->mode != ALONE)
        decision = rb_call_judge(&client->call, &answer->outcome, RB_REASON_NONE, true, &answer->hint, now_ms,
                                 luck_of(number_of(play, client), client->wish, 100 + client->call.attempt));
    if (decision.retry) {
        client->step = STEP_WAITS;
        client->next_ms = now_ms + decision.delay_ms;
        return;
    }
    if (answer->outcome.cause == RB_CAUSE_NONE)
        succeed(play, now_ms);
    rest(play, client, now_ms);
}

static struct client *next_client(struct play *play)
{
    struct client *next = play->clients;
    for (unsigned i = 1; i < CLIENTS; i++)
        if (play->clients[i].next_ms < next->next_ms)
            next = &play->clients[i];
    return next;
}

static void run(struct play *play, const struct scenario *scenario, enum mode mode)
{
    struct rb_section_values values;
    memset(play, 0, sizeof(*play));
    play->scenario = scenario;
    play->mode = mode;
    rb_key_defaults(&values);
    play->rules = values.rules;
    play->rules.breaker.slow_call_ms = scenario->slow_call_ms;
    play->rules.breaker.refuse = mode == ALWAYS ? RB_REFUSE_ALWAYS : RB_REFUSE_SLOW;
    play->wishes = (uint64_t) CLIENTS * (END_MS / PERIOD_MS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        play->clients[i].next_ms = (uint64_t) i * PERIOD_MS / CLIENTS;
        play->clients[i].limit_ms = LIMIT_LEAST_MS + (uint64_t) i * (LIMIT_MOST_MS - LIMIT_LEAST_MS) / CLIENTS;
    }
    for (struct client *client = next_client(play); client->next_ms < END_MS; client = next_client(play)) {
        uint64_t now_ms = client->next_ms;
        if (client->step == STEP_IDLE)
            begin(play, client, now_ms);
        else if (client->step == STEP_FLIES)
            land(play, client, now_ms);
        else
            admit(play, client, now_ms);
    }
}

// ---- the table ----

static void print_heading(void)
{
    printf("%-*s", NAME_WIDTH, "64 clients, one call a second each");
    for (unsigned mode = 0; mode < MODES; mode++)
        printf("  %-26s", mode_names[mode]);
    printf("\n%-*s", NAME_WIDTH, "");
    for (unsigned mode = 0; mode < MODES; mode++)
        printf("  %7s %8s %8s ", "good", "requests", "back in");
    printf("\n");
}

static void print_cell(const struct play *play)
{
    char back[16] = "-";
    if (play->first_good_ms > 0)
        snprintf(back, sizeof(back), "%.1f s", (double) (play->first_good_ms - play->scenario->well_ms) / 1000);
    printf("  %5.1f %% %8" PRIu64 " %8s ", 100.0 * (double) play->good / (double) play->wishes, play->requests, back);
}

// With the default policy no scenario has fewer calls that succeed than without rebound, and a host that is well again
// is seen at most breaker.open_max later.
static void test_no_scenario_is_worse(void **state)
{
    static struct play plays[MODES];
    (void) state;
    print_heading();
    for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        printf("%-*s", NAME_WIDTH, scenarios[i].name);
        for (unsigned mode = 0; mode < MODES; mode++) {
            run(&plays[mode], &scenarios[i], (enum mode) mode);
            print_cell(&plays[mode]);
        }
        printf("\n");
        assert_true(plays[SLOW].good >= plays[ALONE].good);
        assert_true(plays[SLOW].first_good_ms <= plays[ALONE].first_good_ms + plays[SLOW].rules.breaker.open_max_ms);
        assert_int_equal(plays[SLOW].first_good_ms > 0, plays[ALONE].first_good_ms > 0);
    }
}

// The moment at which the host recovers must not matter: the breaker may be in any of its states then. A host that
// comes back in the first seconds of the first open time that refuses is seen up to breaker.open_max later; what that
// costs is little, and longer outages save more.
static uint64_t moved_by_ms;

static struct answer dead_until_moved(const struct request *request)
{
    struct request moved = *request;
    if (moved.now_ms >= SICK_MS)
        moved.now_ms = moved.now_ms < WELL_MS + moved_by_ms ? SICK_MS : WELL_MS;
    return dead_by_timeout(&moved);
}

static void test_any_moment_of_recovery(void **state)
{
    static struct play alone, slow;
    struct scenario scenario = {"", dead_until_moved, WELL_MS, 0, false};
    uint64_t all_alone = 0, all_slow = 0;
    (void) state;
    for (moved_by_ms = 0; moved_by_ms < 20000; moved_by_ms += 250) {
        scenario.well_ms = WELL_MS + moved_by_ms;
        run(&alone, &scenario, ALONE);
        run(&slow, &scenario, SLOW);
        assert_true(slow.good >= alone.good - alone.good / 50);
        assert_true(slow.first_good_ms <= alone.first_good_ms + slow.rules.breaker.open_max_ms);
        all_alone += alone.good;
        all_slow += slow.good;
    }
    assert_true(all_slow >= all_alone);
}

// The calls of a burst begin at once. The host was dead long ago, and nobody has called it since.
static void test_burst_after_a_quiet_time(void **state)
{
    static struct rb_breaker breaker;
    struct rb_section_values values;
    struct rb_call calls[CLIENTS];
    uint64_t now_ms = 0;
    (void) state;
    rb_key_defaults(&values);
    for (unsigned i = 0; i < values.rules.breaker.window; i++, now_ms += LIMIT_LEAST_MS) {
        struct answer timeout = dead_by_timeout(&(struct request){.now_ms = SICK_MS, .limit_ms = LIMIT_LEAST_MS});
        rb_call_begin(&calls[0], &values.rules, &breaker, NULL, 0, now_ms);
        assert_true(rb_call_admit(&calls[0], now_ms, NULL));
        rb_call_judge(&calls[0], &timeout.outcome, RB_REASON_ATTEMPTS, true, NULL, now_ms + LIMIT_LEAST_MS, 0);
    }
    assert_int_equal(rb_breaker_peek(&breaker, NULL), RB_BREAKER_OPEN);
    rb_call_begin(&calls[0], &values.rules, &breaker, NULL, 0, now_ms);
    assert_false(rb_call_admit(&calls[0], now_ms, NULL));
    now_ms += 3600 * 1000;
    for (unsigned i = 0; i < CLIENTS; i++) {
        rb_call_begin(&calls[i], &values.rules, &breaker, NULL, 0, now_ms);
        assert_true(rb_call_admit(&calls[i], now_ms, NULL));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_scenario_is_worse),
        cmocka_unit_test(test_any_moment_of_recovery),
        cmocka_unit_test(test_burst_after_a_quiet_time),
    };
    return cmocka_run_group_tests_name("engine simulation", tests, NULL, NULL);
}
