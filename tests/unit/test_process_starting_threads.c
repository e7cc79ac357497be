// SPDX-License-Identifier: MIT
// Which calls may wait for the start of a host, and threads that wait for the same one.
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/starting.h"
#include "real/system.h"

enum { HOUR_MS = 3600000, THREADS = 8, ROUNDS = 200 };

static const struct rb_outcome refused = {
    .cause = RB_CAUSE_REFUSED, .sent = RB_SENT_NEVER, .health = RB_HEALTH_FAILURE, .absent = true};
static const struct rb_outcome fine = {.cause = RB_CAUSE_NONE, .sent = RB_SENT_ANSWERED, .health = RB_HEALTH_SUCCESS};

static struct rb_section section_of(uint64_t wait_ms, bool wide)
{
    return (struct rb_section){.name = "s", .wide = wide, .values.rules = {.attempts = 1, .start_wait_ms = wait_ms}};
}

static struct rb_target named(const char *name, uint16_t port)
{
    return (struct rb_target){.name = name, .name_length = strlen(name), .port = port};
}

// Begins a call. Returns the place of its host, NULL if start.wait does not apply.
static struct rb_absent_host *begin(struct rb_call *call, const struct rb_section *section, struct rb_target target)
{
    rb_call_begin(call, &section->rules, NULL, NULL, 0, rb_system_now_ms());
    rb_starting_begin(call, section, &target);
    assert_true(rb_call_admit(call, rb_system_now_ms(), NULL));
    return call->start;
}

static bool applies(const struct rb_section *section, struct rb_target target)
{
    struct rb_call call;
    return begin(&call, section, target) != NULL;
}

static void test_which_calls(void **state)
{
    const struct rb_section off = section_of(0, true), wide = section_of(HOUR_MS, true);
    const struct rb_section narrow = section_of(HOUR_MS, false), over = section_of(1, true);
    struct rb_target private = {.family = AF_INET, .address = {10, 0, 0, 1}, .port = 80};
    struct rb_target public = {.family = AF_INET, .address = {8, 8, 8, 8}, .port = 80};
    (void) state;
    usleep(5000); // the wait of one millisecond is over
    assert_false(applies(&off, named("db", 80)));
    assert_false(applies(&over, named("db", 80)));
    assert_true(applies(&wide, named("db", 80)));
    assert_true(applies(&wide, private));
    assert_false(applies(&wide, public));
    assert_false(applies(&wide, named("db.example", 80)));
    assert_true(applies(&narrow, public));
    assert_true(applies(&narrow, named("db.example", 80)));
}

static void test_own_name(void **state)
{
    const struct rb_section wide = section_of(HOUR_MS, true), narrow = section_of(HOUR_MS, false);
    char own[256] = "";
    (void) state;
    assert_int_equal(gethostname(own, sizeof(own) - 2), 0);
    if (strchr(own, '.'))
        return;
    assert_false(applies(&wide, named(own, 0)));
    assert_true(applies(&wide, named(own, 80))); // a service of this machine may start late
    assert_true(applies(&narrow, named(own, 0)));
    strcat(own, ".");
    assert_false(applies(&wide, named(own, 0)));
    strcpy(own + strlen(own) - 1, "x");
    assert_true(applies(&wide, named(own, 0)));
}

static void test_a_success_is_kept(void **state)
{
    const struct rb_section wide = section_of(HOUR_MS, true);
    struct rb_call call;
    (void) state;
    assert_non_null(begin(&call, &wide, named("first", 80)));
    rb_call_judge(&call, &fine, RB_REASON_NONE, true, NULL, rb_system_now_ms(), 0);
    assert_false(applies(&wide, named("FIRST.", 80)));
    assert_true(applies(&wide, named("first", 81)));
}

static void test_a_name_and_its_port_share_a_wait(void **state)
{
    const struct rb_section wide = section_of(HOUR_MS, true);
    struct rb_call lookup, connect;
    uint64_t now_ms = rb_system_now_ms();
    (void) state;
    assert_non_null(begin(&lookup, &wide, named("two", 0)));
    lookup.attempt_started_ms = now_ms - 5000;
    assert_true(rb_call_awaits_start(&lookup, &refused, UINT64_MAX, now_ms));
    assert_non_null(begin(&connect, &wide, named("two", 80)));
    assert_int_equal(rb_absent_take(connect.start, true, now_ms), 5000);
    assert_int_equal(rb_absent_take(lookup.start, true, now_ms), 0);
}

// ---- threads: they only count, the main thread asserts

static pthread_barrier_t barrier;
static _Atomic unsigned waits, reports;

// Each round has a host of its own. All threads wait for it once and then succeed.
static void *wait_and_succeed(void *context)
{
    const struct rb_section *section = context;
    for (int round = 0; round < ROUNDS; round++) {
        struct rb_call call;
        struct rb_target target = {.family = AF_INET, .address = {127, 0, 0, (uint8_t) (round % 50)}, .port = 80};
        pthread_barrier_wait(&barrier);
        rb_call_begin(&call, &section->rules, NULL, NULL, 0, rb_system_now_ms());
        rb_starting_begin(&call, section, &target);
        rb_call_admit(&call, rb_system_now_ms(), NULL);
        waits += rb_call_awaits_start(&call, &refused, UINT64_MAX, rb_system_now_ms());
        pthread_barrier_wait(&barrier);
        rb_call_judge(&call, &fine, RB_REASON_NONE, true, NULL, rb_system_now_ms(), 0);
        reports += call.start && rb_absent_take(call.start, true, rb_system_now_ms()) > 0;
    }
    return NULL;
}

static void test_one_thread_reports(void **state)
{
    struct rb_section wide = section_of(HOUR_MS, true);
    pthread_t threads[THREADS];
    (void) state;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_and_succeed, &wide), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    // The table has room for some of the 50 hosts. In the first round of each, all threads wait and one reports.
    assert_int_equal(waits % THREADS, 0);
    assert_true(reports > 0);
    assert_int_equal(reports, waits / THREADS);
}

static void *wait_to_the_end(void *context)
{
    (void) context;
    while (rb_starting_wait())
        ;
    return NULL;
}

static void test_end(void **state)
{
    pthread_t threads[THREADS];
    (void) state;
    assert_false(rb_starting_holds(pthread_self()));
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_to_the_end, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        while (!rb_starting_holds(threads[i]))
            usleep(1000);
    assert_false(rb_starting_holds(pthread_self()));
    rb_starting_end();
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(rb_starting_holds(threads[i]));
    }
    assert_false(rb_starting_wait());
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_calls),        cmocka_unit_test(test_own_name),
        cmocka_unit_test(test_a_success_is_kept),  cmocka_unit_test(test_a_name_and_its_port_share_a_wait),
        cmocka_unit_test(test_one_thread_reports), cmocka_unit_test(test_end),
    };
    rb_starting_load();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
