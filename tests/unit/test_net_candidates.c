// SPDX-License-Identifier: MIT
// Which of several connects to literal addresses counts as the last candidate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/candidates.h"

enum { LONG_MS = 1000000 }; // between two tests, which share the tables

static uint64_t now_ms = LONG_MS;

static int begin_test(void **state)
{
    (void) state;
    now_ms += LONG_MS;
    return 0;
}

static struct rb_candidate begin(const char *text)
{
    struct rb_target target;
    assert_int_equal(rb_target_from_url(&target, text, NULL), 0);
    return rb_candidates_begin(&target, now_ms);
}

static bool is_followed(const struct rb_candidate *candidate)
{
    return rb_candidates_is_followed(candidate, now_ms);
}

static void test_last_of_several(void **state)
{
    (void) state;
    struct rb_candidate none = {0}, first = begin("[::1]:80");
    assert_false(is_followed(&first));
    now_ms += RB_CANDIDATES_MS;
    struct rb_candidate second = begin("127.0.0.1:80");
    struct rb_candidate third = begin("127.0.0.2:80");
    assert_true(is_followed(&first));
    assert_true(is_followed(&second));
    assert_false(is_followed(&third));
    assert_false(is_followed(&none));
}

static void test_too_late(void **state)
{
    (void) state;
    struct rb_candidate first = begin("[::1]:80");
    now_ms += RB_CANDIDATES_MS + 1;
    begin("127.0.0.1:80");
    assert_false(is_followed(&first));
}

static void test_other_connects(void **state)
{
    (void) state;
    struct rb_candidate first = begin("127.0.0.1:80");
    begin("127.0.0.2:81");
    begin("127.0.0.1:80");
    assert_false(is_followed(&first));
}

// Two requests go through the same addresses. The first address of the second request does not follow the last address
// of the first request.
static void test_next_round(void **state)
{
    (void) state;
    struct rb_candidate first = begin("[::1]:80"), last = begin("127.0.0.1:80");
    struct rb_candidate again = begin("[::1]:80");
    assert_true(is_followed(&first));
    assert_false(is_followed(&last));
    assert_false(is_followed(&again));
    begin("127.0.0.1:80");
    assert_true(is_followed(&again));
}

// The program went to the next address after the first one had failed. Later, it gets that failure at once.
static void test_remembers_failure(void **state)
{
    (void) state;
    struct rb_candidate first = begin("[::1]:80");
    rb_candidates_failed(&first);
    now_ms += RB_CANDIDATES_MS;
    begin("127.0.0.1:80");
    now_ms += RB_CANDIDATES_KEPT_MS;
    struct rb_candidate again = begin("[::1]:80"), other = begin("[::1]:81");
    assert_true(is_followed(&again));
    assert_false(is_followed(&other));
    now_ms++;
    struct rb_candidate late = begin("[::1]:80");
    assert_false(is_followed(&late));
}

// A connect that did not fail is followed only this time: the program connects to several servers at once.
static void test_forgets_success(void **state)
{
    (void) state;
    struct rb_candidate first = begin("127.0.0.1:80");
    begin("127.0.0.2:80");
    assert_true(is_followed(&first));
    now_ms += RB_CANDIDATES_MS + 1;
    struct rb_candidate again = begin("127.0.0.1:80");
    assert_false(is_followed(&again));
}

// Connects without a place are not followed.
static void test_many_connects(void **state)
{
    (void) state;
    char text[32];
    struct rb_candidate first = begin("127.0.0.1:80");
    rb_candidates_failed(&first);
    for (unsigned port = 1000; port < 1100; port++) {
        snprintf(text, sizeof(text), "127.0.0.2:%u", port);
        begin(text);
    }
    begin("127.0.0.2:80");
    rb_candidates_failed(&first);
    assert_false(is_followed(&first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_last_of_several, begin_test),
        cmocka_unit_test_setup(test_too_late, begin_test),
        cmocka_unit_test_setup(test_other_connects, begin_test),
        cmocka_unit_test_setup(test_next_round, begin_test),
        cmocka_unit_test_setup(test_remembers_failure, begin_test),
        cmocka_unit_test_setup(test_forgets_success, begin_test),
        cmocka_unit_test_setup(test_many_connects, begin_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
