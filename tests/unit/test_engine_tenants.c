// SPDX-License-Identifier: MIT
// Slots of credentials: found by their hash, claimed when they are free or their time is over.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/tenants.h"

static uint64_t left_of(struct rb_tenants *tenants, uint64_t credential, uint64_t now_ms)
{
    struct rb_not_before *found = rb_tenants_find(tenants, credential, now_ms);
    return found ? rb_not_before_left_ms(found, now_ms, NULL) : 0;
}

static void hear(struct rb_tenants *tenants, uint64_t credential, uint64_t wait_ms, uint64_t now_ms)
{
    struct rb_not_before *mine = rb_tenants_claim(tenants, credential, now_ms);
    assert_non_null(mine);
    rb_not_before_set(mine, wait_ms, now_ms);
}

static void test_a_slot_each(void **state)
{
    struct rb_tenants tenants = {0};
    (void) state;
    assert_null(rb_tenants_find(&tenants, 7, 1000));
    assert_false(rb_tenants_wait(&tenants, 1000));
    for (uint64_t i = 1; i <= RB_TENANTS; i++)
        hear(&tenants, i, i * 100, 1000);
    for (uint64_t i = 1; i <= RB_TENANTS; i++)
        assert_int_equal(left_of(&tenants, i, 1000), i * 100);
    assert_true(rb_tenants_wait(&tenants, 1399));
    assert_false(rb_tenants_wait(&tenants, 1400));
}

static void test_the_same_slot_again(void **state)
{
    struct rb_tenants tenants = {0};
    (void) state;
    hear(&tenants, 5, 100, 1000);
    hear(&tenants, 5, 300, 1050);
    assert_int_equal(left_of(&tenants, 5, 1050), 300);
    assert_int_equal(tenants.slots[1].credential, 0);
}

static void test_no_slot_is_free(void **state)
{
    struct rb_tenants tenants = {0};
    (void) state;
    for (uint64_t i = 1; i <= RB_TENANTS; i++)
        hear(&tenants, i, i == 3 ? 50 : 500, 1000);
    assert_null(rb_tenants_claim(&tenants, 9, 1049));
    hear(&tenants, 9, 200, 1050); // the time of the third one is over
    assert_int_equal(left_of(&tenants, 9, 1050), 200);
    assert_null(rb_tenants_find(&tenants, 3, 1050));
    assert_int_equal(left_of(&tenants, 4, 1050), 450);
}

// A slot that is claimed anew has no time of its former credential.
static void test_claimed_slots_are_empty(void **state)
{
    struct rb_tenants tenants = {0};
    (void) state;
    hear(&tenants, 1, 100, 1000);
    assert_int_equal(rb_not_before_left_ms(rb_tenants_claim(&tenants, 2, 1100), 1100, NULL), 0);
    assert_null(rb_tenants_find(&tenants, 1, 1100));
}

static void test_unknown_credentials(void **state)
{
    struct rb_tenants tenants = {0};
    (void) state;
    assert_null(rb_tenants_claim(&tenants, 0, 1000));
    assert_null(rb_tenants_find(&tenants, 0, 1000));
    assert_int_equal(tenants.slots[0].credential, 0);
}

// Two processes claim a slot each for the same credential.
static void test_the_longer_of_two(void **state)
{
    struct rb_tenants tenants = {0};
    (void) state;
    for (unsigned i = 0; i < 2; i++) {
        atomic_store(&tenants.slots[i].credential, 6);
        rb_not_before_set(&tenants.slots[i].not_before, 100 + 100 * i, 1000);
    }
    assert_int_equal(left_of(&tenants, 6, 1000), 200);
    assert_ptr_equal(rb_tenants_claim(&tenants, 6, 1000), &tenants.slots[1].not_before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slot_each),         cmocka_unit_test(test_the_same_slot_again),
        cmocka_unit_test(test_no_slot_is_free),     cmocka_unit_test(test_claimed_slots_are_empty),
        cmocka_unit_test(test_unknown_credentials), cmocka_unit_test(test_the_longer_of_two),
    };
    return cmocka_run_group_tests_name("engine tenants", tests, NULL, NULL);
}
