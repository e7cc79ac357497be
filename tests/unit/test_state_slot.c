// SPDX-License-Identifier: MIT
// Slots for mapped states: pointers into a slot stay valid, and the number of slots is bounded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "state_file.h"

#include "real/system.h"
#include "state/slot.h"

enum { CELLS = 64, MORE_CELLS = 128, FIRST_USER = 1000, MANY = 100 };

static int set_up(void **state)
{
    (void) state;
    return make_directory() ? 0 : 1;
}

static int tear_down(void **state)
{
    struct rb_slot *slot;
    (void) state;
    while ((slot = rb_slot_of_another(0)))
        rb_slot_give_up(slot, RB_SLOT_GIVEN_UP);
    return remove_directory();
}

// A new file, made the state of a user.
static struct rb_slot *map_new(uint32_t cells, uint32_t user, struct rb_slot *current)
{
    struct rb_store_file file;
    char found[128];
    unlink(path);
    assert_int_equal(rb_store_make(path, cells), RB_STORE_SOUND);
    assert_int_equal(rb_store_open(&file, path, geteuid(), true, found, sizeof(found)), RB_STORE_SOUND);
    struct rb_slot *slot = rb_slot_map(&file, user, current);
    rb_store_close(&file);
    if (slot) {
        assert_int_equal(atomic_load(&slot->kind), RB_SLOT_FILE);
        assert_int_equal(atomic_load(&slot->user), user);
        assert_int_equal(slot->state.cell_count, cells);
    }
    return slot;
}

static uint64_t key_in_file(void)
{
    struct rb_state seen;
    assert_int_equal(rb_store_map(&seen, path, false), RB_STORE_SOUND);
    uint64_t key = atomic_load(&seen.cells[CELLS - 1].key);
    rb_store_unmap(&seen);
    return key;
}

// After the file is given up, a write through an old pointer changes memory of this process only.
static void test_leaving(void **state)
{
    (void) state;
    struct rb_slot *slot = map_new(CELLS, FIRST_USER, NULL);
    assert_non_null(slot);
    struct rb_cell *cell = &slot->state.cells[CELLS - 1];
    atomic_store(&cell->key, 5);
    assert_int_equal(key_in_file(), 5);
    assert_ptr_equal(rb_slot_of_another(FIRST_USER + 1), slot);
    assert_null(rb_slot_of_another(FIRST_USER));
    assert_true(rb_slot_give_up(slot, RB_SLOT_GIVEN_UP));
    assert_int_equal(atomic_load(&cell->key), 0);
    atomic_store(&cell->key, 7);
    assert_int_equal(key_in_file(), 5);
    assert_null(rb_slot_of_another(FIRST_USER + 1));
}

// A new file is mapped at the same place, so that calls in progress continue in it.
static void test_in_place(void **state)
{
    (void) state;
    struct rb_slot *slot = map_new(CELLS, FIRST_USER, NULL);
    struct rb_cell *cell = &slot->state.cells[CELLS - 1];
    assert_ptr_equal(map_new(CELLS, FIRST_USER, slot), slot);
    atomic_store(&cell->key, 9);
    assert_int_equal(key_in_file(), 9);
    assert_true(rb_slot_give_up(slot, RB_SLOT_GIVEN_UP));
    assert_ptr_equal(map_new(CELLS, FIRST_USER, NULL), slot); // and so does one for the same user
    atomic_store(&cell->key, 11);
    assert_int_equal(key_in_file(), 11);
}

static void test_another_number_of_cells(void **state)
{
    (void) state;
    struct rb_slot *slot = map_new(CELLS, FIRST_USER, NULL);
    struct rb_slot *larger = map_new(MORE_CELLS, FIRST_USER, slot);
    assert_non_null(larger);
    assert_ptr_not_equal(larger, slot);
    atomic_store(&slot->state.cells[CELLS - 1].key, 3); // still mapped
    assert_true(rb_slot_give_up(slot, RB_SLOT_GIVEN_UP));
}

static void test_the_number_is_bounded(void **state)
{
    struct rb_slot *seen[MANY];
    unsigned different = 0;
    (void) state;
    for (uint32_t i = 0; i < MANY; i++) {
        seen[i] = map_new(CELLS, FIRST_USER + 1000 + i, NULL);
        assert_non_null(seen[i]);
        assert_true(rb_slot_give_up(seen[i], RB_SLOT_GIVEN_UP));
        unsigned before = 0;
        while (before < i && seen[before] != seen[i])
            before++;
        different += before == i;
    }
    assert_in_range(different, 2, 16);
    assert_ptr_not_equal(seen[MANY - 1], seen[MANY - 2]); // the one left first is used again
}

// The place in use, of another user, is never taken.
static void test_private(void **state)
{
    (void) state;
    struct rb_slot *slot = rb_slot_private(CELLS, FIRST_USER, NULL);
    assert_non_null(slot);
    assert_int_equal(atomic_load(&slot->kind), RB_SLOT_PRIVATE);
    atomic_store(&slot->state.cells[0].key, 1);
    assert_ptr_equal(rb_slot_private(CELLS, FIRST_USER, slot), slot);
    assert_ptr_equal(rb_slot_private(CELLS, FIRST_USER + 1, slot), slot); // memory belongs to nobody
    assert_int_equal(atomic_load(&slot->state.cells[0].key), 1);
    assert_ptr_not_equal(map_new(CELLS, FIRST_USER, slot), slot);
    assert_ptr_equal(map_new(CELLS, FIRST_USER + 1, slot), slot);
    assert_int_equal(atomic_load(&slot->state.cells[0].key), 0);
}

// If no slot is left for this number of cells, the file is not mapped. Private memory is used instead.
static void test_no_place_is_left(void **state)
{
    uint32_t cells = 1000;
    (void) state;
    struct rb_slot *slot;
    while ((slot = map_new(cells++, FIRST_USER, NULL)))
        assert_true(rb_slot_give_up(slot, RB_SLOT_GIVEN_UP));
    slot = rb_slot_private(cells, FIRST_USER + 5, NULL);
    assert_non_null(slot);
    assert_true(rb_store_is_whole(&slot->state));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_leaving, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_number_of_cells, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_number_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_place_is_left, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
