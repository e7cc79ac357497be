// SPDX-License-Identifier: MIT
// Cells: one per host or policy, found again, and given up only when closed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "state/cells.h"

static struct rb_target named(const char *name, uint16_t port)
{
    return (struct rb_target){.name = name, .name_length = strlen(name), .port = port};
}

static void test_key_follows_the_scope(void **state)
{
    struct rb_section section = {.name = "payments"}, other = {.name = "search"};
    struct rb_target a = named("API.example.", 80), b = named("api.example", 80), c = named("api.example", 81);
    (void) state;
    assert_int_equal(rb_cell_key(&section, &a), rb_cell_key(&section, &b));
    assert_int_not_equal(rb_cell_key(&section, &b), rb_cell_key(&section, &c));
    assert_int_not_equal(rb_cell_key(&section, &b), rb_cell_key(&other, &b));
    section.rules.breaker_scope = RB_SCOPE_POLICY;
    assert_int_equal(rb_cell_key(&section, &b), rb_cell_key(&section, &c));
}

static void test_a_key_finds_its_cell_again(void **state)
{
    (void) state;
    struct rb_cell *cell = rb_cell_get(42, 1);
    assert_non_null(cell);
    assert_ptr_equal(rb_cell_get(42, 2), cell);
    assert_ptr_not_equal(rb_cell_get(43, 2), cell);
}

static void open_breaker(struct rb_cell *cell)
{
    struct rb_breaker_rules rules = {.window = 1,
                                     .min_calls = 1,
                                     .failure_rate = 1,
                                     .open_ms = 1000,
                                     .probes = 1,
                                     .open_max_ms = 1000,
                                     .open_multiplier_milli = 1000,
                                     .probe_lease_ms = 1000,
                                     .slow_rate = 10000};
    struct rb_permit permit;
    assert_true(rb_breaker_acquire(&cell->breaker, &rules, 1, &permit, NULL));
    rb_breaker_record(&cell->breaker, &rules, &permit, RB_HEALTH_FAILURE, 0, 1, 0);
    assert_int_equal(rb_breaker_peek(&cell->breaker, NULL), RB_BREAKER_OPEN);
}

// Keys that fall into one neighbourhood: the table has 1024 places, and equal low halves with high halves of 0 collide.
static void test_open_cells_are_never_given_up(void **state)
{
    struct rb_cell *cells[8];
    (void) state;
    for (uint64_t i = 0; i < 8; i++)
        cells[i] = rb_cell_get(500 + (i + 1) * RB_CELL_COUNT, 100 + i);
    for (unsigned i = 1; i < 8; i++)
        open_breaker(cells[i]);
    struct rb_cell *taken = rb_cell_get(500 + 100 * RB_CELL_COUNT, 200);
    assert_ptr_equal(taken, cells[0]); // the only closed one
    open_breaker(taken);
    assert_null(rb_cell_get(500 + 101 * RB_CELL_COUNT, 300));
    assert_int_equal(rb_breaker_peek(&cells[3]->breaker, NULL), RB_BREAKER_OPEN);
}

static void test_a_taken_cell_starts_empty(void **state)
{
    struct rb_cell *cells[8];
    (void) state;
    for (uint64_t i = 0; i < 8; i++) {
        cells[i] = rb_cell_get(700 + (i + 1) * RB_CELL_COUNT, 100 + i);
        atomic_store(&cells[i]->budget.earned[0], 77);
    }
    struct rb_cell *taken = rb_cell_get(700 + 100 * RB_CELL_COUNT, 200);
    assert_ptr_equal(taken, cells[0]); // the least recently used
    assert_int_equal(atomic_load(&taken->budget.earned[0]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_follows_the_scope),
        cmocka_unit_test(test_a_key_finds_its_cell_again),
        cmocka_unit_test(test_open_cells_are_never_given_up),
        cmocka_unit_test(test_a_taken_cell_starts_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
