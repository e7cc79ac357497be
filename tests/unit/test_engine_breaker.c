// SPDX-License-Identifier: MIT
// Tests of the circuit breaker: the known scripts, a reference model, hostile rules, contention and sudden death.
#include "engine_vectors.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/breaker.h"
#include "engine/breaker_word.h"

enum { SLOW_CALL_MS = 100, THREADS = 4 };

static struct rb_breaker_rules default_rules(void)
{
    return (struct rb_breaker_rules){
        .window = 10,
        .min_calls = 5,
        .failure_rate = 5000,
        .slow_rate = 10000,
        .slow_call_ms = SLOW_CALL_MS,
        .open_ms = 5000,
        .open_multiplier_milli = 1000,
        .open_max_ms = 300000,
        .probes = 3,
        .probe_lease_ms = 1000,
    };
}

static const char *state_word(const struct rb_breaker *breaker)
{
    static const char *const words[] = {"CLOSED", "OPEN", "HALF_OPEN"};
    return words[rb_breaker_peek(breaker, NULL)];
}

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

static struct rb_breaker_rules rules_of(const char *config)
{
    struct rb_breaker_rules rules = default_rules();
    char word[64];
    while (next_word(&config, word, sizeof word)) {
        char *value = strchr(word, '=');
        assert_non_null(value);
        *value++ = '\0';
        if (strcmp(word, "window") == 0)
            rules.time_window = strcmp(value, "time") == 0;
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

static const char *begin(struct play *play, struct rb_permit *permit)
{
    uint64_t wait_ms = 99;
    bool admitted = rb_breaker_acquire(&play->breaker, &play->rules, play->now_ms, permit, &wait_ms);
    assert_int_equal(admitted, permit->held);
    assert_int_equal(admitted, wait_ms == 0);
    return admitted ? state_word(&play->breaker) : "rej";
}

static const char *end(struct play *play, struct rb_permit *permit, char result)
{
    static const char *const words[] = {"REC", "IGN", "STALE", "EXPIRED"};
    enum rb_health health = result == 'F'   ? RB_HEALTH_FAILURE
                            : result == 'I' ? RB_HEALTH_IGNORED
                            : result == 'T' ? RB_HEALTH_THROTTLED
                                            : RB_HEALTH_SUCCESS;
    uint64_t took_ms = result == 'L' ? SLOW_CALL_MS + 1 : SLOW_CALL_MS;
    assert_non_null(strchr("SFITL", result));
    assert_true(permit->held);
    enum rb_recorded recorded =
        rb_breaker_record(&play->breaker, &play->rules, permit, health, took_ms, play->now_ms, 0);
    assert_false(permit->held);
    return words[recorded];
}

// Plays one step and writes down what happened in the table's own words.
static void play_step(struct play *play, const char *step, char *out, size_t size)
{
    if (step[0] == '+') {
        play->now_ms += vector_number(step + 1);
        snprintf(out, size, "%s", step);
    } else if (step[0] == '(') {
        snprintf(out, size, "(%c:%s", step[1], begin(play, &play->permits[step[1] - 'a']));
    } else if (step[0] == ')') {
        const char *recorded = end(play, &play->permits[step[1] - 'a'], step[2]);
        snprintf(out, size, ")%c%c:%s:%s", step[1], step[2], recorded, state_word(&play->breaker));
    } else {
        struct rb_permit permit;
        const char *word = begin(play, &permit);
        if (permit.held) {
            end(play, &permit, step[0]);
            word = state_word(&play->breaker);
        }
        snprintf(out, size, "%c:%s", step[0], word);
    }
}

// The whole script is played and compared at once: a failure shows where it leaves the path.
static void test_row(void **state)
{
    const struct vector_row *row = *state;
    struct play play = {.rules = rules_of(row->field[1])};
    const char *steps = row->field[2];
    char step[64], actual[1024] = "";
    while (next_word(&steps, step, sizeof step)) {
        size_t length = strlen(actual);
        if (length > 0)
            actual[length++] = ' ';
        play_step(&play, step, actual + length, sizeof actual - length);
    }
    assert_string_equal(actual, row->field[2]);
}

// ---- one thread: the model, times, rules at their edges ----

static bool attempt(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_health health,
                    uint64_t took_ms, uint64_t now_ms, uint32_t draw)
{
    struct rb_permit permit;
    if (!rb_breaker_acquire(breaker, rules, now_ms, &permit, NULL))
        return false;
    rb_breaker_record(breaker, rules, &permit, health, took_ms, now_ms, draw);
    return true;
}

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

// Closes an open breaker by as many successes as it asks for; returns the time at which it closed.
static uint64_t recover(struct rb_breaker *breaker, const struct rb_breaker_rules *rules)
{
    uint64_t now_ms;
    assert_int_equal(rb_breaker_peek(breaker, &now_ms), RB_BREAKER_OPEN);
    for (uint32_t probe = 0; probe < rules->probes; probe++)
        assert_true(attempt(breaker, rules, RB_HEALTH_SUCCESS, 0, now_ms, 0));
    assert_string_equal(state_word(breaker), "CLOSED");
    return now_ms;
}

static void run_model(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                      uint64_t *random)
{
    static struct model model;
    uint32_t badness = vector_random(random) % 101;
    model.count = 0;
    while (model.count < sizeof model.calls / sizeof model.calls[0]) {
        bool failed = vector_random(random) % 100 < badness, slow = vector_random(random) % 200 < badness;
        now_ms += vector_random(random) % 8 == 0 ? vector_random(random) % 3000 : 0;
        model.calls[model.count].second = now_ms / 1000;
        model.calls[model.count].failed = failed;
        model.calls[model.count++].slow = slow;
        attempt(breaker, rules, failed ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS, slow ? SLOW_CALL_MS + 1 : 0, now_ms, 0);
        bool trips = model_trips(&model, rules, now_ms);
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
    assert_false(rb_breaker_acquire(&breaker, &rules, 1200, &first, &wait_ms));
    assert_int_equal(wait_ms, 3800);
    assert_true(rb_breaker_acquire(&breaker, &rules, 5000, &first, &wait_ms));
    assert_int_equal(wait_ms, 0);
    assert_false(rb_breaker_acquire(&breaker, &rules, 5300, &second, &wait_ms));
    assert_int_equal(wait_ms, 700);
}

// A permit gives one result. A second one, or none, changes nothing.
static void test_permit_is_used_once(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0}, before;
    struct rb_breaker_rules rules = default_rules();
    struct rb_permit permit, none = {0};
    assert_true(rb_breaker_acquire(&breaker, &rules, 0, &permit, NULL));
    assert_int_equal(rb_breaker_record(&breaker, &rules, &permit, RB_HEALTH_FAILURE, 0, 0, 0), RB_RECORDED);
    memcpy(&before, &breaker, sizeof before);
    assert_int_equal(rb_breaker_record(&breaker, &rules, &permit, RB_HEALTH_FAILURE, 0, 0, 0), RB_RECORD_IGNORED);
    assert_int_equal(rb_breaker_record(&breaker, &rules, &none, RB_HEALTH_FAILURE, 0, 0, 0), RB_RECORD_IGNORED);
    assert_memory_equal(&before, &breaker, sizeof before);
}

// The one who recorded the last probe died before it could judge: the next to ask does it.
static void test_unjudged_probes_are_judged(void **state)
{
    (void) state;
    struct rb_breaker_rules rules = default_rules();
    for (unsigned failed = 0; failed < 2; failed++) {
        struct rb_breaker breaker = {0};
        struct rb_permit permit;
        rules.window = rules.min_calls = rules.probes = 1;
        attempt(&breaker, &rules, RB_HEALTH_FAILURE, 0, 0, 0);
        assert_true(rb_breaker_acquire(&breaker, &rules, 5000, &permit, NULL));
        uint64_t half_open = atomic_load(&breaker.state);
        rb_breaker_record(&breaker, &rules, &permit, failed ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS, 0, 5000, 0);
        atomic_store(&breaker.state, half_open);
        assert_int_equal(rb_breaker_acquire(&breaker, &rules, 5001, &permit, NULL), !failed);
        assert_string_equal(state_word(&breaker), failed ? "OPEN" : "CLOSED");
    }
}

// One died between claiming a place in the window and filling it: the place holds no failure from before.
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
    uint32_t generation = rb_breaker_unpack(atomic_load(&breaker.state)).generation;
    atomic_store(&breaker.head, UINT64_C(1) << 16 | generation);
    attempt(&breaker, &rules, RB_HEALTH_SUCCESS, 0, now_ms, 0);
    assert_string_equal(state_word(&breaker), "CLOSED");
}

// A reload may make everything smaller, larger or of the other kind between any two calls.
static void test_rules_change_under_way(void **state)
{
    (void) state;
    uint64_t random = 31415926;
    struct rb_breaker *breaker = calloc(1, sizeof *breaker); // of exact size, for a sanitizer
    assert_non_null(breaker);
    uint64_t now_ms = 0;
    for (unsigned i = 0; i < 20000; i++) {
        struct rb_breaker_rules rules = random_rules(&random);
        now_ms += vector_random(&random) % 700;
        attempt(breaker, &rules, vector_random(&random) % 2 ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS, 0, now_ms, 0);
    }
    free(breaker);
}

// From calls to seconds and back: what the buckets wrote must not be read as outcomes.
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

// A second with more calls than a bucket can count keeps its rate, and what comes late in it still shows.
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
    return edges[vector_random(random) % (sizeof edges / sizeof edges[0])];
}

// No rules, clock or earlier contents may do harm beyond a wrong verdict.
static void test_hostile_input(void **state)
{
    (void) state;
    uint64_t random = 8675309;
    struct rb_breaker *breaker = calloc(1, sizeof *breaker);
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
        if (!rb_breaker_acquire(breaker, &rules, edge(&random), &permit, NULL))
            continue;
        rb_breaker_record(breaker, &rules, &permit, (enum rb_health)(vector_random(&random) % 4), edge(&random),
                          edge(&random), vector_random(&random));
        assert_in_range(rb_breaker_peek(breaker, NULL), RB_BREAKER_CLOSED, RB_BREAKER_HALF_OPEN);
    }
    free(breaker);
}

// Generations wrap after 65536 transitions; nothing of it shows.
static void test_generations_wrap(void **state)
{
    (void) state;
    struct rb_breaker breaker = {0};
    struct rb_breaker_rules rules = default_rules();
    uint64_t now_ms = 0;
    rules.window = rules.min_calls = 2;
    rules.probes = 1;
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
    struct rb_breaker_rules rules = default_rules();
    uint64_t now_ms = 0;
    rules.window = rules.min_calls = 2;
    rules.probes = 1;
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

static void test_state_names(void **state)
{
    (void) state;
    assert_string_equal(rb_breaker_state_name(RB_BREAKER_CLOSED), "closed");
    assert_string_equal(rb_breaker_state_name(RB_BREAKER_OPEN), "open");
    assert_string_equal(rb_breaker_state_name(RB_BREAKER_HALF_OPEN), "half-open");
}

// ---- contention: threads only count, the main thread asserts ----

struct contest {
    struct rb_breaker breaker;
    struct rb_breaker_rules rules;
    pthread_barrier_t barrier;
    _Atomic uint64_t now_ms;
    _Atomic unsigned inside, most_inside, admitted, refused;
    unsigned rounds;
};

struct runner {
    struct contest *contest;
    pthread_t thread;
    uint64_t random;
};

static void run_threads(struct contest *contest, void *(*body)(void *) )
{
    struct runner runners[THREADS];
    assert_int_equal(pthread_barrier_init(&contest->barrier, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        runners[i] = (struct runner){.contest = contest, .random = 1000003u * (i + 1)};
        assert_int_equal(pthread_create(&runners[i].thread, NULL, body, &runners[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(runners[i].thread, NULL);
    pthread_barrier_destroy(&contest->barrier);
}

static void enter(struct contest *contest)
{
    unsigned inside = atomic_fetch_add(&contest->inside, 1) + 1;
    unsigned most = atomic_load(&contest->most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&contest->most_inside, &most, inside))
        ;
}

static void *probe_repeatedly(void *argument)
{
    struct runner *runner = argument;
    struct contest *contest = runner->contest;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < contest->rounds; i++) {
        struct rb_permit permit;
        if (!rb_breaker_acquire(&contest->breaker, &contest->rules, 5000, &permit, NULL)) {
            atomic_fetch_add(&contest->refused, 1);
            continue;
        }
        enter(contest);
        atomic_fetch_add(&contest->admitted, 1);
        if (vector_random(&runner->random) % 4 == 0)
            sched_yield();
        atomic_fetch_sub(&contest->inside, 1);
        rb_breaker_record(&contest->breaker, &contest->rules, &permit, RB_HEALTH_IGNORED, 0, 5000, 0);
    }
    return NULL;
}

// Probes whose results are ignored come and go for ever; never more at once than there are permits.
static void test_half_open_never_admits_too_many(void **state)
{
    (void) state;
    for (uint32_t probes = 1; probes < THREADS; probes++) {
        struct contest contest = {.rules = default_rules(), .rounds = 30000};
        contest.rules.window = contest.rules.min_calls = 1;
        contest.rules.probes = probes;
        attempt(&contest.breaker, &contest.rules, RB_HEALTH_FAILURE, 0, 0, 0);
        run_threads(&contest, probe_repeatedly);
        assert_in_range(contest.most_inside, 1, probes);
        assert_true(contest.admitted > 0);
        assert_int_equal(contest.admitted + contest.refused, THREADS * contest.rounds);
        assert_string_equal(state_word(&contest.breaker), "HALF_OPEN");
    }
}

static void *probe_and_fail(void *argument)
{
    struct runner *runner = argument;
    struct contest *contest = runner->contest;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < contest->rounds; i++) {
        struct rb_permit permit;
        if (!rb_breaker_acquire(&contest->breaker, &contest->rules, 5000, &permit, NULL))
            continue;
        enter(contest);
        if (vector_random(&runner->random) % 4 == 0)
            sched_yield();
        atomic_fetch_sub(&contest->inside, 1);
        rb_breaker_record(&contest->breaker, &contest->rules, &permit, RB_HEALTH_FAILURE, 0, 5000, 0);
    }
    return NULL;
}

// Half-open periods follow each other without a pause: who is a period behind must not take the new one's slot.
static void test_late_callers_take_no_lease(void **state)
{
    (void) state;
    struct contest contest = {.rules = default_rules(), .rounds = 100000};
    contest.rules.window = contest.rules.min_calls = contest.rules.probes = 1;
    contest.rules.open_ms = 0;
    attempt(&contest.breaker, &contest.rules, RB_HEALTH_FAILURE, 0, 0, 0);
    run_threads(&contest, probe_and_fail);
    assert_int_equal(contest.most_inside, 1);
}

// Each round all ask at the same moment that the open time ends; exactly `probes` get a permit, and all of them fail.
static void *probe_in_rounds(void *argument)
{
    struct runner *runner = argument;
    struct contest *contest = runner->contest;
    for (unsigned i = 0; i < contest->rounds; i++) {
        struct rb_permit permit;
        uint64_t until_ms;
        rb_breaker_peek(&contest->breaker, &until_ms);
        pthread_barrier_wait(&contest->barrier);
        if (rb_breaker_acquire(&contest->breaker, &contest->rules, until_ms, &permit, NULL))
            atomic_fetch_add(&contest->admitted, 1);
        pthread_barrier_wait(&contest->barrier);
        if (permit.held)
            rb_breaker_record(&contest->breaker, &contest->rules, &permit, RB_HEALTH_FAILURE, 0, until_ms, 0);
        pthread_barrier_wait(&contest->barrier);
        if (rb_breaker_peek(&contest->breaker, NULL) != RB_BREAKER_OPEN)
            atomic_fetch_add(&contest->refused, 1);
        pthread_barrier_wait(&contest->barrier);
    }
    return NULL;
}

static void test_half_open_admits_exactly_the_permits(void **state)
{
    (void) state;
    for (uint32_t probes = 1; probes < THREADS; probes++) {
        struct contest contest = {.rules = default_rules(), .rounds = 1000};
        contest.rules.window = contest.rules.min_calls = 1;
        contest.rules.probes = probes;
        attempt(&contest.breaker, &contest.rules, RB_HEALTH_FAILURE, 0, 0, 0);
        run_threads(&contest, probe_in_rounds);
        assert_int_equal(contest.admitted, probes * contest.rounds);
        assert_int_equal(contest.refused, 0); // it opened again in every round
    }
}

static void *fail_once(void *argument)
{
    struct contest *contest = ((struct runner *) argument)->contest;
    for (unsigned i = 0; i < contest->rounds; i++) {
        struct rb_permit permit;
        if (rb_breaker_acquire(&contest->breaker, &contest->rules, 0, &permit, NULL))
            rb_breaker_record(&contest->breaker, &contest->rules, &permit, RB_HEALTH_FAILURE, 0, 0, 0);
    }
    return NULL;
}

// However many threads see the failures: one transition, and only after min_calls of them.
static void test_failures_open_once(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 300; i++) {
        struct contest contest = {.rules = default_rules(), .rounds = 20};
        contest.rules.time_window = i % 2;
        contest.rules.min_calls = 10;
        run_threads(&contest, fail_once);
        struct rb_breaker_word word = rb_breaker_unpack(atomic_load(&contest.breaker.state));
        assert_int_equal(word.name, RB_BREAKER_OPEN);
        assert_int_equal(word.generation, 1);
    }
}

static void *succeed_always(void *argument)
{
    struct contest *contest = ((struct runner *) argument)->contest;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < contest->rounds; i++) {
        if (!attempt(&contest->breaker, &contest->rules, RB_HEALTH_SUCCESS, 0, atomic_load(&contest->now_ms), 0))
            atomic_fetch_add(&contest->refused, 1);
    }
    return NULL;
}

// After a recovery no failure of before may be counted, not even while indices are claimed and not yet written.
static void test_success_never_opens(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 300; i++) {
        struct contest contest = {.rules = default_rules(), .rounds = 50};
        contest.rules.window = 8;
        contest.rules.min_calls = 1;
        contest.rules.failure_rate = 1;
        for (unsigned life = 0; life < 2; life++) {
            for (unsigned call = 0; call < 8; call++)
                attempt(&contest.breaker, &contest.rules, RB_HEALTH_FAILURE, 0, contest.now_ms, 0);
            contest.now_ms = recover(&contest.breaker, &contest.rules);
        }
        atomic_fetch_or(&contest.breaker.window.calls.failed[1], UINT64_MAX); // past the window: must not be read
        run_threads(&contest, succeed_always);
        assert_int_equal(contest.refused, 0);
        assert_string_equal(state_word(&contest.breaker), "CLOSED");
    }
}

// Everything at once, with a clock that runs.
static void hammer(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, _Atomic uint64_t *now_ms,
                   uint64_t *random)
{
    struct rb_permit permit;
    uint64_t now = atomic_fetch_add(now_ms, vector_random(random) % 16 == 0);
    if (!rb_breaker_acquire(breaker, rules, now, &permit, NULL))
        return;
    rb_breaker_record(breaker, rules, &permit, (enum rb_health)(vector_random(random) % 4),
                      vector_random(random) % (2 * SLOW_CALL_MS), atomic_load(now_ms), vector_random(random));
}

static struct rb_breaker_rules hammer_rules(bool time_window)
{
    struct rb_breaker_rules rules = default_rules();
    rules.time_window = time_window;
    rules.window = 5;
    rules.min_calls = 3;
    rules.open_ms = 3;
    rules.probe_lease_ms = 5;
    rules.open_multiplier_milli = 2000;
    rules.open_max_ms = 20;
    return rules;
}

// Whatever happened: after the longest wait it lets probes through, closes, and opens again on failures.
static void assert_usable(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms)
{
    uint64_t random = 4711;
    for (unsigned calls = 0; rb_breaker_peek(breaker, NULL) != RB_BREAKER_CLOSED; calls++) {
        assert_in_range(calls, 0, 1000);
        now_ms += 1 + vector_random(&random) % rules->open_max_ms;
        attempt(breaker, rules, RB_HEALTH_SUCCESS, 0, now_ms, 0);
    }
    for (unsigned calls = 0; rb_breaker_peek(breaker, NULL) == RB_BREAKER_CLOSED; calls++) {
        assert_in_range(calls, 0, 10 * rules->window);
        assert_true(attempt(breaker, rules, RB_HEALTH_FAILURE, 0, now_ms, 0));
    }
}

static void *hammer_always(void *argument)
{
    struct runner *runner = argument;
    struct contest *contest = runner->contest;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < contest->rounds; i++)
        hammer(&contest->breaker, &contest->rules, &contest->now_ms, &runner->random);
    return NULL;
}

static void test_usable_after_contention(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 10; i++) {
        struct contest contest = {.rules = hammer_rules(i % 2), .rounds = 20000};
        run_threads(&contest, hammer_always);
        assert_usable(&contest.breaker, &contest.rules, contest.now_ms + 100000);
    }
}

// ---- interference at one exact instruction ----
//
// The breaker lies across two pages, the second one without access. The first touch of it by the call under test runs
// `interfere` in its place, as if other callers had come between two of its instructions.

static struct {
    char *pages;
    struct rb_breaker *breaker;
    struct rb_breaker_rules rules;
    struct rb_permit permit, other;
    void (*interfere)(void);
    unsigned times;
} trap;

static size_t page_size(void)
{
    return (size_t) sysconf(_SC_PAGESIZE);
}

static void on_touch(int signal_number)
{
    (void) signal_number;
    if (trap.times++ > 0 || mprotect(trap.pages + page_size(), page_size(), PROT_READ | PROT_WRITE) != 0)
        _exit(99);
    trap.interfere();
}

// split: the offset in the breaker at which the second page begins
static void set_up_trap(size_t split, void (*interfere)(void))
{
    memset(&trap, 0, sizeof trap);
    trap.pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(trap.pages != MAP_FAILED);
    trap.breaker = (struct rb_breaker *) (void *) (trap.pages + page_size() - split);
    trap.rules = default_rules();
    trap.rules.window = trap.rules.min_calls = 2;
    trap.rules.probes = 1;
    trap.rules.open_ms = 0;
    trap.interfere = interfere;
}

static void arm_trap(void)
{
    struct sigaction action = {.sa_handler = on_touch};
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    assert_int_equal(mprotect(trap.pages + page_size(), page_size(), PROT_NONE), 0);
}

static void take_down_trap(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    assert_int_equal(trap.times, 1);
    munmap(trap.pages, 2 * page_size());
}

static void fail_twice(void)
{
    for (unsigned i = 0; i < 2; i++)
        attempt(trap.breaker, &trap.rules, RB_HEALTH_FAILURE, 0, 0, 0);
}

static void next_period_begins(void)
{
    rb_breaker_record(trap.breaker, &trap.rules, &trap.permit, RB_HEALTH_FAILURE, 0, 0, 0);
    rb_breaker_acquire(trap.breaker, &trap.rules, 0, &trap.other, NULL);
}

// Between reading the state and reading the slot the half-open period ended and the next one's probe began.
static void test_late_caller_leaves_the_lease(void **state)
{
    (void) state;
    struct rb_permit late;
    set_up_trap(offsetof(struct rb_breaker, probe), next_period_begins);
    fail_twice();
    assert_true(rb_breaker_acquire(trap.breaker, &trap.rules, 0, &trap.permit, NULL));
    arm_trap();
    assert_false(rb_breaker_acquire(trap.breaker, &trap.rules, 0, &late, NULL));
    assert_true(trap.other.held);
    assert_int_equal(rb_breaker_record(trap.breaker, &trap.rules, &trap.other, RB_HEALTH_SUCCESS, 0, 0, 0),
                     RB_RECORDED);
    assert_string_equal(state_word(trap.breaker), "CLOSED");
    take_down_trap();
}

static void open_close_and_fail(void)
{
    fail_twice();
    attempt(trap.breaker, &trap.rules, RB_HEALTH_SUCCESS, 0, 0, 0);
    attempt(trap.breaker, &trap.rules, RB_HEALTH_FAILURE, 0, 0, 0);
}

// Between reading the state and claiming a place in the window the breaker opened, closed and heard a failure.
static void test_late_result_leaves_the_window(void **state)
{
    (void) state;
    for (unsigned time_window = 0; time_window < 2; time_window++) {
        set_up_trap(offsetof(struct rb_breaker, head), open_close_and_fail);
        trap.rules.time_window = time_window != 0;
        trap.rules.window = 10;
        assert_true(rb_breaker_acquire(trap.breaker, &trap.rules, 0, &trap.permit, NULL));
        arm_trap();
        assert_int_equal(rb_breaker_record(trap.breaker, &trap.rules, &trap.permit, RB_HEALTH_SUCCESS, 0, 0, 0),
                         RB_RECORD_STALE);
        assert_string_equal(state_word(trap.breaker), "CLOSED");
        attempt(trap.breaker, &trap.rules, RB_HEALTH_FAILURE, 0, 0, 0); // the second one of this period
        assert_string_equal(state_word(trap.breaker), "OPEN");
        take_down_trap();
    }
}

// ---- sudden death ----

struct shared {
    struct rb_breaker breaker;
    _Atomic uint64_t now_ms;
    _Atomic uint64_t calls;
};

static pid_t start_victim(struct shared *shared, const struct rb_breaker_rules *rules, uint64_t seed)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (;;) {
        hammer(&shared->breaker, rules, &shared->now_ms, &seed);
        atomic_fetch_add(&shared->calls, 1);
    }
}

static void kill_victim(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

// Processes that share a breaker are killed wherever they happen to be; the breaker must go on.
static void test_usable_after_sudden_death(void **state)
{
    (void) state;
    struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    uint64_t random = 99;
    for (unsigned i = 0; i < 40; i++) {
        struct rb_breaker_rules rules = hammer_rules(i % 2);
        pid_t first = start_victim(shared, &rules, vector_random(&random) + 1u);
        pid_t second = start_victim(shared, &rules, vector_random(&random) + 1u);
        assert_true(first > 0 && second > 0);
        uint64_t until = atomic_load(&shared->calls) + 200 + vector_random(&random) % 2000;
        while (atomic_load(&shared->calls) < until)
            sched_yield();
        kill_victim(first);
        kill_victim(second);
        uint64_t now_ms = atomic_load(&shared->now_ms) + 100000; // all windows have passed
        assert_usable(&shared->breaker, &rules, now_ms);
        atomic_store(&shared->now_ms, now_ms + 100000);
    }
    munmap(shared, sizeof *shared);
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
        cmocka_unit_test(test_late_callers_take_no_lease),
        cmocka_unit_test(test_kind_of_window_changes_and_back),
        cmocka_unit_test(test_busy_second),
        cmocka_unit_test(test_hostile_input),
        cmocka_unit_test(test_generations_wrap),
        cmocka_unit_test(test_long_outage),
        cmocka_unit_test(test_state_names),
        cmocka_unit_test(test_half_open_never_admits_too_many),
        cmocka_unit_test(test_half_open_admits_exactly_the_permits),
        cmocka_unit_test(test_failures_open_once),
        cmocka_unit_test(test_success_never_opens),
        cmocka_unit_test(test_late_caller_leaves_the_lease),
        cmocka_unit_test(test_late_result_leaves_the_window),
        cmocka_unit_test(test_usable_after_contention),
        cmocka_unit_test(test_usable_after_sudden_death),
    };
    return vector_run("engine breaker", tables, others, sizeof others / sizeof others[0]);
}
