// SPDX-License-Identifier: MIT
// Time limits of connects: of one attempt, of the whole call, and those that the program set itself.
#include <sys/time.h>

#include "network.h"

#define FAST "retry.backoff=fixed\nretry.base=10ms\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"

static void set_send_timeout(int fd, long ms)
{
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
}

static long send_timeout(int fd)
{
    struct timeval limit = {0};
    socklen_t length = sizeof(limit);
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &length), 0);
    return limit.tv_sec * 1000 + limit.tv_usec / 1000;
}

// A server that does not answer: each attempt ends by timeout.connect, the call with ETIMEDOUT, and the socket's own
// limit is what the program left there.
static void limits_each_attempt(void)
{
    struct port port = port_new();
    int fillers[2], fd = stream();
    port_fill(&port, fillers);
    uint64_t began = test_now_ms();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ETIMEDOUT);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 400, 10000);
    CHECK_INT(send_timeout(fd), 0);
    CHECK_INT(test_log(RETRY, "\"cause\":\"timeout\""), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), 1);
    CHECK_INT(pending_error(fd), 0);
}

static void keeps_a_longer_limit(void)
{
    struct port port = port_new();
    int fillers[2], fd = stream();
    port_fill(&port, fillers);
    set_send_timeout(fd, 25000);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ETIMEDOUT);
    CHECK_INT(send_timeout(fd), 25000);
}

// A limit that the program set, shorter than ours, ends the call in its own way: EINPROGRESS, and the connect goes on.
static void own_limit_wins(void)
{
    struct port port = port_new();
    int fillers[2], fd = stream();
    port_fill(&port, fillers);
    set_send_timeout(fd, 100);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(send_timeout(fd), 100);
    CHECK_INT(test_log(RETRY, ""), 0);
}

// A limit that the program set, shorter than the first wait: the program gets the refusal at once.
static void own_limit_before_the_wait(void)
{
    struct port port = port_new();
    int fd = stream();
    set_send_timeout(fd, 50);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(send_timeout(fd) >= 50, 1);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 1);
}

// The limit concerns all attempts together, not each of them.
static void own_limit_of_all_attempts(void)
{
    struct port port = port_new();
    int fd = stream();
    set_send_timeout(fd, 1000);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(send_timeout(fd), 1000);
    CHECK_BETWEEN(test_log(RETRY, ""), 1, 4); // waits of 240 ms
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 1);
}

static void *fill_after_refusal(void *context)
{
    static int fillers[2];
    test_await_log(RETRY, "", 1);
    port_fill(context, fillers);
    return NULL;
}

// A later attempt that hangs ends with what is left of the limit, as a connect with SO_SNDTIMEO ends.
static void own_limit_of_later_attempts(void)
{
    struct port port = port_new();
    pthread_t thread;
    int fd = stream();
    set_send_timeout(fd, 3000);
    CHECK_INT(pthread_create(&thread, NULL, fill_after_refusal, &port), 0);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(send_timeout(fd), 3000);
    CHECK_INT(test_log(RETRY, ""), 1);
    thread_end(thread);
}

// A backlog that empties between two attempts: the second one gets through.
static void *empty_the_backlog(void *context)
{
    const struct port *port = context;
    test_await_log(RETRY, "\"cause\":\"timeout\"", 1);
    for (int i = 0; i < 3; i++)
        close(accept(port->fd, NULL, NULL));
    return NULL;
}

static void recovers_from_a_timeout(void)
{
    struct port port = port_new();
    pthread_t thread;
    int fillers[2], fd = stream();
    port_fill(&port, fillers);
    CHECK_INT(pthread_create(&thread, NULL, empty_the_backlog, &port), 0);
    CHECK_INT(dial(fd, &port), 0);
    CHECK(is_peer(fd, &port));
    CHECK_INT(send_timeout(fd), 0);
    CHECK_INT(test_log(RECOVERED, ""), 1);
    thread_end(thread);
}

// The whole call: no wait begins that cannot end in time.
static void limits_the_call(void)
{
    struct port port = port_new();
    uint64_t began = test_now_ms();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 2000);
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 1);
    CHECK_BETWEEN(test_log(RETRY, ""), 1, 5);
}

// A later attempt that hangs ends when the time of the call does.
static void limits_later_attempts(void)
{
    struct port port = port_new();
    pthread_t thread;
    int fd = stream();
    CHECK_INT(pthread_create(&thread, NULL, fill_after_refusal, &port), 0);
    uint64_t began = test_now_ms();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ETIMEDOUT);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 700, 10000);
    CHECK_INT(send_timeout(fd), 0);
    thread_end(thread);
}

// A Unix socket whose backlog is full blocks too; the limit reads the same to the program.
static void unix_backlog(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
        filler = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", test_path("full.sock"));
    CHECK_INT(bind(server, (struct sockaddr *) &address, sizeof(address)), 0);
    CHECK_INT(listen(server, 0), 0);
    CHECK_INT(connect(filler, (struct sockaddr *) &address, sizeof(address)), 0);
    uint64_t began = test_now_ms();
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, ETIMEDOUT);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 400, 10000);
    CHECK_INT(test_log(RETRY, "\"cause\":\"timeout\""), 1);
    CHECK_INT(send_timeout(fd), 0);
}

#define WAITS(base)                                                                                                    \
    "retry.attempts=100\nretry.backoff=fixed\nretry.base=" base                                                        \
    "\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define LIMIT "retry.attempts=2\ntimeout.connect=200ms\n"

static const struct test tests[] = {
    {"limits_each_attempt", "[local]\nhosts=127.0.0.1\n" LIMIT FAST, limits_each_attempt},
    {"attempt_limit_too", "[local]\nhosts=127.0.0.1\nretry.attempts=2\ntimeout.attempt=200ms\n" FAST,
     limits_each_attempt},
    {"keeps_a_longer_limit", "[local]\nhosts=127.0.0.1\n" LIMIT FAST, keeps_a_longer_limit},
    {"own_limit_wins", "[local]\nhosts=127.0.0.1\n" LIMIT FAST, own_limit_wins},
    {"own_limit_before_the_wait", "[local]\nhosts=127.0.0.1\n" WAITS("300ms"), own_limit_before_the_wait},
    {"own_limit_of_all_attempts", "[local]\nhosts=127.0.0.1\n" WAITS("240ms"), own_limit_of_all_attempts},
    {"own_limit_of_later_attempts", "[local]\nhosts=127.0.0.1\n" WAITS("800ms"), own_limit_of_later_attempts},
    {"recovers_from_a_timeout", "[local]\nhosts=127.0.0.1\nretry.attempts=20\ntimeout.connect=200ms\n" FAST,
     recovers_from_a_timeout},
    {"limits_the_call",
     "[local]\nhosts=127.0.0.1\nretry.attempts=100\ntimeout.total=200ms\nretry.backoff=fixed\nretry.base=45ms\n"
     "retry.jitter=none\nbreaker=off\n",
     limits_the_call},
    {"limits_later_attempts",
     "[local]\nhosts=127.0.0.1\nretry.attempts=100\ntimeout.total=800ms\nretry.backoff=fixed\nretry.base=100ms\n"
     "retry.jitter=none\nbreaker=off\n",
     limits_later_attempts},
    {"unix_backlog", "[local]\nhosts=unix:@DIR@/*.sock\n" LIMIT FAST, unix_backlog},
};

TEST_MAIN(tests)
