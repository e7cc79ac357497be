// SPDX-License-Identifier: MIT
// Tests of the table under sequence locks. tests/unit/test_net_names_threads.c and test_net_stale_threads.c use it with
// threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/seqlock.h"

enum { COUNT = 8, WORDS = 3, KEY_WORDS = 2, NEIGHBOURS = 4 };

struct memory {
    struct entry {
        struct rb_seqlock lock;
        _Atomic uint64_t words[WORDS];
    } entries[COUNT];
    _Atomic uint32_t written;
};

static struct rb_seqlock_table table_in(struct memory *memory)
{
    return (struct rb_seqlock_table){&memory->entries[0].lock, &memory->written, COUNT, WORDS, KEY_WORDS};
}

static void put(const struct rb_seqlock_table *table, uint64_t hash, uint64_t key, uint64_t value)
{
    rb_seqlock_put(table, hash, (const uint64_t[WORDS]){1, key, value});
}

// The value of a key, 0: there is none.
static uint64_t get(const struct rb_seqlock_table *table, uint64_t hash, uint64_t key)
{
    uint64_t record[WORDS];
    return rb_seqlock_find(table, hash, (const uint64_t[KEY_WORDS]){1, key}, record) ? record[2] : 0;
}

static void test_put_and_find(void **state)
{
    struct memory memory = {0};
    struct rb_seqlock_table table = table_in(&memory);
    (void) state;
    assert_int_equal(get(&table, 0, 7), 0);
    put(&table, 0, 7, 70);
    assert_int_equal(get(&table, 0, 7), 70);
    assert_int_equal(get(&table, 0, 8), 0);
    put(&table, 0, 7, 71);
    put(&table, 0, 8, 80);
    assert_int_equal(get(&table, 0, 7), 71);
    assert_int_equal(get(&table, 0, 8), 80);
    // The neighbours of the last entry are the first ones.
    for (uint64_t key = 1; key <= NEIGHBOURS; key++)
        put(&table, UINT64_C(7) << 32, key, key);
    for (uint64_t key = 1; key <= NEIGHBOURS; key++)
        assert_int_equal(get(&table, UINT64_C(7) << 32, key), key);
}

static void test_oldest_gives_way(void **state)
{
    struct memory memory = {0};
    struct rb_seqlock_table table = table_in(&memory);
    (void) state;
    memory.written = UINT32_MAX - 1; // the counter may wrap
    for (uint64_t key = 1; key <= NEIGHBOURS; key++)
        put(&table, 0, key, key);
    put(&table, 0, 1, 11); // now 2 is the oldest
    put(&table, 0, 5, 5);
    assert_int_equal(get(&table, 0, 1), 11);
    assert_int_equal(get(&table, 0, 2), 0);
    assert_int_equal(get(&table, 0, 3), 3);
    assert_int_equal(get(&table, 0, 5), 5);
}

// A writer may have died. Readers do not wait for its entry, which stays absent.
static void test_locked_entry(void **state)
{
    struct memory memory = {0}, copied = {0};
    struct rb_seqlock_table table = table_in(&memory), copy = table_in(&copied);
    (void) state;
    put(&table, 0, 7, 70);
    put(&table, 0, 8, 80);
    memory.entries[0].lock.sequence++;
    assert_int_equal(get(&table, 0, 7), 0);
    put(&table, 0, 7, 71);
    assert_int_equal(get(&table, 0, 7), 0);
    assert_int_equal(get(&table, 0, 8), 80);
    rb_seqlock_copy(&copy, &table);
    assert_int_equal(copied.written, memory.written);
    assert_int_equal(get(&copy, 0, 7), 0);
    assert_int_equal(get(&copy, 0, 8), 80);
    put(&copy, 0, 7, 72);
    assert_int_equal(get(&copy, 0, 7), 72);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_find),
        cmocka_unit_test(test_oldest_gives_way),
        cmocka_unit_test(test_locked_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
