// SPDX-License-Identifier: MIT
// Parked connects in hard times, as tests/preload/test_park_stress.c, with what the hooks call linked in: so the thread
// sanitizer sees the library.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../preload/refused.h"
#include "../preload/stress.h"
#include "net/connect.h"
#include "net/park.h"
#include "process/process.h"
#include "real/libc.h"

// To the sanitizer a descriptor is memory that connect writes: but that one thread connects what another one
// duplicates or closes is what the test is about.
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:dup_of\nrace:rb_libc_connect\nrace_top:close\nrace_top:epoll_ctl\n";
}

static int connect_of(int fd, const struct sockaddr *address, socklen_t length)
{
    rb_park_made(fd);
    return rb_net_connect(fd, address, length, rb_process_policy());
}

static int error_of(int fd, int *error)
{
    socklen_t length = sizeof(*error);
    return rb_park_on(fd) ? rb_park_error(fd, error, &length) : getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &length);
}

static int wait_of(int epfd, struct epoll_event *events, int size, int timeout)
{
    struct timespec limit = {.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L};
    if (rb_park_splits(&limit))
        return rb_wait_epoll(epfd, events, size, &limit, NULL, false);
    struct rb_park_start start = rb_park_starts(&limit);
    int ready = rb_libc_epoll_wait(epfd, events, size, timeout);
    return ready <= 0 || !rb_park_sifts() ? ready
                                          : rb_wait_fetched(epfd, events, size, ready, &limit, &start, NULL, false);
}

static int poll_of(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit = {.tv_nsec = timeout * 1000000L};
    return rb_park_any() ? rb_wait_poll(fds, count, &limit, NULL) : poll(fds, count, timeout);
}

static int select_of(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout)
{
    return rb_park_any() ? rb_select_wait(count, reads, writes, excepts, timeout)
                         : select(count, reads, writes, excepts, timeout);
}

static int close_of(int fd)
{
    rb_park_closing(fd);
    return close(fd);
}

static int dup_of(int fd)
{
    return rb_park_copied(fd, dup(fd));
}

static void test_shared_epolls(void **state)
{
    static const struct stress_calls calls = {connect_of, error_of, rb_park_control, wait_of,
                                              poll_of,    close_of, dup_of};
    (void) state;
    stress_run(&calls);
}

static void test_refused_by_port(void **state)
{
    static const struct refused_calls calls = {connect_of, error_of,  rb_park_control, wait_of,
                                               poll_of,    select_of, close_of,        dup_of};
    (void) state;
    refused_run(&calls, false);
}

static void test_policy(void **state)
{
    (void) state;
    assert_true(rb_process_active());
    assert_non_null(rb_process_policy());
}

int main(void)
{
    setenv("REBOUND_STATE", "private", 1);
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_policy), cmocka_unit_test(test_shared_epolls),
                                              cmocka_unit_test(test_refused_by_port)};
    char path[] = "/tmp/rebound-park-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    test_write(path, STRESS_POLICY);
    setenv("REBOUND_POLICY", path, 1);
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failures;
}
