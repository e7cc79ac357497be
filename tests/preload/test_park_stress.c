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

// Runs in new processes until the log has more than `retries` retries and at least `recovered` recovered connects. On
// a slow machine a process can stop parking early: a thread receives an error event of a closed descriptor while the
// connect of another thread has failed and is not waited for yet.
static void stress_in_rounds(void (*run)(void), unsigned retries, unsigned recovered)
{
    enum { ROUNDS = 8 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        int status;
        alarm(4 * TEST_LIMIT_S); // for this round; the child has a limit of its own
        pid_t child = fork();
        if (child == 0) {
            run();
            _exit(0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK_INT(status, 0);
        if (test_log(RETRY, "") > retries && test_log(RECOVERED, "") >= recovered)
            return;
    }
    CHECK(!"enough retries");
}

static void share_epolls(void)
{
    static const struct stress_calls calls = {connect, error_of, epoll_ctl, epoll_wait, poll, close, dup};
    stress_run(&calls);
}

static void shared_epolls(void)
{
    stress_in_rounds(share_epolls, STRESS_CONNECTS / 10, 1);
}

static void refuse_by_port(void)
{
    static const struct refused_calls calls = {connect, error_of, epoll_ctl, epoll_wait, poll, select, close, dup};
    refused_run(&calls, !test_is_sanitized());
}

static void refused_by_port(void)
{
    stress_in_rounds(refuse_by_port, REFUSED_SAMPLE / 4, 0);
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
