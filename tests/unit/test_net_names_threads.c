// SPDX-License-Identifier: MIT
// Names by address: what a lookup teaches, and which address was its last candidate.
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net/lookup/names.h"

static struct rb_target address(const char *text)
{
    struct rb_target target;
    assert_int_equal(rb_target_from_url(&target, text, NULL), 0);
    return target;
}

// Looks numeric addresses up, so that no resolver is asked, and chains them.
static struct addrinfo *list_of(const char *const *texts, unsigned count)
{
    struct addrinfo *first = NULL, **end = &first;
    for (unsigned i = 0; i < count; i++) {
        struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
        assert_int_equal(getaddrinfo(texts[i], "80", &hints, end), 0);
        while (*end)
            end = &(*end)->ai_next;
    }
    return first;
}

static void learn(const char *node, const char *const *texts, unsigned count)
{
    struct addrinfo *list = list_of(texts, count);
    rb_names_learn_addrinfo(node, list);
    freeaddrinfo(list);
}

static void assert_known(const char *text, const char *name, bool last)
{
    char found[RB_NAME_SIZE];
    bool found_last;
    struct rb_target target = address(text);
    assert_true(rb_names_find(&target, found, &found_last));
    assert_string_equal(found, name);
    assert_int_equal(found_last, last);
}

static void test_unknown_address(void **state)
{
    char name[RB_NAME_SIZE];
    bool last;
    struct rb_target target = address("203.0.113.9");
    (void) state;
    assert_false(rb_names_find(&target, name, &last));
}

static void test_last_candidate(void **state)
{
    static const char *const both[] = {"::1", "127.0.0.1"};
    (void) state;
    learn("localhost", both, 2); // each comes three times, once for every socket type
    assert_known("[::1]", "localhost", false);
    assert_known("127.0.0.1", "localhost", true);
}

static void test_latest_lookup_wins(void **state)
{
    static const char *const one[] = {"192.0.2.1"};
    (void) state;
    learn("a.example", one, 1);
    assert_known("192.0.2.1", "a.example", true);
    learn("b.example", one, 1);
    assert_known("192.0.2.1", "b.example", true);
    learn("192.0.2.1", one, 1); // the program used the literal: no name is known for this call
    assert_known("192.0.2.1", "", true);
}

static void test_hostent(void **state)
{
    struct in_addr a = {.s_addr = inet_addr("192.0.2.7")}, b = {.s_addr = inet_addr("192.0.2.8")};
    char *list[] = {(char *) &a, (char *) &b, NULL};
    struct hostent entry = {.h_addrtype = AF_INET, .h_length = 4, .h_addr_list = list};
    (void) state;
    rb_names_learn_hostent("old.example", &entry);
    assert_known("192.0.2.7", "old.example", false);
    assert_known("192.0.2.8", "old.example", true);
}

static void test_longest_name_is_cut_not_overrun(void **state)
{
    static const char *const one[] = {"192.0.2.20"};
    char name[400], cut[RB_NAME_SIZE];
    (void) state;
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(cut, 'a', sizeof(cut) - 1);
    cut[sizeof(cut) - 1] = '\0';
    learn(name, one, 1);
    assert_known("192.0.2.20", cut, true);
}

static void test_many_addresses_replace_the_oldest(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 5000; i++) {
        char text[32], name[32];
        const char *const one[] = {text};
        snprintf(text, sizeof(text), "10.1.%u.%u", i / 250, 1 + i % 250);
        snprintf(name, sizeof(name), "h%u.example", i);
        learn(name, one, 1);
        assert_known(text, name, true); // the newest is always there
    }
}

static void *write_names(void *name)
{
    static const char *const one[] = {"198.51.100.1"};
    struct addrinfo *list = list_of(one, 1);
    for (int i = 0; i < 20000; i++)
        rb_names_learn_addrinfo(name, list);
    freeaddrinfo(list);
    return NULL;
}

static void test_threads_never_see_half_a_name(void **state)
{
    static char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", b[] = "b.example";
    struct rb_target target = address("198.51.100.1");
    pthread_t threads[2];
    (void) state;
    pthread_create(&threads[0], NULL, write_names, a);
    pthread_create(&threads[1], NULL, write_names, b);
    for (int i = 0; i < 20000; i++) {
        char name[RB_NAME_SIZE];
        bool last;
        if (rb_names_find(&target, name, &last) && strcmp(name, a) != 0)
            assert_string_equal(name, b);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_address),
        cmocka_unit_test(test_last_candidate),
        cmocka_unit_test(test_latest_lookup_wins),
        cmocka_unit_test(test_hostent),
        cmocka_unit_test(test_longest_name_is_cut_not_overrun),
        cmocka_unit_test(test_many_addresses_replace_the_oldest),
        cmocka_unit_test(test_threads_never_see_half_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
