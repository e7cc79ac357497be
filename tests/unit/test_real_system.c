// SPDX-License-Identifier: MIT
// The clock that processes share: the same in every time namespace.
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "real/system.h"

#ifndef CLONE_NEWTIME
enum { CLONE_NEWTIME = 0x80 };
#endif

enum { APART_MS = 20000, CANNOT = 77 };

static int64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? (int64_t) (a - b) : (int64_t) (b - a);
}

static uint64_t raw_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);
    close(fd);
    return done;
}

// In a child of the namespace: tells its parent its raw clock, the host's clock and the time of its own start.
static void tell(int fd)
{
    rb_system_clock_forked();
    uint64_t seen[] = {raw_ms(), rb_system_now_ms(), rb_system_start_ticks("self")};
    _exit(write(fd, seen, sizeof(seen)) == (ssize_t) sizeof(seen) ? 0 : 1);
}

// In a process of its own, for unshare(2) has no way back.
static void visit_namespace(int fd, int seconds)
{
    char offset[64];
    int status;
    snprintf(offset, sizeof(offset), "boottime %d 0", seconds);
    if (unshare(CLONE_NEWTIME) != 0 || !write_text("/proc/self/timens_offsets", offset))
        _exit(CANNOT);
    rb_system_clock_forked();
    if (distance(rb_system_now_ms(), raw_ms()) > APART_MS) // the offset is its children's, not its own
        _exit(1);
    pid_t child = fork();
    if (child == 0)
        tell(fd);
    _exit(child > 0 && waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : 1);
}

static void check_namespace(int seconds)
{
    int ends[2], status;
    uint64_t seen[3], ticks = rb_system_start_ticks("self"), now_ms = rb_system_now_ms();
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        visit_namespace(ends[1], seconds);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ends[1]);
    ssize_t got = read(ends[0], seen, sizeof(seen));
    close(ends[0]);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(got, sizeof(seen));
    assert_true(distance(seen[0], now_ms + (uint64_t) ((int64_t) seconds * 1000)) < APART_MS);
    assert_true(distance(seen[1], now_ms) < APART_MS);
    assert_true(distance(seen[2] * 10, ticks * 10) < APART_MS); // 100 ticks a second
}

static void test_a_clock_that_is_ahead(void **state)
{
    (void) state;
    check_namespace(100 * 24 * 3600);
}

static void test_a_clock_that_is_behind(void **state)
{
    (void) state;
    if (rb_system_now_ms() < 120000) // the kernel takes no clock below 0
        skip();
    check_namespace(-100);
}

static void test_the_host_itself(void **state)
{
    (void) state;
    uint64_t raw = raw_ms();
    assert_in_range(rb_system_now_ms() - raw, 0, APART_MS);
    assert_true(rb_system_start_ticks("self") > 0);
    assert_int_equal(rb_system_start_ticks("0"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_host_itself),
        cmocka_unit_test(test_a_clock_that_is_ahead),
        cmocka_unit_test(test_a_clock_that_is_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
