// SPDX-License-Identifier: MIT
// Parked connects in the epolls of programs with several threads: nobody stalls, no event is lost, doubled or foreign.
#include "park.h"

struct looper {
    int epfd, woken; // epoll, and the write end that is to be told of what came
    struct epoll_event event;
    pthread_t thread;
    pid_t id;
};

static void *looper_run(void *context)
{
    struct looper *looper = context;
    __atomic_store_n(&looper->id, test_thread_id(), __ATOMIC_RELEASE);
    CHECK_INT(epoll_wait(looper->epfd, &looper->event, 1, -1), 1);
    return NULL;
}

static void looper_start(struct looper *looper, int epfd)
{
    *looper = (struct looper){.epfd = epfd};
    CHECK_INT(pthread_create(&looper->thread, NULL, looper_run, looper), 0);
    while (!__atomic_load_n(&looper->id, __ATOMIC_ACQUIRE))
        test_pause();
    test_await_call(looper->id, SYS_epoll_wait);
}

// A thread waits before the connect begins, as in every pool of threads: it does not see the failure.
static void waits_before_the_connect(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET, .data.u64 = 5};
    struct looper looper;
    int epfd = epoll_create1(EPOLL_CLOEXEC), fd;
    looper_start(&looper, epfd);
    open_after(&opener);
    fd = flying(&port);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    thread_end(looper.thread);
    CHECK_INT(looper.event.events, EPOLLOUT);
    CHECK_INT(pending_error(fd), 0);
    CHECK(is_peer(fd, &port));
    thread_end(opener.thread);
}

// The thread that saw the failure leaves the wait. Another waiting thread makes the attempts.
static void one_goes_away(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 5},
                       other = {.events = EPOLLIN | EPOLLET, .data.u64 = 6};
    struct looper loopers[2];
    int epfd = epoll_create1(EPOLL_CLOEXEC), pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, pair[0], &other), 0);
    for (int i = 0; i < 2; i++)
        looper_start(&loopers[i], epfd);
    int fd = flying(&port);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    test_await_log(RETRY, "", 1);
    CHECK_INT(write(pair[1], "x", 1), 1); // takes one of them away
    open_after(&opener);
    thread_end(loopers[0].thread);
    thread_end(loopers[1].thread);
    CHECK_INT(loopers[0].event.data.u64 + loopers[1].event.data.u64, 11);
    CHECK_INT(pending_error(fd), 0);
    thread_end(opener.thread);
}

// Several descriptors with the same data: what is another one's is not held back, and what is parked is hidden.
static void same_data(void)
{
    struct port port = port_new();
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890abcdef};
    int fd = parked(&port), epfd = epoll_for(fd, EPOLLIN | EPOLLOUT), second = flying(&port), pair[2], hang[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, hang), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, second, &event), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, pair[0], &event), 0);
    CHECK_INT(epoll_wait(epfd, &event, 1, 20), 0);
    CHECK_INT(write(pair[1], "x", 1), 1);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLIN);
    CHECK_INT(read(pair[0], &event, 1), 1);
    event = (struct epoll_event){.events = 0, .data.u64 = 0x1234567890abcdef};
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, hang[0], &event), 0);
    close(hang[1]);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLHUP);
    close(hang[0]);
    CHECK_INT(epoll_wait(epfd, &event, 1, 20), 0);
}

// The same while the connect is under way, and for long.
static void same_data_in_flight(void)
{
    struct port port = port_new();
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890abcdef};
    int fillers[2], pair[2];
    port_fill(&port, fillers);
    int epfd = epoll_for(flying(&port), EPOLLOUT);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, pair[0], &event), 0);
    close(pair[1]);
    CHECK_INT(wait_epoll(epfd, 1000).events, EPOLLIN | EPOLLHUP);
}

// A third epoll, and one that cannot be modified later: what is parked does not stay so.
static void too_many_epolls(void)
{
    struct port port = port_new();
    int fd = parked(&port), first = epoll_for(fd, EPOLLOUT), second = epoll_for(fd, EPOLLOUT | EPOLLET);
    struct epoll_event event;
    CHECK_INT(epoll_wait(first, &event, 1, 0), 0);
    int third = epoll_for(fd, EPOLLOUT);
    CHECK(wait_epoll(third, 1000).events & EPOLLERR);
    CHECK(wait_epoll(second, 1000).events & EPOLLERR);
    CHECK(wait_epoll(first, 1000).events & EPOLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    int exclusive = parked(&port);
    CHECK(wait_epoll(epoll_for(exclusive, EPOLLOUT | EPOLLEXCLUSIVE), 1000).events & EPOLLERR);
    CHECK_INT(pending_error(exclusive), ECONNREFUSED);
}

// Registered so before: it cannot be hidden, and fails as alone.
static void cannot_be_hidden(void)
{
    struct port port = port_new();
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT | EPOLLEXCLUSIVE), three = flying(&port);
    CHECK(wait_epoll(epfd, 1000).events & EPOLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    for (int i = 0; i < 3; i++)
        epfd = epoll_for(three, EPOLLOUT);
    CHECK(wait_epoll(epfd, 1000).events & EPOLLERR);
    CHECK_INT(pending_error(three), ECONNREFUSED);
    CHECK_INT(test_log(STOP, "\"reason\":\"resource\""), 1);
}

// Room for one event, and many that are hidden before the one that counts; no time at all.
static void one_at_a_time(void)
{
    enum { MANY = 100 };
    struct port port = port_new();
    int epfd = epoll_create1(EPOLL_CLOEXEC), pair[2];
    for (int i = 0; i < MANY; i++) {
        struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 100u + (unsigned) i};
        CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, flying(&port), &event), 0);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, pair[0], &event), 0);
    CHECK_INT(write(pair[1], "x", 1), 1);
    CHECK_INT(wait_epoll(epfd, 0).data.u64, 1);
}

// A reload of the policy leaves what is parked alone.
static void policy_changes(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    int fd = parked(&port), epfd = epoll_for(fd, EPOLLOUT);
    test_write(test_path("policy.ini"), "[default]\nretry.attempts=1\n");
    while (test_log("reloaded", "") == 0)
        CHECK(dial_once(&port) == ECONNREFUSED);
    opener.count = test_log(RETRY, "") + 2;
    open_after(&opener);
    CHECK_INT(wait_epoll(epfd, -1).events, EPOLLOUT);
    CHECK_INT(pending_error(fd), 0);
    thread_end(opener.thread);
}

// Begins a connect. Returns whether the breaker refused it.
static bool is_refused(const struct port *port, int *fd)
{
    unsigned before = test_log(REFUSED, "");
    *fd = flying(port);
    bool refused = test_log(REFUSED, "") > before;
    if (refused)
        CHECK_INT(finished(*fd), ECONNREFUSED);
    return refused;
}

// A half-open breaker's only permit goes back when its non-blocking probe is closed before its end.
static void probe_is_closed(void)
{
    struct port port = port_new();
    int fd, fillers[2];
    for (int i = 0; i < 20 && test_log("\"reason\":\"breaker\"", "") + test_log(REFUSED, "") == 0; i++)
        dial_once(&port);
    CHECK(test_log("\"reason\":\"breaker\"", "") + test_log(REFUSED, "") > 0);
    port_fill(&port, fillers);
    while (is_refused(&port, &fd)) {
        close(fd);
        test_pause();
    }
    int probe = fd;
    CHECK(is_refused(&port, &fd));
    close(probe);
    CHECK(!is_refused(&port, &fd));
}

static const struct test tests[] = {
    {"waits_before_the_connect", PATIENT, waits_before_the_connect},
    {"one_goes_away", POLICY "retry.base=100ms\nretry.attempts=9\n", one_goes_away},
    {"same_data", LONG, same_data},
    {"same_data_in_flight", LONG, same_data_in_flight},
    {"too_many_epolls", LONG, too_many_epolls},
    {"cannot_be_hidden", LONG, cannot_be_hidden},
    {"one_at_a_time", LONG "budget.floor=1000/s\n", one_at_a_time},
    {"policy_changes", PATIENT, policy_changes},
    {"probe_is_closed",
     "[local]\nhosts=127.0.0.0/"
     "8\nretry.attempts=1\nbreaker.window=5\nbreaker.min_calls=5\nbreaker.refuse=always\nbreaker.open=100ms\nbreaker."
     "probes=1\n",
     probe_is_closed},
};

TEST_MAIN(tests)
