// SPDX-License-Identifier: MIT
// Cells: each host or policy has one and finds it again, and a cell is given up only if its breaker is closed.
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/reading.h"
#include "state/cells.h"
#include "state/label.h"
#include "state/netns.h"
#include "state/shared.h"

static struct rb_target named(const char *name, uint16_t port)
{
    return (struct rb_target){.name = name, .name_length = strlen(name), .port = port};
}

static void test_key_follows_the_scope(void **state)
{
    struct rb_section section = {.name = "payments"}, other = {.name = "search"};
    struct rb_target a = named("API.example.", 80), b = named("api.example", 80), c = named("api.example", 81);
    (void) state;
    assert_int_equal(rb_cell_key(&section, &a, 0), rb_cell_key(&section, &b, 0));
    assert_int_not_equal(rb_cell_key(&section, &b, 0), rb_cell_key(&section, &c, 0));
    assert_int_not_equal(rb_cell_key(&section, &b, 0), rb_cell_key(&other, &b, 0));
    section.rules.breaker_scope = RB_SCOPE_POLICY;
    assert_int_equal(rb_cell_key(&section, &b, 0), rb_cell_key(&section, &c, 0));
}

static void test_key_follows_the_way(void **state)
{
    struct rb_section section = {.name = "payments"};
    struct rb_target a = named("api.example", 80);
    (void) state;
    assert_int_not_equal(rb_cell_key(&section, &a, 1), rb_cell_key(&section, &a, 0));
    assert_int_not_equal(rb_cell_key(&section, &a, 1), rb_cell_key(&section, &a, 2));
    section.rules.breaker_scope = RB_SCOPE_POLICY;
    assert_int_not_equal(rb_cell_key(&section, &a, 1), rb_cell_key(&section, &a, 0));
}

// 0: the keys changed as they should. The process moves by bare system calls, which nobody tells us of.
static int move(void)
{
    struct rb_section section = {.name = "payments"};
    struct rb_target a = named("api.example", 80), local = named("/run/socket", 0);
    local.family = AF_UNIX;
    uint64_t before = rb_cell_key(&section, &a, 0), of_local = rb_cell_key(&section, &local, 0), first = rb_netns();
    if (syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return 77;
    for (unsigned i = 0; i < 3000 && rb_cell_key(&section, &a, 0) == before; i++)
        usleep(1000);
    uint64_t after = rb_cell_key(&section, &a, 0), second = rb_netns();
    if (after == before || first == second || rb_cell_key(&section, &local, 0) != of_local)
        return 1;
    if (syscall(SYS_unshare, CLONE_NEWNET) != 0) // known to move by now: seen at once
        return 77;
    return rb_cell_key(&section, &a, 0) == after;
}

static void test_key_follows_the_network(void **state)
{
    int status;
    (void) state;
    pid_t child = fork();
    if (child == 0)
        _exit(move());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

enum { CELLS = 1024 };

static struct rb_state state_of_test;
static const struct rb_rules rules = {.breaker = {.window = 20, .min_calls = 10}, .budget = {2000, 3000}};

static struct rb_cell *get(uint64_t key, uint64_t now_ms)
{
    struct rb_target target = named("api.example", 80);
    return rb_cell_in(&state_of_test, key, "payments", &rules, &target, now_ms);
}

static void test_a_key_finds_its_cell_again(void **state)
{
    (void) state;
    struct rb_cell *cell = get(42, 1);
    assert_non_null(cell);
    assert_ptr_equal(get(42, 2), cell);
    assert_ptr_not_equal(get(43, 2), cell);
}

static void test_names_are_written(void **state)
{
    char policy[RB_STATE_POLICY_SIZE], host[RB_STATE_HOST_SIZE];
    (void) state;
    struct rb_cell *cell = get(44, 1);
    assert_true(rb_label_read_cell(cell, policy, host));
    assert_string_equal(policy, "payments");
    assert_string_equal(host, "api.example:80");
    atomic_store(&cell->check, 0); // whoever claimed it died
    assert_false(rb_label_read_cell(cell, policy, host));
    get(44, 1);
    assert_true(rb_label_read_cell(cell, policy, host));
    atomic_fetch_xor(&cell->host[3], 1); // torn
    assert_false(rb_label_read_cell(cell, policy, host));
}

// The library's own, without settings: in memory of this process.
static void test_private_without_settings(void **state)
{
    struct rb_target target = named("api.example", 80);
    (void) state;
    struct rb_cell *cell = rb_cell_get(77, "payments", &rules, &target, 1);
    assert_non_null(cell);
    assert_ptr_equal(rb_cell_get(77, "payments", &rules, &target, 2), cell);
    assert_int_equal(rb_shared()->cell_count, RB_CELLS_DEFAULT);
}

static void open_breaker(struct rb_cell *cell)
{
    struct rb_breaker_rules trip = {.window = 1,
                                    .min_calls = 1,
                                    .failure_rate = 1,
                                    .open_ms = 1000,
                                    .probes = 1,
                                    .open_max_ms = 1000,
                                    .open_multiplier_milli = 1000,
                                    .probe_lease_ms = 1000,
                                    .slow_rate = 10000};
    struct rb_permit permit;
    assert_true(rb_breaker_acquire(&cell->breaker, &trip, RB_ASK_OWN, 1, &permit, NULL));
    rb_breaker_record(&cell->breaker, &trip, &permit, RB_HEALTH_FAILURE, 0, 1, 0);
    assert_int_equal(rb_breaker_peek(&cell->breaker, NULL), RB_BREAKER_OPEN);
}

// Keys that fall into one neighbourhood: the table has CELLS places, and equal low halves with high halves of 0
// collide.
static void test_open_cells_are_never_given_up(void **state)
{
    struct rb_cell *cells[8];
    (void) state;
    for (uint64_t i = 0; i < 8; i++)
        cells[i] = get(500 + (i + 1) * CELLS, 100 + i);
    for (unsigned i = 1; i < 8; i++)
        open_breaker(cells[i]);
    struct rb_cell *taken = get(500 + 100 * CELLS, 200);
    assert_ptr_equal(taken, cells[0]); // the only closed one
    open_breaker(taken);
    assert_null(get(500 + 101 * CELLS, 300));
    assert_int_equal(rb_breaker_peek(&cells[3]->breaker, NULL), RB_BREAKER_OPEN);
}

static void test_a_taken_cell_starts_empty(void **state)
{
    struct rb_cell *cells[8];
    (void) state;
    for (uint64_t i = 0; i < 8; i++) {
        cells[i] = get(700 + (i + 1) * CELLS, 100 + i);
        atomic_store(&cells[i]->budget.earned[0], 77);
        atomic_store(&cells[i]->counters.calls, 70 + i);
        atomic_store(&cells[i]->counters.rejected, 7);
    }
    struct rb_state_policy *policy = rb_label_claim_policy(&state_of_test, "payments");
    atomic_store(&policy->rest.calls, 5);
    struct rb_cell *taken = get(700 + 100 * CELLS, 200);
    assert_ptr_equal(taken, cells[0]); // the least recently used
    assert_int_equal(atomic_load(&taken->budget.earned[0]), 0);
    assert_int_equal(atomic_load(&taken->counters.calls), 0);
    assert_int_equal(atomic_load(&taken->counters.rejected), 0);
    assert_int_equal(atomic_load(&policy->rest.calls), 75); // what the host had stays in the sum
    assert_int_equal(atomic_load(&policy->rest.rejected), 7);
}

// A process with another clock left a cell with a last use in the future. That cell is given up first.
static void test_a_use_by_another_clock(void **state)
{
    const uint64_t ahead = UINT64_C(8640000000);
    struct rb_cell *cells[8];
    (void) state;
    for (uint64_t i = 0; i < 8; i++)
        cells[i] = get(1100 + (i + 1) * CELLS, i == 5 ? ahead : 100000 + i);
    assert_ptr_equal(get(1100 + 100 * CELLS, 100200), cells[5]);
    atomic_store(&cells[5]->used_ms, 100200 + RB_READINGS_APART_MS); // a little ahead: used just now
    assert_ptr_equal(get(1100 + 101 * CELLS, 100200), cells[0]);
}

static void test_forced_cells_are_never_given_up(void **state)
{
    struct rb_cell *cells[8];
    (void) state;
    for (uint64_t i = 0; i < 8; i++) {
        cells[i] = get(900 + (i + 1) * CELLS, 100 + i);
        rb_breaker_force(&cells[i]->breaker, i % 2 ? RB_FORCE_OPEN : RB_FORCE_CLOSED);
    }
    uint64_t crowded = atomic_load(&state_of_test.header->crowded);
    assert_null(get(900 + 100 * CELLS, 200));
    assert_int_equal(atomic_load(&state_of_test.header->crowded), crowded + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_follows_the_scope),
        cmocka_unit_test(test_key_follows_the_way),
        cmocka_unit_test(test_key_follows_the_network),
        cmocka_unit_test(test_a_key_finds_its_cell_again),
        cmocka_unit_test(test_names_are_written),
        cmocka_unit_test(test_private_without_settings),
        cmocka_unit_test(test_forced_cells_are_never_given_up),
        cmocka_unit_test(test_open_cells_are_never_given_up),
        cmocka_unit_test(test_a_taken_cell_starts_empty),
        cmocka_unit_test(test_a_use_by_another_clock),
    };
    return rb_store_private(&state_of_test, CELLS) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
