// SPDX-License-Identifier: MIT
// Parked connects in hard times: threads, dups, closes and forks in between.
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

static const struct test tests[] = {
    {"shared_epolls", STRESS_POLICY, shared_epolls},
    {"refused_by_port", REFUSED_POLICY, refused_by_port},
};

TEST_MAIN(tests)
