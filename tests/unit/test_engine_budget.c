// SPDX-License-Identifier: MIT
// Tests of the retry budget: the known answers, processes that share one, and hostile rules and clocks.
#include "engine_vectors.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/budget.h"
#include "engine/reading.h"

enum { THREADS = 4, DRAIN_CALLS = 60000 };

#ifdef __SANITIZE_THREAD__
enum { DRAIN_ROUNDS = 3 }; // it sees a race without the luck of a moment
#else
enum { DRAIN_ROUNDS = 12 };
#endif

struct play {
    struct rb_budget budget;
    struct rb_budget_rules rules;
    uint64_t now_ms;
    unsigned calls, retries;
};

static unsigned withdraw(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms, unsigned times)
{
    unsigned got = 0;
    for (unsigned i = 0; i < times; i++)
        got += rb_budget_withdraw(budget, rules, now_ms);
    return got;
}

static unsigned call(struct rb_budget *budget, const struct rb_budget_rules *rules, uint64_t now_ms, unsigned retries)
{
    rb_budget_deposit(budget, rules, now_ms);
    return withdraw(budget, rules, now_ms, retries);
}

// ---- processes that share a budget ----

struct shared {
    struct rb_budget budget;
    _Atomic uint64_t now_ms;
    _Atomic unsigned retries;
};

static void run_process(struct shared *shared, const struct rb_budget_rules *rules, unsigned calls)
{
    for (unsigned i = 0; i < calls; i++) {
        uint64_t now_ms = atomic_fetch_add(&shared->now_ms, 1);
        atomic_fetch_add(&shared->retries, call(&shared->budget, rules, now_ms, 2));
    }
    _exit(0);
}

static void run_processes(struct shared *shared, const struct rb_budget_rules *rules, unsigned processes,
                          unsigned calls)
{
    for (unsigned i = 0; i < processes; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            run_process(shared, rules, calls);
    }
    for (unsigned i = 0; i < processes; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void check_processes(const struct rb_budget_rules *rules, unsigned processes, unsigned calls)
{
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    atomic_store(&shared->now_ms, 1000000);
    run_processes(shared, rules, processes, calls);
    uint64_t share = (uint64_t) processes * calls * rules->ratio / 10000;
    uint64_t running = (atomic_load(&shared->now_ms) - 1000000) * rules->floor_milli / 1000000;
    uint64_t limit = share + running + (uint64_t) rules->floor_milli * RB_BUDGET_SECONDS / 1000;
    unsigned retries = atomic_load(&shared->retries);
    munmap(shared, sizeof(*shared));
    assert_in_range(retries, limit / 2, limit);
}

// ---- the table ----

static void play_step(struct play *play, const char *step, char *out, size_t size)
{
    unsigned a = 0, b = 0;
    if (sscanf(step, "p%ux%u=share", &a, &b) == 2) {
        check_processes(&play->rules, a, b);
        snprintf(out, size, "%s", step);
    } else if (sscanf(step, "c%ux%u", &a, &b) == 2) {
        for (unsigned i = 0; i < a; i++)
            play->retries += call(&play->budget, &play->rules, play->now_ms, b);
        play->calls += a;
        snprintf(out, size, "c%ux%u=%u", a, b, play->retries);
    } else if (sscanf(step, "d%u", &a) == 1) {
        for (unsigned i = 0; i < a; i++)
            rb_budget_deposit(&play->budget, &play->rules, play->now_ms);
        snprintf(out, size, "d%u", a);
    } else if (sscanf(step, "w%u", &a) == 1) {
        snprintf(out, size, "w%u=%u", a, withdraw(&play->budget, &play->rules, play->now_ms, a));
    } else if (step[0] == '-' && sscanf(step, "-%u", &a) == 1) {
        play->now_ms -= a;
        snprintf(out, size, "-%u", a);
    } else if (sscanf(step, "+%u", &a) == 1) {
        play->now_ms += a;
        snprintf(out, size, "+%u", a);
    } else {
        fail_msg("\"%s\" is not a step", step);
    }
}

static void test_row(void **state)
{
    const struct vector_row *row = *state;
    struct play play = {.rules = {(uint32_t) vector_number(row->field[1]), (uint32_t) vector_number(row->field[2])}};
    char actual[512] = "", step[64];
    for (const char *steps = row->field[3]; *steps != '\0';) {
        size_t length = strcspn(steps, " "), used = strlen(actual);
        snprintf(step, sizeof(step), "%.*s", (int) length, steps);
        steps += steps[length] == ' ' ? length + 1 : length;
        if (used > 0)
            actual[used++] = ' ';
        play_step(&play, step, actual + used, sizeof(actual) - used);
    }
    assert_string_equal(actual, row->field[3]);
    if (row->field[4][0] != '\0') {
        unsigned hundredths = (100 * (play.calls + play.retries) + play.calls / 2) / play.calls;
        snprintf(actual, sizeof(actual), "%u.%02u", hundredths / 100, hundredths % 100);
        assert_string_equal(actual, row->field[4]);
    }
}

// ---- properties ----

// For any ratio and floor, over any time: no more than was saved up.
static void test_never_overspends(void **state)
{
    (void) state;
    uint64_t random = 19283746;
    for (unsigned round = 0; round < 300; round++) {
        struct rb_budget budget = {0};
        struct rb_budget_rules rules = {vector_random(&random) % 10001, vector_random(&random) % 50000};
        uint64_t start = vector_random(&random), now_ms = start, deposits = 0, got = 0;
        for (unsigned i = 0; i < 2000; i++) {
            now_ms += vector_random(&random) % 4 == 0 ? vector_random(&random) % 200 : 0;
            deposits++;
            got += call(&budget, &rules, now_ms, vector_random(&random) % 4);
            uint64_t floor = (uint64_t) rules.floor_milli * (now_ms - start + 10000) / 1000000;
            assert_true(got <= deposits * rules.ratio / 10000 + (floor > 0 ? floor : rules.floor_milli > 0));
        }
    }
}

// A single caller gets all saved retries.
static void test_nothing_is_withheld(void **state)
{
    (void) state;
    struct rb_budget budget = {0};
    struct rb_budget_rules rules = {2500, 0};
    for (unsigned i = 0; i < 1000; i++)
        rb_budget_deposit(&budget, &rules, i * 10);
    assert_int_equal(withdraw(&budget, &rules, 9999, 1000), 250);
}

// The floor is spent at one time. Then a caller with an older clock reading asks. `refilled` retries are there
// afterwards.
static void check_old_reading(uint64_t age_ms, unsigned refilled)
{
    struct rb_budget budget = {0};
    struct rb_budget_rules rules = {0, 3000};
    assert_int_equal(withdraw(&budget, &rules, 1000000, 100), 30);
    assert_int_equal(withdraw(&budget, &rules, 1000000 - age_ms, 100), 0);
    assert_int_equal(withdraw(&budget, &rules, 1000000, 100), refilled);
}

// Two readings of one clock may differ by RB_READINGS_APART_MS. The older one refills nothing.
static void test_old_clock_refills_nothing(void **state)
{
    (void) state;
    check_old_reading(RB_READINGS_APART_MS, 0);
}

// An even older reading is of another clock. It gives the others one floor, however often its caller asks.
static void test_very_old_clock_refills_once(void **state)
{
    (void) state;
    check_old_reading(100000, 30);
}

// One clock is far behind the other. Neither stops the retries of the other for longer than an interval.
static void test_two_clocks(void **state)
{
    (void) state;
    const uint64_t ahead = UINT64_C(8640000000);
    struct rb_budget budget = {0};
    struct rb_budget_rules rules = {0, 10000};
    unsigned near = 0, far = 0;
    for (uint64_t now_ms = 0; now_ms < 60000; now_ms += 100) {
        far += withdraw(&budget, &rules, ahead + now_ms, 1);
        near += withdraw(&budget, &rules, now_ms, 1);
        near += withdraw(&budget, &rules, now_ms + 100, 1);
    }
    assert_in_range(near, 590, 610); // the floor of one minute
    assert_int_equal(far, 600);
}

// Clock readings of several processes differ a little. An earlier reading takes no retries away.
static void test_clock_steps_back(void **state)
{
    (void) state;
    struct rb_budget budget = {0};
    struct rb_budget_rules rules = {10000, 0};
    rb_budget_deposit(&budget, &rules, 50000);
    rb_budget_deposit(&budget, &rules, 49000);
    rb_budget_deposit(&budget, &rules, 40000); // its second has passed
    assert_int_equal(withdraw(&budget, &rules, 50000, 5), 2);
}

static void test_hostile_input(void **state)
{
    (void) state;
    static const uint64_t edges[] = {0, 1, 999, UINT32_MAX, UINT64_C(1) << 31, UINT64_MAX / 1000000, UINT64_MAX};
    uint64_t random = 55555;
    struct rb_budget *budget = calloc(1, sizeof(*budget));
    assert_non_null(budget);
    for (unsigned i = 0; i < 100000; i++) {
        struct rb_budget_rules rules = {(uint32_t) edges[vector_random(&random) % 7],
                                        (uint32_t) edges[vector_random(&random) % 7]};
        call(budget, &rules, edges[vector_random(&random) % 7], vector_random(&random) % 3);
    }
    free(budget);
}

struct contest {
    struct rb_budget budget;
    struct rb_budget_rules rules;
    _Atomic uint64_t now_ms;
    _Atomic unsigned calls, retries;
    pthread_barrier_t barrier;
};

static void *spend(void *argument)
{
    struct contest *contest = argument;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t now_ms = atomic_fetch_add(&contest->now_ms, i % 4 == 0);
        atomic_fetch_add(&contest->calls, 1);
        atomic_fetch_add(&contest->retries, call(&contest->budget, &contest->rules, now_ms, 2));
    }
    return NULL;
}

static void *drain(void *argument)
{
    struct contest *contest = argument;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < DRAIN_CALLS; i++)
        atomic_fetch_add(&contest->retries, rb_budget_withdraw(&contest->budget, &contest->rules, 0));
    return NULL;
}

static void *earn_and_drain(void *argument)
{
    struct contest *contest = argument;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < DRAIN_CALLS; i++)
        atomic_fetch_add(&contest->retries, call(&contest->budget, &contest->rules, 0, 1));
    return NULL;
}

static void run_threads(struct contest *contest, void *(*body)(void *) )
{
    pthread_t threads[THREADS];
    assert_int_equal(pthread_barrier_init(&contest->barrier, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, contest), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&contest->barrier);
}

// With the clock at rest all threads together get what was saved, to the last retry. Several rounds, as on a busy
// machine the threads do not always meet.
static void test_threads_get_exactly_what_is_there(void **state)
{
    (void) state;
    for (unsigned round = 0; round < DRAIN_ROUNDS; round++) {
        struct contest floor = {.rules = {0, 20000000}}, share = {.rules = {5000, 0}};
        run_threads(&floor, drain);
        assert_int_equal(floor.retries, 200000);
        run_threads(&share, earn_and_drain);
        share.retries += withdraw(&share.budget, &share.rules, 0, THREADS * DRAIN_CALLS);
        assert_int_equal(share.retries, THREADS * DRAIN_CALLS / 2);
    }
}

static void test_threads_never_overspend(void **state)
{
    (void) state;
    struct contest contest = {.rules = {1000, 3000}};
    run_threads(&contest, spend);
    uint64_t limit = contest.calls / 10 + contest.now_ms * 3 / 1000 + 30;
    assert_in_range(contest.retries, limit / 2, limit);
}

int main(void)
{
    static const struct vector_table tables[] = {{"budget.tsv", test_row}, {NULL, NULL}};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_never_overspends),
        cmocka_unit_test(test_nothing_is_withheld),
        cmocka_unit_test(test_old_clock_refills_nothing),
        cmocka_unit_test(test_very_old_clock_refills_once),
        cmocka_unit_test(test_two_clocks),
        cmocka_unit_test(test_clock_steps_back),
        cmocka_unit_test(test_hostile_input),
        cmocka_unit_test(test_threads_never_overspend),
        cmocka_unit_test(test_threads_get_exactly_what_is_there),
    };
    return vector_run("engine budget", tables, others, sizeof(others) / sizeof(others[0]));
}
