// SPDX-License-Identifier: MIT
// Several threads use the policy in force while its file changes all the time.
#include "test_policy_support.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "process/reload.h"

enum { READERS = 3, CHANGES = 300, CHANGES_AT_ONCE = 20 };

static struct {
    _Atomic uint64_t clock, rounds[READERS];
    _Atomic bool stop, torn;
    _Atomic unsigned loaded, failed;
} shared;

static void notify(enum rb_reload_event event, const char *path, const struct rb_diagnostic *diagnostic, int error)
{
    (void) path;
    (void) diagnostic;
    (void) error;
    shared.loaded += event == RB_RELOAD_LOADED || event == RB_RELOAD_RELOADED;
    shared.failed += event == RB_RELOAD_INVALID || event == RB_RELOAD_UNREADABLE;
}

// Assertions must not fail in a thread: cmocka would jump into the stack of another one.
static void *read_on(void *argument)
{
    _Atomic uint64_t *rounds = argument;
    while (!shared.stop) {
        const struct rb_section *section = rb_policy_section(rb_reload_current(shared.clock), 0);
        shared.torn |= section->rules.attempts != section->rules.breaker.probes;
        ++*rounds;
    }
    return NULL;
}

// A policy may be used for a minute, so time stands still until every thread has let go of what it had.
static void wait_for_readers(void)
{
    for (int i = 0; i < READERS; i++)
        for (uint64_t seen = shared.rounds[i]; shared.rounds[i] < seen + 2;)
            sched_yield();
}

// Replaces the file by one that has the same number in two places.
static void replace(const char *path, int number)
{
    char fresh[128];
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    fprintf(file, "[default]\nretry.attempts = %d\nbreaker.probes = %d\n", number, number);
    fclose(file);
    assert_int_equal(rename(fresh, path), 0);
}

static void test_every_policy_is_whole(void **state)
{
    char path[] = "/tmp/rebound-test-XXXXXX";
    pthread_t threads[READERS];
    (void) state;
    close(mkstemp(path));
    replace(path, 1);
    assert_int_equal(rb_reload_start(path, NULL, notify), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &shared.rounds[i]), 0);
    for (int i = 0; i < CHANGES; i++) {
        replace(path, i % 16 + 1);
        shared.clock += 1000;
        if (i % CHANGES_AT_ONCE == 0)
            wait_for_readers();
    }
    wait_for_readers();
    shared.stop = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    unlink(path);
    assert_false(shared.torn);
    assert_int_equal(shared.failed, 0);
    assert_true(shared.loaded > CHANGES / CHANGES_AT_ONCE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_policy_is_whole)};
    return cmocka_run_group_tests_name("policy reload, threads", tests, NULL, NULL);
}
