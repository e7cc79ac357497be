// SPDX-License-Identifier: MIT
// Updates of several words under contention: a reader sees a whole update or none.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/breaker_word.h"
#include "state/cells.h"
#include "state/label.h"
#include "state/record.h"
#include "state/ring.h"
#include "state/shared.h"
#include "state/view.h"

enum { WRITERS = 4, CELLS = 16 };

static struct rb_view view;
static _Atomic unsigned writing;

struct writer {
    pthread_t thread;
    unsigned number;
    unsigned rounds;
    void (*write)(unsigned number, unsigned round);
};

static void *run_writer(void *argument)
{
    struct writer *writer = argument;
    for (unsigned i = 0; i < writer->rounds; i++)
        writer->write(writer->number, i);
    atomic_fetch_sub(&writing, 1);
    return NULL;
}

// Lets the writers write, and calls `read` as long as one of them does, and once more.
static void contend(void (*write)(unsigned, unsigned), unsigned rounds, void (*read)(void))
{
    struct writer writers[WRITERS];
    atomic_store(&writing, WRITERS);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.number = i, .rounds = rounds, .write = write};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]), 0);
    }
    while (atomic_load(&writing) > 0)
        read();
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    read();
}

static int set_up(void **state)
{
    (void) state;
    return rb_store_private(&view.state, CELLS) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void) state;
    rb_view_close(&view);
    return 0;
}

// ---- the ring ----

static void write_event(unsigned number, unsigned round)
{
    struct rb_ring_entry entry = {.unix_ms = round, .process = number + 1, .delay_ms = round * 3 + number};
    snprintf(entry.policy, sizeof(entry.policy), "policy %u", number);
    snprintf(entry.host, sizeof(entry.host), "host %u %u", number, round);
    rb_ring_put(&view.state, &entry);
}

static uint64_t last_event;
static unsigned events_seen;

static void read_events(void)
{
    struct rb_view_event event;
    char policy[64], name[64];
    while (rb_view_event(&view, &last_event, &event)) {
        unsigned number = (unsigned) event.pid - 1, round = (unsigned) event.unix_ms;
        snprintf(policy, sizeof(policy), "policy %u", number);
        snprintf(name, sizeof(name), "host %u %u", number, round);
        assert_string_equal(event.policy, policy);
        assert_string_equal(event.host, name);
        assert_int_equal(event.delay_ms, round * 3 + number);
        events_seen++;
    }
}

static void test_events_are_whole(void **state)
{
    (void) state;
    last_event = events_seen = 0;
    contend(write_event, 20000, read_events);
    assert_int_equal(rb_view_event_last(&view), WRITERS * 20000);
    assert_true(events_seen >= RB_STATE_EVENTS / 2); // what is left at the end, at the least
}

// ---- names of cells that change hands ----

static const struct rb_rules rules = {.breaker = {.window = 10,
                                                  .min_calls = 2,
                                                  .failure_rate = 5000,
                                                  .open_ms = 1,
                                                  .open_max_ms = 1,
                                                  .probes = 1,
                                                  .probe_lease_ms = 1000}};

static void write_cell(unsigned number, unsigned round)
{
    char policy[32], name[32];
    uint64_t key = round % 50 * 1000 + number + 1;
    snprintf(policy, sizeof(policy), "policy %u", (unsigned) key);
    snprintf(name, sizeof(name), "host%u", (unsigned) key);
    struct rb_target target = {.name = name, .name_length = strlen(name), .port = 80};
    rb_cell_in(&view.state, key, policy, &rules, &target, round + 1);
}

static unsigned cells_seen;

static void read_cells(void)
{
    struct rb_view_cell seen;
    char label[RB_STATE_HOST_SIZE];
    for (uint32_t i = 0; i < CELLS; i++) {
        if (!rb_view_cell(&view, i, 1, &seen))
            continue;
        snprintf(label, sizeof(label), "host%.20s:80", seen.policy + strlen("policy "));
        assert_string_equal(seen.host, label);
        cells_seen++;
    }
}

static void test_names_are_whole(void **state)
{
    (void) state;
    cells_seen = 0;
    contend(write_cell, 20000, read_cells);
    assert_true(cells_seen > 0);
    assert_true(atomic_load(&view.state.header->evicted) > 0);
}

// ---- places of policies ----

static void write_policy(unsigned number, unsigned round)
{
    char name[32];
    snprintf(name, sizeof(name), "policy %u", (number + round) % 20);
    rb_label_claim_policy(&view.state, name);
}

static void read_policies(void)
{
    struct rb_view_policy policy;
    bool seen[20] = {false};
    for (unsigned i = 0; i < RB_STATE_POLICIES; i++) {
        if (!rb_view_policy(&view, i, &policy))
            continue;
        unsigned number = (unsigned) strtoul(policy.name + strlen("policy "), NULL, 10);
        assert_in_range(number, 0, 19);
        assert_false(seen[number]); // each has one place
        seen[number] = true;
    }
}

static void test_policies_have_one_place(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 20; i++) {
        contend(write_policy, 200, read_policies);
        rb_view_reset(&view);
    }
}

// ---- counters and transitions ----

static struct rb_cell *cell;
static _Atomic uint64_t clock_ms = 1;

static void work(unsigned number, unsigned round)
{
    struct rb_call call;
    struct rb_outcome outcome = {.health = (number + round / 7) % 2 ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS};
    struct rb_rules on = rules;
    uint64_t now_ms = atomic_fetch_add(&clock_ms, round % 4 == 0);
    on.breaker_on = true;
    rb_call_begin(&call, &on, &cell->breaker, &cell->budget, 0, now_ms);
    if (rb_call_admit(&call, now_ms, NULL))
        rb_call_judge(&call, &outcome, RB_REASON_NONE, true, NULL, now_ms, 0);
    rb_record_success(&call, "payments", RB_API_CURL);
}

static void nothing(void)
{
}

static uint64_t value(unsigned counter)
{
    struct rb_view own = {.state = *rb_shared()};
    struct rb_view_policy policy;
    for (unsigned i = 0; i < RB_STATE_POLICIES; i++)
        if (rb_view_policy(&own, i, &policy))
            return policy.values[counter];
    return 0;
}

// No call is lost, and each transition is counted by exactly one.
static void test_counters_are_exact(void **state)
{
    struct rb_target target = {.name = "a", .name_length = 1, .port = 80};
    (void) state;
    cell = rb_cell_get(1, "payments", &rules, &target, 1);
    uint32_t before = rb_breaker_word_unpack(atomic_load(&cell->breaker.state)).generation;
    contend(work, 4000, nothing);
    uint32_t after = rb_breaker_word_unpack(atomic_load(&cell->breaker.state)).generation;
    uint64_t opened = value(RB_COUNTER_TRANSITIONS + RB_BREAKER_OPEN);
    uint64_t half = value(RB_COUNTER_TRANSITIONS + RB_BREAKER_HALF_OPEN);
    uint64_t closed = value(RB_COUNTER_TRANSITIONS + RB_BREAKER_CLOSED);
    assert_int_equal(value(RB_COUNTER_CALLS), WRITERS * 4000);
    assert_true(opened > 0 && half > 0);
    assert_int_equal((opened + half + closed) & RB_GENERATION_MASK, (after - before) & RB_GENERATION_MASK);
}

// ---- sudden death ----
//
// Workers on one file make calls, and are killed wherever they happen to be. While the host is sick there is one probe
// at a time; when it is well again the breaker closes within a lease, and everything can be read.

enum { WORKERS = 16, LEASE_MS = 200 };

#ifdef __SANITIZE_THREAD__
enum { KILLS = 30 }; // a fork is dear under it, and what processes do to each other it does not see
#else
enum { KILLS = 300 };
#endif

struct host {
    _Atomic unsigned sick;
    _Atomic unsigned too_many; // probes at once
    _Atomic uint64_t calls;
    _Atomic uint64_t probing[WORKERS]; // generation << 48 | when its lease began, while this worker's probe is there
};

static struct host *host;
static struct rb_rules lethal = {.breaker = {.window = 10,
                                             .min_calls = 4,
                                             .failure_rate = 5000,
                                             .slow_rate = 10000,
                                             .open_ms = 2,
                                             .open_multiplier_milli = 1000,
                                             .open_max_ms = 2,
                                             .probes = 1,
                                             .probe_lease_ms = LEASE_MS,
                                             .quorum = 1},
                                 .breaker_on = true};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

// Two of one generation at once are too many, but where the other one's lease was over: a worker may not run for long.
static void probe(unsigned number, uint32_t generation, uint64_t begun_ms)
{
    const uint64_t time_mask = (UINT64_C(1) << 48) - 1;
    atomic_store(&host->probing[number], (uint64_t) generation << 48 | begun_ms);
    for (unsigned i = 0; i < WORKERS; i++) {
        uint64_t other = atomic_load(&host->probing[i]);
        if (i != number && other != 0 && other >> 48 == generation && begun_ms < (other & time_mask) + LEASE_MS)
            atomic_fetch_add(&host->too_many, 1);
    }
    atomic_store(&host->probing[number], 0); // before the permit goes back
}

static void call_host(unsigned number, struct rb_cell *shared_cell)
{
    struct rb_call call;
    uint64_t begun_ms = now_ms();
    rb_cell_begin(shared_cell, &call, &lethal, 0, begun_ms);
    if (!rb_call_admit(&call, begun_ms, NULL))
        return;
    struct rb_outcome outcome = {.health = atomic_load(&host->sick) ? RB_HEALTH_FAILURE : RB_HEALTH_SUCCESS};
    if (call.permit.kind == RB_PERMIT_PROBE)
        probe(number, call.permit.generation, begun_ms);
    rb_call_judge(&call, &outcome, RB_REASON_NONE, true, NULL, now_ms(), 0);
    atomic_fetch_add(&host->calls, 1);
}

static pid_t start_worker(unsigned number, const char *path)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    struct rb_state state;
    struct rb_target target = {.name = "host42", .name_length = 6, .port = 80};
    if (rb_store_map(&state, path, true) != RB_STORE_SOUND)
        _exit(1);
    for (;;) {
        struct rb_cell *shared_cell = rb_cell_in(&state, 42, "policy 42", &lethal, &target, now_ms());
        call_host(number, shared_cell);
        view.state = state;
        write_cell(number, (unsigned) atomic_load(&host->calls) % 100000);
        usleep(number * 30); // a machine of two processors has to do other things, too
    }
}

// The worker of the probe is dead. Its lease is still valid, and it calls the host no more.
static void kill_worker(pid_t pid, unsigned number)
{
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); // nobody crashed before
    atomic_store(&host->probing[number], 0);
}

static void assert_recovers(const struct rb_state *state)
{
    struct rb_target target = {.name = "host42", .name_length = 6, .port = 80};
    struct rb_cell *shared_cell = rb_cell_in(state, 42, "policy 42", &lethal, &target, now_ms());
    uint64_t begun_ms = now_ms();
    atomic_store(&host->sick, 0);
    while (rb_breaker_peek(&shared_cell->breaker, NULL) != RB_BREAKER_CLOSED) {
        call_host(0, shared_cell);
        assert_true(now_ms() - begun_ms < LEASE_MS + 2000); // 2 s for a busy machine
    }
}

static void test_sudden_death(void **state)
{
    const unsigned kills = getenv("REBOUND_KILLS") ? (unsigned) atoi(getenv("REBOUND_KILLS")) : KILLS;
    char directory[] = "/tmp/rebound-death-XXXXXX", path[64];
    pid_t workers[WORKERS];
    (void) state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/state", directory);
    assert_int_equal(rb_store_make(path, CELLS), RB_STORE_SOUND);
    rb_view_close(&view);
    assert_int_equal(rb_view_open(&view, path, geteuid(), true), RB_STORE_SOUND);
    host = mmap(NULL, sizeof(*host), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(host != MAP_FAILED);
    srandom(5);
    for (unsigned i = 0; i < WORKERS; i++)
        workers[i] = start_worker(i, path);
    for (unsigned i = 0; i < kills; i++) {
        unsigned victim = (unsigned) random() % WORKERS;
        atomic_store(&host->sick, i / 10 % 2);
        usleep((useconds_t) random() % 1000);
        kill_worker(workers[victim], victim);
        workers[victim] = start_worker(victim, path);
        read_cells();
    }
    for (unsigned i = 0; i < WORKERS; i++)
        kill_worker(workers[i], i);
    assert_recovers(&view.state);
    assert_int_equal(atomic_load(&host->too_many), 0);
    munmap(host, sizeof(*host));
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
}

#define ON_STATE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STATE(test_events_are_whole),
        ON_STATE(test_names_are_whole),
        ON_STATE(test_policies_have_one_place),
        cmocka_unit_test(test_counters_are_exact),
        ON_STATE(test_sudden_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
