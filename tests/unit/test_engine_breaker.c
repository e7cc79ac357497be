// SPDX-License-Identifier: MIT
// Tests of the circuit breaker by one caller: the known scripts, a reference model, and rules at their edges.
#include "engine_breaker.h"

#include "engine/breaker_quorum.h"

// ---- the scripts ----

// Splits off the next word of a list into `word`; false at its end.
static bool next_word(const char **list, char *word, size_t size)
{
    size_t length = strcspn(*list, " ");
    assert_true(length < size);
    memcpy(word, *list, length);
    word[length] = '\0';
    *list += (*list)[length] == ' ' ? length + 1 : length;
    return length > 0;
}

static void set_rule(struct rb_breaker_rules *rules, const char *key, uint64_t value)
{
    static const char *const keys[] = {"size",    "min_calls", "fail_rate", "slow_rate", "open_ms",
                                       "permits", "lease_ms",  "open_mult", "open_max",  NULL};
    uint32_t small = (uint32_t) value;
    switch (vector_word(key, keys)) {
    case 0:
        rules->window = small;
        break;
    case 1:
        rules->min_calls = small;
        break;
    case 2:
        rules->failure_rate = small * 100;
        break;
    case 3:
        rules->slow_rate = small * 100;
        break;
    case 4:
        rules->open_ms = value;
        break;
    case 5:
        rules->probes = small;
        break;
    case 6:
        rules->probe_lease_ms = value;
        break;
    case 7:
        rules->open_multiplier_milli = small * 1000;
        break;
    default:
        rules->open_max_ms = value;
        break;
    }
}

static enum rb_breaker_refuse refuse_of(const char *word)
{
    static const char *const words[] = {"slow", "always", "never", NULL};
    return (enum rb_breaker_refuse) vector_word(word, words);
}

static struct rb_breaker_rules rules_of(const char *config)
{
    struct rb_breaker_rules rules = default_rules();
    char word[64];
    while (next_word(&config, word, sizeof(word))) {
        char *value = strchr(word, '=');
        assert_non_null(value);
        *value++ = '\0';
        if (strcmp(word, "window") == 0)
            rules.time_window = strcmp(value, "time") == 0;
        else if (strcmp(word, "refuse") == 0)
            rules.refuse = refuse_of(value);
        else
            set_rule(&rules, word, vector_number(value));
    }
    return rules;
}

struct play {
    struct rb_breaker breaker;
    struct rb_breaker_rules rules;
    struct rb_permit permits[26];
    uint64_t now_ms;
};

// A letter before that of the attempt says how the caller asks.
static enum rb_ask ask_of(char letter)
{
    return letter == 'r' ? RB_ASK_RETRY : letter == 'p' ? RB_ASK_PROVEN : RB_ASK_OWN;
}

static const char *begin(struct play *play, enum rb_ask ask, struct rb_permit *permit)
{
    uint64_t wait_ms = 99;
    bool would_refuse = rb_breaker_would_refuse(&play->breaker, &play->rules, ask, play->now_ms, NULL);
    bool admitted = rb_breaker_acquire(&play->breaker, &play->rules, ask, play->now_ms, permit, &wait_ms);
    assert_int_equal(admitted, permit->kind != RB_PERMIT_NONE);
    assert_int_equal(admitted, wait_ms == 0);
    assert_true(!would_refuse || !admitted);
    if (permit->kind == RB_PERMIT_PASSED)
        return "passed";
    return admitted ? state_word(&play->breaker) : "rej";
}

static const char *end(struct play *play, struct rb_permit *permit, char result)
{
    static const char *const words[] = {"REC", "IGN", "STALE", "EXPIRED"};
    enum rb_health health = result == 'F' || result == 'X' ? RB_HEALTH_FAILURE
                            : result == 'I'                ? RB_HEALTH_IGNORED
                            : strchr("Tt", result)         ? RB_HEALTH_THROTTLED
                                                           : RB_HEALTH_SUCCESS;
    uint64_t took_ms = strchr("Xt", result) ? RB_BREAKER_COSTLY_MS : result == 'L' ? SLOW_CALL_MS + 1 : SLOW_CALL_MS;
    assert_non_null(strchr("SFXITtL", result));
    assert_true(permit->kind != RB_PERMIT_NONE);
    enum rb_recorded recorded =
        rb_breaker_record(&play->breaker, &play->rules, permit, health, took_ms, play->now_ms, 0);
    assert_int_equal(permit->kind, RB_PERMIT_NONE);
    return words[recorded];
}

// Plays one step and writes down what happened in the table's own words.
static void play_step(struct play *play, const char *step, char *out, size_t size)
{
    if (step[0] == '+') {
        play->now_ms += vector_number(step + 1);
        snprintf(out, size, "%s", step);
    } else if (step[0] == '(') {
        snprintf(out, size, "(%c:%s", step[1], begin(play, RB_ASK_OWN, &play->permits[step[1] - 'a']));
    } else if (step[0] == ')') {
        const char *recorded = end(play, &play->permits[step[1] - 'a'], step[2]);
        snprintf(out, size, ")%c%c:%s:%s", step[1], step[2], recorded, state_word(&play->breaker));
    } else {
        struct rb_permit permit;
        bool other = step[0] == 'r' || step[0] == 'p';
        const char *word = begin(play, ask_of(step[0]), &permit);
        bool passed = permit.kind == RB_PERMIT_PASSED;
        if (permit.kind != RB_PERMIT_NONE) {
            end(play, &permit, step[other]);
            word = state_word(&play->breaker);
        }
        snprintf(out, size, "%.*s:%s%s", 1 + other, step, passed ? "passed:" : "", word);
    }
}

// The test plays the whole script before it compares. So a failure shows the first step that differs.
static void test_row(void **state)
{
    const struct vector_row *row = *state;
    struct play play = {.rules = rules_of(row->field[1])};
    const char *steps = row->field[2];
    char step[64], actual[1024] = "";
    while (next_word(&steps, step, sizeof(step))) {
        size_t length = strlen(actual);
        if (length > 0)
            actual[length++] = ' ';
        play_step(&play, step, actual + length, sizeof(actual) - length);
    }
    assert_string_equal(actual, row->field[2]);
}

// ---- one thread: the model, times, rules at their edges ----

// The outcomes of one closed period, remembered in full.
struct model {
    struct {
        uint64_t second;
        bool failed, slow;
    } calls[4000];
    size_t count;
};

static bool model_trips(const struct model *model, const struct rb_breaker_rules *rules, uint64_t now_ms)
{
    size_t calls = 0, failed = 0, slow = 0;
    for (size_t i = model->count; i-- > 0;) {
        bool inside = rules->time_window ? now_ms / 1000 - model->calls[i].second < rules->window
                                         : model->count - i <= rules->window;
        calls += inside;
        failed += inside && model->calls[i].failed;
        slow += inside && model->calls[i].slow;
    }
    size_t least = !rules->time_window && rules->min_calls > rules->window ? rules->window : rules->min_calls;
    return calls >= least && ((failed > 0 && failed * 10000 >= calls * rules->failure_rate) ||
                              (slow > 0 && slow * 10000 >= calls * rules->slow_rate));
}

static struct rb_breaker_rules random_rules(uint64_t *random)
{
    struct rb_breaker_rules rules = default_rules();
    rules.time_window = vector_random(random) % 2;
    rules.window = 1 + vector_random(random) % (rules.time_window ? RB_BREAKER_MAX_SECONDS : RB_BREAKER_MAX_CALLS);
    rules.min_calls = 1 + vector_random(random) % 100;
    rules.failure_rate = 100 + vector_random(random) % 9901;
    rules.slow_rate = 100 + vector_random(random) % 9901;
    rules.probes = 1 + vector_random(random) % RB_BREAKER_MAX_PROBES;
    return rules;
}

static void run_model(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                      uint64_t *random)
{
    static struct model model;
    uint32_t badness = vector_random(random) % 101;
    model.count = 0;
    while (model.count < sizeof(model.calls) / sizeof(model.calls[0])) {
        bool failed = vector_random(random) % 100 < badness, slow = vector_random(random) % 200 < badness;
        now_ms += vector_random(random) % 8 == 0 ? vector_random(random) % 3000 : 0;
        model.calls[model.count].second = now_ms / 1000;
        model.calls[model.count].failed = failed;
        model.calls[model.count++].slow = slow;
        attempt(breaker, rules, failed ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS, slow ? SLOW_CALL_MS + 1 : 0, now_ms, 0);
        bool trips = (failed || slow) && model_trips(&model, rules, now_ms);
        assert_string_equal(state_word(breaker), trips ? "OPEN" : "CLOSED");
        if (trips)
            return;
    }
}

static void test_reference_model(void **state)
{
    (void) state;
    uint64_t random = 2020202020;
    for (unsigned round = 0; round < 60; round++) {
        struct rb_breaker breaker = {0};
        struct rb_breaker_rules rules = random_rules(&random);
        uint64_t now_ms = vector_random(&random);
        for (unsigned life = 0; life < 5; life++) {
            run_model(&breaker, &rules, now_ms, &random);
            if (rb_breaker_peek(&breaker, NULL) == RB_BREAKER_CLOSED)
                break;
            now_ms = recover(&breaker, &rules);
        }
    }
}

static void test_open_jitter(void **state)
{
    (void) state;
    struct rb_breaker_rules rules = default_rules();
    rules.window = rules.min_calls = 1;
    uint64_t random = 5, until;
    for (unsigned i = 0; i < 1000; i++) {
        struct rb_breaker breaker = {0};
        uint32_t draw = i == 0 ? UINT32_MAX : vector_random(&random);
        assert_true(attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 1000, draw));
        assert_int_equal(rb_breaker_peek(&breaker, &until), RB_BREAKER_OPEN);
        assert_in_range(until, 6000, 6500);
        assert_true(i != 0 || until == 6500);
    }
}

static void test_retry_in(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    struct rb_permit first, second;
    uint64_t wait_ms;
    rules.window = rules.min_calls = rules.probes = 1;
    attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0);
    assert_false(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 1200, &first, &wait_ms));
    assert_int_equal(wait_ms, 3800);
    assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 5000, &first, &wait_ms));
    assert_int_equal(wait_ms, 0);
    assert_false(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 5300, &second, &wait_ms));
    assert_int_equal(wait_ms, 700);
}

// A permit takes one result. A second result changes nothing, and no result changes nothing.
static void test_permit_is_used_once(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0}, before;
    struct rb_breaker_rules rules = default_rules();
    struct rb_permit permit, none = {0};
    assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 0, &permit, NULL));
    assert_int_equal(rb_breaker_record(&breaker, &rules, &permit, RB_HEALTH_FAILURE, 0, 0, 0), RB_RECORDED);
    memcpy(&before, &breaker, sizeof(before));
    assert_int_equal(rb_breaker_record(&breaker, &rules, &permit, RB_HEALTH_FAILURE, 0, 0, 0), RB_RECORD_IGNORED);
    assert_int_equal(rb_breaker_record(&breaker, &rules, &none, RB_HEALTH_FAILURE, 0, 0, 0), RB_RECORD_IGNORED);
    assert_memory_equal(&before, &breaker, sizeof(before));
}

// A process recorded the last probe and died before it judged the probes. The next caller judges them.
static void test_unjudged_probes_are_judged(void **state)
{
    (void) state;
    struct rb_breaker_rules rules = default_rules();
    for (unsigned failed = 0; failed < 2; failed++) {
        struct rb_breaker breaker = {0};
        struct rb_permit permit;
        rules.window = rules.min_calls = rules.probes = 1;
        attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0);
        assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 5000, &permit, NULL));
        uint64_t half_open = atomic_load(&breaker.state);
        rb_breaker_record(&breaker, &rules, &permit, failed ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS, 0, 5000, 0);
        atomic_store(&breaker.state, half_open);
        assert_int_equal(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 5001, &permit, NULL), !failed);
        assert_string_equal(state_word(&breaker), failed ? "OPEN" : "CLOSED");
    }
}

// A process died after it claimed a place in the window. The place must not keep an older failure.
static void test_unfilled_place_is_a_success(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    rules.window = rules.min_calls = 2;
    rules.failure_rate = 1;
    attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0);
    attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0);
    uint64_t now_ms = recover(&breaker, &rules);
    uint32_t generation = rb_breaker_word_unpack(atomic_load(&breaker.state)).generation;
    atomic_store(&breaker.head, UINT64_C(1) << 16 | generation);
    attempt(&breaker, &rules, RB_HEALTH_SUCCESS, 0, now_ms, 0);
    assert_string_equal(state_word(&breaker), "CLOSED");
}

// A reload may change each rule between any two calls: smaller, larger, or the other kind of window.
static void test_rules_change_under_way(void **state)
{
    (void) state;
    uint64_t random = 31415926;
    struct rb_breaker *breaker = calloc(1, sizeof(*breaker)); // of exact size, for a sanitizer
    assert_non_null(breaker);
    uint64_t now_ms = 0;
    for (unsigned i = 0; i < 20000; i++) {
        struct rb_breaker_rules rules = random_rules(&random);
        now_ms += vector_random(&random) % 700;
        attempt(breaker, &rules, vector_random(&random) % 2 ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS, 0, now_ms, 0);
    }
    free(breaker);
}

// The window changes from calls to seconds and back. The words of the buckets must not be read as outcomes.
static void test_kind_of_window_changes_and_back(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules calls = default_rules(), seconds = default_rules();
    calls.window = RB_BREAKER_MAX_CALLS;
    calls.min_calls = 2;
    calls.failure_rate = 1000;
    seconds.time_window = true;
    seconds.min_calls = 1000000;
    for (unsigned i = 0; i < RB_BREAKER_MAX_CALLS; i++)
        attempt(&breaker, &calls, RB_HEALTH_SUCCESS, 0, 0, 0);
    for (unsigned i = 0; i < 64000; i++)
        attempt(&breaker, &seconds, RB_HEALTH_FAILURE, SLOW_CALL_MS + 1, 4194240000u + i, 0);
    for (unsigned i = 0; i < 100; i++)
        attempt(&breaker, &calls, RB_HEALTH_SUCCESS, 0, 4194240000u + 64000, 0);
    assert_string_equal(state_word(&breaker), "CLOSED");
    assert_true(attempt(&breaker, &calls, RB_HEALTH_FAILURE, 0, 4194240000u + 64000, 0));
    assert_string_equal(state_word(&breaker), "CLOSED");
}

// A second may have more calls than a bucket can count. Its rate stays right, and later outcomes still change it.
static void test_busy_second(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    rules.time_window = true;
    for (unsigned i = 0; i < 100000; i++)
        attempt(&breaker, &rules, RB_HEALTH_SUCCESS, 0, 500, 0);
    unsigned failures = 0;
    for (; rb_breaker_peek(&breaker, NULL) == RB_BREAKER_CLOSED && failures < 100000; failures++)
        attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 600, 0);
    assert_in_range(failures, 8000, 16384);
}

static const uint64_t edges[] = {0,         1, 2, 999, 1000, UINT32_MAX, (UINT64_C(1) << 40) - 1, UINT64_C(1) << 40,
                                 UINT64_MAX};

static uint64_t edge(uint64_t *random)
{
    return edges[vector_random(random) % (sizeof(edges) / sizeof(edges[0]))];
}

// No rules, clock or earlier contents may do harm beyond a wrong verdict.
static void test_hostile_input(void **state)
{
    (void) state;
    uint64_t random = 8675309;
    struct rb_breaker *breaker = calloc(1, sizeof(*breaker));
    assert_non_null(breaker);
    for (unsigned i = 0; i < 50000; i++) {
        struct rb_breaker_rules rules = {
            .time_window = vector_random(&random) % 2,
            .window = (uint32_t) edge(&random),
            .min_calls = (uint32_t) edge(&random),
            .failure_rate = (uint32_t) edge(&random),
            .slow_rate = (uint32_t) edge(&random),
            .slow_call_ms = edge(&random),
            .open_ms = edge(&random),
            .open_multiplier_milli = (uint32_t) edge(&random),
            .open_max_ms = edge(&random),
            .probes = (uint32_t) edge(&random),
            .probe_lease_ms = edge(&random),
        };
        struct rb_permit permit;
        if (vector_random(&random) % 50 == 0)
            atomic_store(&breaker->state, (uint64_t) vector_random(&random) << 32 | vector_random(&random));
        if (vector_random(&random) % 50 == 0)
            atomic_store(&breaker->probe[vector_random(&random) % RB_BREAKER_MAX_PROBES], vector_random(&random));
        if (!rb_breaker_acquire(breaker, &rules, RB_ASK_OWN, edge(&random), &permit, NULL))
            continue;
        rb_breaker_record(breaker, &rules, &permit, (enum rb_health)(vector_random(&random) % 4), edge(&random),
                          edge(&random), vector_random(&random));
        assert_in_range(rb_breaker_peek(breaker, NULL), RB_BREAKER_CLOSED, RB_BREAKER_HALF_OPEN);
    }
    free(breaker);
}

// The number of the generation wraps after 65536 transitions. The breaker works on as before.
static void test_generations_wrap(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = rules_that_open(2, 1);
    uint64_t now_ms = 0;
    for (unsigned i = 0; i < 70000 / 3; i++) {
        attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, now_ms, 0);
        assert_string_equal(state_word(&breaker), "CLOSED");
        attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, now_ms, 0);
        now_ms = recover(&breaker, &rules);
    }
}

// A long outage: more half-open periods than a generation has values between two closed ones.
static void test_long_outage(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = rules_that_open(2, 1);
    uint64_t now_ms = 0;
    attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0);
    attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0);
    for (unsigned i = 0; i < 70000; i++) {
        assert_int_equal(rb_breaker_peek(&breaker, &now_ms), RB_BREAKER_OPEN);
        assert_true(attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, now_ms, 0));
    }
    now_ms = recover(&breaker, &rules);
    attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, now_ms, 0);
    assert_string_equal(state_word(&breaker), "CLOSED");
    attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, now_ms, 0);
    assert_string_equal(state_word(&breaker), "OPEN");
}

static void fail_times(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, unsigned times,
                       uint64_t now_ms)
{
    for (unsigned i = 0; i < times; i++)
        attempt(breaker, rules, RB_HEALTH_FAILURE, 0, now_ms, 0);
}

// ---- forced states and resets ----

static void test_forced_open(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    struct rb_permit permit;
    uint64_t wait_ms, until_ms;
    (void) state;
    rb_breaker_force(&breaker, RB_FORCE_OPEN);
    assert_false(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 1000, &permit, &wait_ms));
    assert_true(wait_ms == RB_BREAKER_FOREVER);
    assert_int_equal(rb_breaker_peek(&breaker, &until_ms), RB_BREAKER_OPEN);
    assert_true(until_ms == RB_BREAKER_FOREVER);
    rb_breaker_force(&breaker, RB_FORCE_NONE);
    assert_true(attempt(&breaker, &rules, RB_HEALTH_SUCCESS, 0, 1000, 0));
    assert_string_equal(state_word(&breaker), "CLOSED");
}

static void test_forced_closed(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    (void) state;
    fail_times(&breaker, &rules, 5, 0);
    assert_string_equal(state_word(&breaker), "OPEN");
    rb_breaker_force(&breaker, RB_FORCE_CLOSED);
    for (unsigned i = 0; i < 100; i++)
        assert_true(attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0));
    assert_string_equal(state_word(&breaker), "CLOSED");
    rb_breaker_force(&breaker, RB_FORCE_NONE); // what failed meanwhile does not count
    assert_string_equal(state_word(&breaker), "CLOSED");
    fail_times(&breaker, &rules, 4, 0);
    assert_string_equal(state_word(&breaker), "CLOSED");
    fail_times(&breaker, &rules, 1, 0);
    assert_string_equal(state_word(&breaker), "OPEN");
}

static void test_unknown_force(void **state)
{
    struct rb_breaker breaker = {.forced = 77};
    struct rb_breaker_rules rules = default_rules();
    (void) state;
    assert_int_equal(rb_breaker_forced(&breaker), RB_FORCE_NONE);
    fail_times(&breaker, &rules, 5, 0);
    assert_string_equal(state_word(&breaker), "OPEN");
}

// The result of an attempt from before the reset does not change the breaker.
static void test_renewed(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    struct rb_permit old;
    (void) state;
    fail_times(&breaker, &rules, 4, 0);
    assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 0, &old, NULL));
    rb_breaker_renew(&breaker);
    assert_int_equal(rb_breaker_record(&breaker, &rules, &old, RB_HEALTH_FAILURE, 0, 0, 0), RB_RECORD_STALE);
    fail_times(&breaker, &rules, 4, 0);
    assert_string_equal(state_word(&breaker), "CLOSED");
}

// ---- what `rebound status` shows ----

static void assert_moves(struct rb_breaker *breaker, unsigned count, enum rb_breaker_state to)
{
    struct rb_breaker_transitions moves = rb_breaker_transitions(breaker);
    assert_int_equal(moves.count, count);
    assert_int_equal(moves.state, to);
}

static void test_transitions_are_told_once(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    (void) state;
    assert_moves(&breaker, 0, RB_BREAKER_CLOSED);
    fail_times(&breaker, &rules, 5, 0);
    assert_moves(&breaker, 1, RB_BREAKER_OPEN);
    assert_moves(&breaker, 0, RB_BREAKER_OPEN);
    recover(&breaker, &rules);
    assert_moves(&breaker, 2, RB_BREAKER_CLOSED);
    rb_breaker_renew(&breaker);
    assert_moves(&breaker, 0, RB_BREAKER_CLOSED);
}

static void test_holders(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    struct rb_permit permit;
    uint64_t until_ms, owner, me = UINT64_C(12345) << 22 | 4711;
    (void) state;
    fail_times(&breaker, &rules, 5, 0);
    assert_false(rb_breaker_holder(&breaker, 0, &until_ms, &owner));
    assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 5000, &permit, NULL));
    assert_true(rb_breaker_holder(&breaker, 0, &until_ms, &owner));
    assert_int_equal(owner, 0); // it died before it signed
    rb_breaker_note_holder(&breaker, &permit, me);
    assert_true(rb_breaker_holder(&breaker, 0, &until_ms, &owner));
    assert_true(owner == me);
    assert_int_equal(until_ms, 6000);
    rb_breaker_record(&breaker, &rules, &permit, RB_HEALTH_IGNORED, 0, 5000, 0);
    assert_false(rb_breaker_holder(&breaker, 0, &until_ms, &owner));
}

// ---- damaged words, and words of another clock ----

static void set_end(struct rb_breaker *breaker, uint64_t until_ms)
{
    struct rb_breaker_word word = rb_breaker_word_unpack(atomic_load(&breaker->state));
    word.until_ms = until_ms;
    atomic_store(&breaker->state, rb_breaker_word_pack(word));
}

// If the open period ends later than the rules allow, it is taken to last for the longest open time from now.
static void test_incredible_end(void **state)
{
    static const uint64_t ends[] = {300001, 1000000, UINT64_C(8640000000), (UINT64_C(1) << 40) - 1};
    struct rb_breaker_rules rules = default_rules();
    (void) state;
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct rb_breaker breaker = {0};
        struct rb_permit permit;
        uint64_t wait_ms;
        fail_times(&breaker, &rules, 5, 0);
        set_end(&breaker, ends[i]);
        assert_true(rb_breaker_would_refuse(&breaker, &rules, RB_ASK_OWN, 0, &wait_ms));
        assert_int_equal(wait_ms, rules.open_max_ms);
        assert_false(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 0, &permit, &wait_ms));
        assert_int_equal(wait_ms, rules.open_max_ms);
        assert_false(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, rules.open_max_ms - 1, &permit, &wait_ms));
        assert_int_equal(wait_ms, 1);
        assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, rules.open_max_ms, &permit, &wait_ms));
    }
}

// A lease that ends too late is of a process with another clock. No caller waits for its end.
static void test_incredible_lease(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    struct rb_permit ahead, permit;
    (void) state;
    rules.probes = 1;
    fail_times(&breaker, &rules, 5, 0);
    assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 8640000000, &ahead, NULL));
    assert_true(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 5000, &permit, NULL));
    assert_false(rb_breaker_acquire(&breaker, &rules, RB_ASK_OWN, 5001, &ahead, NULL));
}

// ---- quorum ----

static void fail_as(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t who, uint64_t now_ms)
{
    struct rb_permit permit;
    if (!rb_breaker_acquire(breaker, rules, RB_ASK_OWN, now_ms, &permit, NULL))
        return;
    rb_breaker_quorum_blame(breaker, rules, &permit, who, now_ms);
    rb_breaker_record(breaker, rules, &permit, RB_HEALTH_FAILURE, 0, now_ms, 0);
}

// The breaker stays closed until `who` fails, too.
static void check_last_failure_opens(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t who)
{
    assert_string_equal(state_word(breaker), "CLOSED");
    fail_as(breaker, rules, who, 0);
    assert_string_equal(state_word(breaker), "OPEN");
}

static void test_quorum(void **state)
{
    (void) state;
    for (unsigned time_window = 0; time_window < 2; time_window++) {
        struct rb_breaker breaker = {0};
        struct rb_breaker_rules rules = default_rules();
        rules.time_window = time_window != 0;
        rules.quorum = 3;
        for (unsigned i = 0; i < 50; i++)
            fail_as(&breaker, &rules, 1 + i % 2, 0);
        check_last_failure_opens(&breaker, &rules, 3);
        uint64_t now_ms = recover(&breaker, &rules); // and the quorum begins anew
        for (unsigned i = 0; i < 50; i++)
            fail_as(&breaker, &rules, 1, now_ms);
        assert_string_equal(state_word(&breaker), "CLOSED");
    }
}

// A failure that has left the window does not count for the quorum.
static void test_quorum_forgets(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    (void) state;
    rules.quorum = 2;
    fail_as(&breaker, &rules, 1, 0);
    for (unsigned i = 0; i < 20; i++)
        attempt(&breaker, &rules, RB_HEALTH_SUCCESS, 0, 0, 0);
    for (unsigned i = 0; i < 30; i++)
        fail_as(&breaker, &rules, 2, 0);
    check_last_failure_opens(&breaker, &rules, 1);
}

// There are more processes than places. The largest quorum is still reached.
static void test_quorum_of_many(void **state)
{
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    (void) state;
    rules.window = 1000;
    rules.quorum = RB_BREAKER_MAX_QUORUM;
    for (unsigned i = 0; i + 1 < RB_BREAKER_MAX_QUORUM; i++)
        fail_as(&breaker, &rules, i + 10, 0);
    check_last_failure_opens(&breaker, &rules, 99);
}

static void test_state_names(void **state)
{
    (void) state;
    assert_string_equal(rb_breaker_state_name(RB_BREAKER_CLOSED), "closed");
    assert_string_equal(rb_breaker_state_name(RB_BREAKER_OPEN), "open");
    assert_string_equal(rb_breaker_state_name(RB_BREAKER_HALF_OPEN), "half-open");
}

int main(void)
{
    static const struct vector_table tables[] = {{"breaker.tsv", test_row}, {NULL, NULL}};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_reference_model),
        cmocka_unit_test(test_open_jitter),
        cmocka_unit_test(test_retry_in),
        cmocka_unit_test(test_permit_is_used_once),
        cmocka_unit_test(test_unjudged_probes_are_judged),
        cmocka_unit_test(test_unfilled_place_is_a_success),
        cmocka_unit_test(test_rules_change_under_way),
        cmocka_unit_test(test_kind_of_window_changes_and_back),
        cmocka_unit_test(test_busy_second),
        cmocka_unit_test(test_hostile_input),
        cmocka_unit_test(test_generations_wrap),
        cmocka_unit_test(test_long_outage),
        cmocka_unit_test(test_forced_open),
        cmocka_unit_test(test_forced_closed),
        cmocka_unit_test(test_unknown_force),
        cmocka_unit_test(test_renewed),
        cmocka_unit_test(test_transitions_are_told_once),
        cmocka_unit_test(test_holders),
        cmocka_unit_test(test_incredible_end),
        cmocka_unit_test(test_incredible_lease),
        cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_quorum_forgets),
        cmocka_unit_test(test_quorum_of_many),
        cmocka_unit_test(test_state_names),
    };
    return vector_run("engine breaker", tables, others, sizeof(others) / sizeof(others[0]));
}
