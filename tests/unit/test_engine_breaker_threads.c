// SPDX-License-Identifier: MIT
// Tests of the circuit breaker by many callers: contention, interference at one instruction, and killed processes.
#include "engine_breaker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4 };

// ---- contention: threads only count, the main thread asserts ----

struct contest {
    struct rb_breaker breaker;
    struct rb_breaker_rules rules;
    pthread_barrier_t barrier;
    _Atomic uint64_t now_ms;
    _Atomic unsigned inside, most_inside, admitted, refused;
    unsigned rounds;
    enum rb_health health; // of each probe
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
        if (!rb_breaker_acquire(&contest->breaker, &contest->rules, RB_ASK_OWN, 5000, &permit, NULL)) {
            atomic_fetch_add(&contest->refused, 1);
            continue;
        }
        enter(contest);
        atomic_fetch_add(&contest->admitted, 1);
        if (vector_random(&runner->random) % 4 == 0)
            sched_yield();
        atomic_fetch_sub(&contest->inside, 1);
        rb_breaker_record(&contest->breaker, &contest->rules, &permit, contest->health, 0, 5000, 0);
    }
    return NULL;
}

// Probes whose results are ignored follow each other. There are never more at once than permits.
static void test_half_open_never_admits_too_many(void **state)
{
    (void) state;
    for (uint32_t probes = 1; probes < THREADS; probes++) {
        struct contest contest = {.rules = rules_that_open(1, probes), .rounds = 30000, .health = RB_HEALTH_IGNORED};
        attempt(&contest.breaker, &contest.rules, RB_HEALTH_FAILURE, 0, 0, 0);
        run_threads(&contest, probe_repeatedly);
        assert_in_range(contest.most_inside, 1, probes);
        assert_true(contest.admitted > 0);
        assert_int_equal(contest.admitted + contest.refused, THREADS * contest.rounds);
        assert_string_equal(state_word(&contest.breaker), "HALF_OPEN");
    }
}

// Half-open periods follow each other without a pause. A caller of an earlier period must not take a slot of a later
// one.
static void test_late_callers_take_no_lease(void **state)
{
    (void) state;
    struct contest contest = {.rules = rules_that_open(1, 1), .rounds = 100000, .health = RB_HEALTH_FAILURE};
    contest.rules.open_ms = 0;
    attempt(&contest.breaker, &contest.rules, RB_HEALTH_FAILURE, 0, 0, 0);
    run_threads(&contest, probe_repeatedly);
    assert_int_equal(contest.most_inside, 1);
}

// In each round all threads ask when the open time ends. Exactly `probes` of them get a permit, and their probes fail.
static void *probe_in_rounds(void *argument)
{
    struct runner *runner = argument;
    struct contest *contest = runner->contest;
    for (unsigned i = 0; i < contest->rounds; i++) {
        struct rb_permit permit;
        uint64_t until_ms;
        rb_breaker_peek(&contest->breaker, &until_ms);
        pthread_barrier_wait(&contest->barrier);
        if (rb_breaker_acquire(&contest->breaker, &contest->rules, RB_ASK_OWN, until_ms, &permit, NULL))
            atomic_fetch_add(&contest->admitted, 1);
        pthread_barrier_wait(&contest->barrier);
        if (permit.kind != RB_PERMIT_NONE)
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
        struct contest contest = {.rules = rules_that_open(1, probes), .rounds = 1000};
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
        if (rb_breaker_acquire(&contest->breaker, &contest->rules, RB_ASK_OWN, 0, &permit, NULL))
            rb_breaker_record(&contest->breaker, &contest->rules, &permit, RB_HEALTH_FAILURE, 0, 0, 0);
    }
    return NULL;
}

// Many threads see the failures. The breaker opens once, and not before min_calls failures.
static void test_failures_open_once(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 300; i++) {
        struct contest contest = {.rules = default_rules(), .rounds = 20};
        contest.rules.time_window = i % 2;
        contest.rules.min_calls = 10;
        run_threads(&contest, fail_once);
        struct rb_breaker_word word = rb_breaker_word_unpack(atomic_load(&contest.breaker.state));
        assert_int_equal(word.name, RB_BREAKER_OPEN);
        assert_int_equal(word.generation, 1);
    }
}

static void *succeed_always(void *argument)
{
    struct contest *contest = ((struct runner *) argument)->contest;
    pthread_barrier_wait(&contest->barrier);
    for (unsigned i = 0; i < contest->rounds; i++)
        if (!attempt(&contest->breaker, &contest->rules, RB_HEALTH_SUCCESS, 0, atomic_load(&contest->now_ms), 0))
            atomic_fetch_add(&contest->refused, 1);
    return NULL;
}

// After a recovery no earlier failure counts, even while a place in the window is claimed and not yet written.
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

// All kinds of results at once, with a clock that runs.
static void hammer(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, _Atomic uint64_t *now_ms,
                   uint64_t *random)
{
    struct rb_permit permit;
    uint64_t now = atomic_fetch_add(now_ms, vector_random(random) % 16 == 0);
    if (!rb_breaker_acquire(breaker, rules, RB_ASK_OWN, now, &permit, NULL))
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

// Checks that the breaker still works: after the longest wait it admits probes and closes, and failures open it again.
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
    memset(&trap, 0, sizeof(trap));
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
    rb_breaker_acquire(trap.breaker, &trap.rules, RB_ASK_OWN, 0, &trap.other, NULL);
}

// The half-open period ends after the caller read the state and before it reads the slot. The next period's probe has
// begun.
static void test_late_caller_leaves_the_lease(void **state)
{
    (void) state;
    struct rb_permit late;
    set_up_trap(offsetof(struct rb_breaker, probe), next_period_begins);
    fail_twice();
    assert_true(rb_breaker_acquire(trap.breaker, &trap.rules, RB_ASK_OWN, 0, &trap.permit, NULL));
    arm_trap();
    assert_false(rb_breaker_acquire(trap.breaker, &trap.rules, RB_ASK_OWN, 0, &late, NULL));
    assert_true(trap.other.kind != RB_PERMIT_NONE);
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

// The breaker opens, closes and records a failure after the caller read the state and before it claims a place.
static void test_late_result_leaves_the_window(void **state)
{
    (void) state;
    for (unsigned time_window = 0; time_window < 2; time_window++) {
        set_up_trap(offsetof(struct rb_breaker, head), open_close_and_fail);
        trap.rules.time_window = time_window != 0;
        trap.rules.window = 10;
        assert_true(rb_breaker_acquire(trap.breaker, &trap.rules, RB_ASK_OWN, 0, &trap.permit, NULL));
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

// Processes that share a breaker are killed at any instruction. The breaker must still work.
static void test_usable_after_sudden_death(void **state)
{
    (void) state;
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
    munmap(shared, sizeof(*shared));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_callers_take_no_lease),
        cmocka_unit_test(test_half_open_never_admits_too_many),
        cmocka_unit_test(test_half_open_admits_exactly_the_permits),
        cmocka_unit_test(test_failures_open_once),
        cmocka_unit_test(test_success_never_opens),
        cmocka_unit_test(test_late_caller_leaves_the_lease),
        cmocka_unit_test(test_late_result_leaves_the_window),
        cmocka_unit_test(test_usable_after_contention),
        cmocka_unit_test(test_usable_after_sudden_death),
    };
    return cmocka_run_group_tests_name("engine breaker, many callers", tests, NULL, NULL);
}
