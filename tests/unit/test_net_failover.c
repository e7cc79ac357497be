// SPDX-License-Identifier: MIT
// When the process counts as one with its own list of servers. What was learned is never forgotten, so tests
// that learn do so in forked children.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/failover.h"

enum { LONG_MS = 1000000 }; // between two tests

static uint64_t now_ms = LONG_MS;
static struct rb_target one, other;

static int begin_test(void **state)
{
    (void) state;
    now_ms += LONG_MS;
    assert_int_equal(rb_target_from_url(&one, "127.0.0.1:80", NULL), 0);
    assert_int_equal(rb_target_from_url(&other, "127.0.0.1:81", NULL), 0);
    return 0;
}

static void dial(int type, const struct rb_target *target)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    rb_failover_dials(fd, target, now_ms);
    close(fd);
}

static void test_without_failure(void **state)
{
    (void) state;
    assert_false(rb_failover_waits());
    dial(SOCK_STREAM, &one);
    dial(SOCK_STREAM, &other);
    assert_false(rb_failover_is_known());
}

static void test_same_target(void **state)
{
    (void) state;
    rb_failover_gave_up(&one, false, now_ms);
    assert_true(rb_failover_waits());
    dial(SOCK_STREAM, &one);
    assert_false(rb_failover_is_known());
}

static void test_too_late(void **state)
{
    (void) state;
    rb_failover_gave_up(&one, true, now_ms);
    now_ms += RB_FAILOVER_MS + 1;
    dial(SOCK_STREAM, &other);
    assert_false(rb_failover_is_known());
}

static void test_datagram(void **state)
{
    (void) state;
    rb_failover_gave_up(&one, true, now_ms);
    dial(SOCK_DGRAM, &other);
    assert_false(rb_failover_is_known());
}

static void *give_up(void *parked)
{
    rb_failover_gave_up(&one, parked != NULL, now_ms);
    return NULL;
}

static void give_up_in_thread(bool parked)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, give_up, parked ? &one : NULL), 0);
    pthread_join(thread, NULL);
}

static void test_blocking_in_other_thread(void **state)
{
    (void) state;
    give_up_in_thread(false);
    dial(SOCK_STREAM, &other);
    assert_false(rb_failover_is_known());
}

// Returns whether a child learns that it has a list.
static bool learns_in_child(bool parked, uint64_t gap_ms)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (parked)
            give_up_in_thread(true);
        else
            rb_failover_gave_up(&one, false, now_ms);
        now_ms += gap_ms;
        dial(SOCK_STREAM, &other);
        _exit(rb_failover_is_known() && !rb_failover_waits());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status) == 1;
}

static void test_blocking(void **state)
{
    (void) state;
    assert_true(learns_in_child(false, RB_FAILOVER_MS));
    assert_false(learns_in_child(false, RB_FAILOVER_MS + 1));
}

static void test_parked_in_other_thread(void **state)
{
    (void) state;
    assert_true(learns_in_child(true, RB_FAILOVER_MS));
    assert_false(rb_failover_is_known());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_without_failure, begin_test),
        cmocka_unit_test_setup(test_same_target, begin_test),
        cmocka_unit_test_setup(test_too_late, begin_test),
        cmocka_unit_test_setup(test_datagram, begin_test),
        cmocka_unit_test_setup(test_blocking_in_other_thread, begin_test),
        cmocka_unit_test_setup(test_blocking, begin_test),
        cmocka_unit_test_setup(test_parked_in_other_thread, begin_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
