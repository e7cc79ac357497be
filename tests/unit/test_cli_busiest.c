// SPDX-License-Identifier: MIT
// The busiest hosts of a policy, and the sum of the others. The list is bounded and complete, and no sum ever falls.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/state/busiest.h"

enum { HOSTS = 150 };

static struct rb_snapshot snapshot;
static struct rb_view_cell hosts[HOSTS];
static struct rb_busiest *list;
static unsigned count;

static int begin(void **state)
{
    (void) state;
    memset(hosts, 0, sizeof(hosts));
    snapshot = (struct rb_snapshot){.hosts = hosts, .policy_count = 1};
    strcpy(snapshot.policies[0].name, "pay");
    return 0;
}

static int end(void **state)
{
    (void) state;
    free(list);
    list = NULL;
    return 0;
}

static void add(const char *policy, const char *host, uint64_t calls)
{
    struct rb_view_cell *cell = &hosts[snapshot.host_count++];
    strcpy(cell->policy, policy);
    strcpy(cell->host, host);
    cell->ended = (struct rb_view_calls){.calls = calls, .attempts = 2 * calls, .failures = calls / 2, .rejected = 1};
}

static void take(enum rb_busiest_number number)
{
    free(list);
    list = rb_busiest_list(&snapshot, number, &count);
    assert_non_null(list);
}

// UINT64_MAX where it is not listed.
static uint64_t value_of(const char *policy, const char *host)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(list[i].policy, policy) == 0 && strcmp(list[i].host, host) == 0)
            return list[i].value;
    return UINT64_MAX;
}

static void test_few_hosts(void **state)
{
    (void) state;
    take(RB_BUSIEST_CALLS);
    assert_int_equal(count, 1);
    assert_int_equal(value_of("pay", "other"), 0);
    add("pay", "b:1", 3);
    add("pay", "a:1", 0);
    add("pay", "", 5); // a breaker of the whole policy
    snapshot.policies[0].rest.calls = 7;
    take(RB_BUSIEST_CALLS);
    assert_int_equal(count, 4);
    assert_int_equal(value_of("pay", "b:1"), 3);
    assert_int_equal(value_of("pay", "a:1"), 0);
    assert_int_equal(value_of("pay", "*"), 5);
    assert_int_equal(value_of("pay", "other"), 7);
    take(RB_BUSIEST_ATTEMPTS);
    assert_int_equal(value_of("pay", "b:1"), 6);
    take(RB_BUSIEST_FAILURES);
    assert_int_equal(value_of("pay", "b:1"), 1);
    take(RB_BUSIEST_REFUSED);
    assert_int_equal(value_of("pay", "b:1"), 1);
}

static void test_many_hosts(void **state)
{
    char name[32];
    (void) state;
    snapshot.policy_count = 2;
    strcpy(snapshot.policies[1].name, "all");
    snapshot.policies[0].rest.calls = 1000;
    for (unsigned i = 0; i < HOSTS - 1; i++) {
        snprintf(name, sizeof(name), "h%u:1", i);
        add("pay", name, i);
    }
    add("all", "h1:1", 1);
    take(RB_BUSIEST_CALLS);
    assert_int_equal(count, RB_BUSIEST_MAX + 1 + 2);
    assert_int_equal(value_of("pay", "h148:1"), 148);
    assert_int_equal(value_of("pay", "h49:1"), 49);
    assert_int_equal(value_of("pay", "h48:1"), UINT64_MAX);
    assert_int_equal(value_of("pay", "other"), 1000 + 48 * 49 / 2);
    assert_int_equal(value_of("all", "h1:1"), 1);
    assert_int_equal(value_of("all", "other"), 0);
}

// Prometheus refuses a scrape with two samples of one name.
static void test_names_that_repeat(void **state)
{
    (void) state;
    add("pay", "long:1", 3);
    add("pay", "other", 10); // a name that was looked up
    add("pay", "long:1", 4);
    snapshot.policies[0].rest.calls = 5;
    take(RB_BUSIEST_CALLS);
    assert_int_equal(count, 2);
    assert_int_equal(value_of("pay", "long:1"), 7);
    assert_int_equal(value_of("pay", "other"), 15);
}

// The busiest hosts change, and some hosts lose their cells. The sum of the other hosts never falls.
static void test_the_rest_only_grows(void **state)
{
    enum { ROUNDS = 2000 };
    char name[32];
    uint64_t last[4] = {0};
    (void) state;
    srand(1);
    for (unsigned i = 0; i < HOSTS; i++) {
        snprintf(name, sizeof(name), "h%u:1", i);
        add("pay", name, 0);
        hosts[i].ended.rejected = 0;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct rb_view_calls *chosen = &hosts[rand() % HOSTS].ended, *rest = &snapshot.policies[0].rest;
        chosen->calls += (uint64_t) (rand() % 50);
        chosen->attempts += (uint64_t) (rand() % 100);
        chosen->failures += (uint64_t) (rand() % 2 * 50);
        chosen->rejected += (uint64_t) (rand() % 2);
        if (round % 50 == 0) {
            chosen = &hosts[rand() % HOSTS].ended;
            rest->calls += chosen->calls;
            rest->attempts += chosen->attempts;
            rest->failures += chosen->failures;
            rest->rejected += chosen->rejected;
            *chosen = (struct rb_view_calls){0};
        }
        for (int number = RB_BUSIEST_CALLS; number <= RB_BUSIEST_REFUSED; number++) {
            take((enum rb_busiest_number) number);
            uint64_t now = value_of("pay", "other");
            assert_true(now >= last[number]);
            last[number] = now;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_few_hosts, begin, end),
        cmocka_unit_test_setup_teardown(test_many_hosts, begin, end),
        cmocka_unit_test_setup_teardown(test_names_that_repeat, begin, end),
        cmocka_unit_test_setup_teardown(test_the_rest_only_grows, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
