// SPDX-License-Identifier: MIT
// What is kept of the environment and the working directory at the start.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/policy.h"
#include "process/start.h"

// The copy is made once in a process, so all of it is in one environment.
static void test_copies(void **state)
{
    static char longest[2 * RB_POLICY_PATH_SIZE] = "REBOUND_STATE=";
    static char log[RB_POLICY_PATH_SIZE] = "REBOUND_LOG=/";
    char policy[] = "REBOUND_POLICY=p.ini", set[] = "REBOUND_SET=retry.attempts=5 retry.base=1s",
         empty[] = "REBOUND_DISABLE=", home[] = "HOME=/home/first", second[] = "HOME=/home/second",
         other[] = "REBOUND_LOGS=/nowhere", bare[] = "XDG_CONFIG_HOME";
    char *const variables[] = {other, bare, policy, set, empty, log, longest, home, second, NULL};
    char wanted[RB_POLICY_PATH_SIZE], **before = environ;
    (void) state;
    memset(longest + strlen(longest), 'x', sizeof(longest) - 1 - strlen(longest));
    memset(log + strlen(log), 'y', sizeof(log) - 1 - strlen(log));
    assert_int_equal(chdir("/tmp"), 0);
    environ = (char **) (uintptr_t) variables;
    rb_start_copy();
    environ = before;
    memset(home, 0, sizeof(home));
    assert_int_equal(chdir("/"), 0);
    snprintf(wanted, sizeof(wanted), "%s", log + strlen("REBOUND_LOG="));
    memset(log, 0, sizeof(log));
    memset(set, 0, sizeof(set));
    assert_string_equal(rb_start_value(RB_START_POLICY), "/tmp/p.ini");
    assert_string_equal(rb_start_value(RB_START_SET), "retry.attempts=5 retry.base=1s");
    assert_string_equal(rb_start_value(RB_START_LOG), wanted);
    assert_int_equal(strlen(rb_start_value(RB_START_STATE)), RB_POLICY_PATH_SIZE);
    assert_string_equal(rb_start_value(RB_START_HOME), "/home/first");
    assert_null(rb_start_value(RB_START_DISABLE));
    assert_null(rb_start_value(RB_START_SUMMARY));
    assert_null(rb_start_value(RB_START_CONFIG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
