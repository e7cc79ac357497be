// SPDX-License-Identifier: MIT
// The store of answers: what is the same question, age, replacement, and threads that never see half an answer.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/lookup/stale.h"

// An answer all of whose parts tell which one it is.
static struct rb_stale_answer answer_of(unsigned number, uint64_t learned_ms)
{
    struct rb_stale_answer answer = {.learned_ms = learned_ms, .count = RB_STALE_ADDRESSES, .flags = (int) number};
    for (unsigned i = 0; i < RB_STALE_ADDRESSES; i++) {
        answer.addresses[i] = (struct rb_stale_address){.family = AF_INET, .scope = number};
        memset(answer.addresses[i].bytes, (int) number, sizeof(answer.addresses[i].bytes));
    }
    memset(answer.name, 'a' + (int) (number % 26), 100);
    return answer;
}

static void put(const struct rb_stale_key *key, unsigned number, uint64_t learned_ms)
{
    struct rb_stale_answer answer = answer_of(number, learned_ms);
    rb_stale_put(key, &answer);
}

static void assert_is(const struct rb_stale_answer *answer, unsigned number)
{
    struct rb_stale_answer wanted = answer_of(number, answer->learned_ms);
    assert_memory_equal(answer, &wanted, sizeof(wanted));
}

static void assert_found(const struct rb_stale_key *key, unsigned number)
{
    struct rb_stale_answer answer;
    assert_true(rb_stale_get(key, 1000, 1000, &answer));
    assert_is(&answer, number);
}

static void assert_none(const struct rb_stale_key *key)
{
    struct rb_stale_answer answer;
    assert_false(rb_stale_get(key, 1000, 1000, &answer));
}

static void test_empty(void **state)
{
    const struct rb_stale_key key = {"never.example", RB_STALE_ADDRINFO, AF_INET, 0};
    (void) state;
    assert_none(&key);
}

static void test_questions(void **state)
{
    static const struct rb_stale_key keys[] = {
        {"a.example", RB_STALE_ADDRINFO, AF_UNSPEC, 0}, {"a.example", RB_STALE_ADDRINFO, AF_INET, 0},
        {"a.example", RB_STALE_ADDRINFO, AF_UNSPEC, 2}, {"a.example", RB_STALE_ADDRINFO_BARE, AF_UNSPEC, 0},
        {"a.example", RB_STALE_HOSTENT, AF_INET, 0},    {"b.example", RB_STALE_ADDRINFO, AF_UNSPEC, 0},
        {"a.example.", RB_STALE_ADDRINFO, AF_INET, 0},  {"", RB_STALE_ADDRINFO, AF_INET, 0},
    };
    const struct rb_stale_key capitals = {"A.Example", RB_STALE_ADDRINFO, AF_INET, 0};
    (void) state;
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        assert_none(&keys[i]);
        put(&keys[i], i, 500);
    }
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_found(&keys[i], i);
    assert_found(&capitals, 1);
    put(&capitals, 9, 600);
    assert_found(&keys[1], 9);
}

static void test_age(void **state)
{
    const struct rb_stale_key key = {"age.example", RB_STALE_ADDRINFO, AF_INET, 0};
    struct rb_stale_answer answer;
    (void) state;
    put(&key, 1, 1000);
    assert_true(rb_stale_get(&key, 1000, 0, &answer));
    assert_true(rb_stale_get(&key, 1500, 500, &answer));
    assert_int_equal(answer.learned_ms, 1000);
    assert_false(rb_stale_get(&key, 1501, 500, &answer));
    assert_false(rb_stale_get(&key, 999, 500, &answer)); // another thread's clock was read before
}

static void test_long_names(void **state)
{
    char name[RB_NAME_SIZE + 1];
    const struct rb_stale_key key = {name, RB_STALE_ADDRINFO, AF_INET, 0};
    (void) state;
    memset(name, 'x', sizeof(name));
    name[RB_NAME_SIZE] = '\0';
    put(&key, 1, 500);
    assert_none(&key);
    name[RB_NAME_SIZE - 1] = '\0';
    put(&key, 2, 500);
    assert_found(&key, 2);
}

static void test_the_newest_is_always_there(void **state)
{
    char name[32];
    const struct rb_stale_key key = {name, RB_STALE_ADDRINFO, AF_INET, 0};
    unsigned kept = 0;
    (void) state;
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "h%u.example", i);
        put(&key, i % 200, 500);
        assert_found(&key, i % 200);
    }
    for (unsigned i = 0; i < 2000; i++) {
        struct rb_stale_answer answer;
        snprintf(name, sizeof(name), "h%u.example", i);
        kept += rb_stale_get(&key, 1000, 1000, &answer);
    }
    assert_in_range(kept, RB_STALE_ANSWERS / 2, RB_STALE_ANSWERS);
}

static const struct rb_stale_key shared = {"shared.example", RB_STALE_ADDRINFO, AF_INET, 0};

static void *write_answers(void *first)
{
    for (unsigned i = 0; i < 20000; i++)
        put(&shared, (unsigned) (uintptr_t) first + i % 10, 500);
    return NULL;
}

// Two writers of one question, and a reader.
static void test_threads_never_see_half_an_answer(void **state)
{
    pthread_t threads[2];
    (void) state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_answers, (void *) (uintptr_t) (10 * i)), 0);
    for (unsigned i = 0; i < 20000; i++) {
        struct rb_stale_answer answer;
        if (rb_stale_get(&shared, 1000, 1000, &answer))
            assert_is(&answer, (unsigned) answer.flags);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    put(&shared, 77, 500);
    assert_found(&shared, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_age),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_the_newest_is_always_there),
        cmocka_unit_test(test_threads_never_see_half_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
