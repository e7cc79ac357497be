// SPDX-License-Identifier: MIT
// Parked connects in hard times: threads, dups, closes and forks in between.
#include "park.h"
#include "refused.h"
#include "stress.h"

static int error_of(int fd, int *error)
{
    socklen_t length = sizeof(*error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &length);
}

static void shared_epolls(void)
{
    static const struct stress_calls calls = {connect, error_of, epoll_ctl, epoll_wait, poll, close, dup};
    stress_run(&calls);
    CHECK(test_log(RETRY, "") > STRESS_CONNECTS / 10);
    CHECK(test_log(RECOVERED, "") > 0);
}

static void refused_by_port(void)
{
    static const struct refused_calls calls = {connect, error_of, epoll_ctl, epoll_wait, poll, select, close, dup};
    refused_run(&calls, !test_is_sanitized());
    CHECK(test_log(RETRY, "") > REFUSED_SAMPLE / 4);
}

enum { WAITERS = 4, WAITS = 1000 };

// Waits for each of its connects alone, in turn by poll and select.
static void *wait_alone(void *port)
{
    for (unsigned i = 0; i < WAITS; i++) {
        int fd = flying(port);
        CHECK_INT(wait_by(i % 2 ? WAIT_POLL : WAIT_SELECT, fd, -1, NULL), 1);
        CHECK_INT(pending_error(fd), ECONNREFUSED);
        close(fd);
    }
    return NULL;
}

// While one thread goes to sleep, another one makes the attempt of its connect. The first thread must wake up when the
// next attempt is due.
static void attempts_of_others(void)
{
    struct port port = port_new();
    pthread_t threads[WAITERS];
    for (unsigned i = 0; i < WAITERS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, wait_alone, &port), 0);
    for (unsigned i = 0; i < WAITERS; i++)
        thread_end(threads[i]);
}

static const struct test tests[] = {
    {"shared_epolls", STRESS_POLICY, shared_epolls},
    {"refused_by_port", REFUSED_POLICY, refused_by_port},
    {"attempts_of_others", POLICY "retry.base=1ms\nbudget.floor=1000/s\n", attempts_of_others},
};

TEST_MAIN(tests)
