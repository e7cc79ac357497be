// SPDX-License-Identifier: MIT
// Parked connects in programs of which the library does not see everything: bare system calls, descriptors that change
// their mode, signals. A refused connect must never look connected, and no wait may hang.
#include <signal.h>
#include <sys/syscall.h>

#include "park.h"

static int raw_poll(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    CHECK_INT(syscall(SYS_ppoll, &p, 1, NULL, NULL, 0), 1);
    return p.revents;
}

static int raw_epoll_wait(int epfd)
{
    struct epoll_event event;
    CHECK_INT(syscall(SYS_epoll_pwait, epfd, &event, 1, -1, NULL, 0), 1);
    return (int) event.events;
}

static int raw_epoll_for(int fd)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 7};
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(syscall(SYS_epoll_ctl, epfd, EPOLL_CTL_ADD, fd, &event), 0);
    return epfd;
}

// --- waits past the library

static void poll_then_ask(void)
{
    struct port port = port_new();
    int fd = flying(&port);
    CHECK(raw_poll(fd) & POLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
    int other = flying(&port);
    CHECK(raw_poll(other) & POLLERR);
    CHECK_INT(write(other, "x", 1), -1);
    CHECK_INT(errno, ECONNREFUSED);
}

static void poll_then_connected(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 2};
    int fd = flying(&port);
    CHECK(raw_poll(fd) & POLLERR);
    open_after(&opener);
    CHECK_INT(pending_error(fd), 0);
    CHECK(is_peer(fd, &port));
    thread_end(opener.thread);
}

static void poll_after_poll(void)
{
    struct port port = port_new();
    int fd = parked(&port);
    CHECK(raw_poll(fd) & POLLHUP);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
}

// The registration is known, the wait is not.
static void epoll_wait_after_control(void)
{
    struct port port = port_new();
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
    CHECK(raw_epoll_wait(epfd) & EPOLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 0);
    int other = flying(&port);
    CHECK(raw_epoll_wait(epoll_for(other, EPOLLOUT | EPOLLET)) & EPOLLERR);
    CHECK_INT(write(other, "x", 1), -1);
    CHECK_INT(errno, ECONNREFUSED);
}

// An intercepted wait has hidden the failure. A wait past the library must end, too.
static void epoll_wait_after_epoll_wait(void)
{
    static const uint32_t modes[] = {0, EPOLLET, EPOLLONESHOT};
    struct epoll_event event;
    for (unsigned i = 0; i < 3; i++) {
        struct port port = port_new();
        unsigned before = test_log(RETRY, "");
        int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT | modes[i]);
        while (test_log(RETRY, "") == before)
            CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
        CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
        CHECK(raw_epoll_wait(epfd) & EPOLLHUP);
        CHECK_INT(pending_error(fd), ECONNREFUSED);
        close(epfd);
        close(fd);
    }
}

// The wait is known, the registration is not. The process parks nothing from now on.
static void control_before_epoll_wait(void)
{
    struct port port = port_new();
    struct epoll_event event;
    int fd = flying(&port), hidden = parked(&port), epfd = raw_epoll_for(fd);
    CHECK_INT(epoll_wait(epfd, &event, 1, -1), 1);
    CHECK(event.events & EPOLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(test_log(STOP, "\"reason\":\"bypassed\""), 2);
    CHECK(ready_now(hidden, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(hidden), ECONNREFUSED);
    unsigned before = test_log(RETRY, "");
    int later = flying(&port);
    CHECK(ready_now(later, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(later), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), before);
}

// An error of another descriptor is no reason to stop.
static void other_errors(void)
{
    struct port port = port_new();
    struct epoll_event event;
    int fillers[2], pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int epfd = epoll_for(pair[0], EPOLLIN);
    struct port full = port_new();
    port_fill(&full, fillers);
    flying(&full);
    close(pair[1]);
    CHECK_INT(epoll_wait(epfd, &event, 1, -1), 1);
    CHECK(event.events & EPOLLHUP);
    parked(&port);
}

// --- duplicates

// The epoll keeps the registration of the closed descriptor. The copy is all that the program has.
static void raw_close_after_dup(void)
{
    for (int hidden = 0; hidden < 2; hidden++) {
        struct port port = port_new();
        struct epoll_event event;
        unsigned before = test_log(RETRY, "");
        int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT), copy = dup(fd);
        while (hidden && test_log(RETRY, "") == before)
            CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
        CHECK_INT(syscall(SYS_close, fd), 0);
        struct pollfd p = {.fd = copy, .events = POLLOUT};
        CHECK_INT(poll(&p, 1, -1), 1);
        CHECK(p.revents & POLLERR);
        CHECK_INT(epoll_wait(epfd, &event, 1, -1), 1);
        CHECK(event.events & EPOLLERR);
        CHECK_INT(pending_error(copy), ECONNREFUSED);
        close(copy);
        close(epfd);
    }
}

static void close_after_raw_dup(void)
{
    struct port port = port_new();
    int fd = parked(&port), copy = (int) syscall(SYS_dup, fd);
    CHECK(copy >= 0);
    close(fd);
    CHECK(ready_now(copy, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(copy), ECONNREFUSED);
}

// The kernel itself reports a failure while the connect is parked, on copies that the library does not know, too.
static void raw_dup_while_parked(void)
{
    struct port port = port_new();
    for (int ways = 0; ways < 3; ways++) {
        int fd = parked(&port), copy = (int) syscall(SYS_dup, fd);
        CHECK(copy >= 0);
        CHECK(raw_poll(copy) & POLLERR);
        if (ways == 0)
            CHECK_INT(write(copy, "x", 1), -1);
        else if (ways == 1)
            CHECK_INT(syscall(SYS_write, fd, "x", 1), -1);
        else
            errno = pending_error(copy);
        CHECK_INT(errno, ECONNREFUSED);
        close(copy);
        close(fd);
    }
}

static void many_copies(void)
{
    struct port port = port_new();
    int fd = parked(&port), copy = fd;
    for (int i = 0; i < 5; i++)
        copy = dup(fd);
    CHECK(ready_now(copy, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(copy), ECONNREFUSED);
    CHECK_INT(test_log(STOP, "\"reason\":\"resource\""), 1);
}

// --- the mode changes

static void set_blocking(int fd)
{
    CHECK_INT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

// No SIGPIPE: the error is in the socket when the call is made.
static void write_when_blocking(void)
{
    for (int hidden = 0; hidden < 2; hidden++) {
        struct port port = port_new();
        int fd = hidden ? parked(&port) : flying(&port);
        set_blocking(fd);
        CHECK_INT(write(fd, "x", 1), -1);
        CHECK_INT(errno, ECONNREFUSED);
        CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        close(fd);
    }
}

// A wait for another descriptor makes the attempts of a socket that was made blocking. The server does not answer, so
// connect(2) on the blocking socket would take minutes.
static void loop_when_blocking(void)
{
    struct port port = port_new();
    int fillers[2], ends[2];
    CHECK_INT(pipe(ends), 0);
    port_fill(&port, fillers);
    int fd = flying(&port);
    while (test_log(RETRY, "") == 0)
        ready_now(fd, POLLOUT);
    set_blocking(fd);
    while (test_log(RETRY, "") < 3)
        CHECK_INT(ready_now(ends[0], POLLIN), 0);
}

// The program does not wait for the socket by a call that we see: its attempt is not cut off.
static void loop_for_others(void)
{
    struct port port = port_new();
    int fillers[2], ends[2];
    CHECK_INT(pipe(ends), 0);
    port_fill(&port, fillers);
    int fd = flying(&port);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    CHECK_INT(poll(&p, 1, 200), 0);
    CHECK_INT(test_log_lines(), 0);
    close(fd);
}

// --- signals

static void await_signal(int number)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, number);
    CHECK_INT(sigtimedwait(&set, &info, &(struct timespec){.tv_sec = 10}), number);
}

static void signal_for(int fd)
{
    CHECK_INT(fcntl(fd, F_SETOWN, getpid()), 0);
    CHECK_INT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC), 0);
}

static void signal_driven(void)
{
    struct port port = port_new();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    CHECK_INT(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    signal_for(fd);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    await_signal(SIGIO);
    CHECK(ready_now(fd, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    int hidden = parked(&port);
    signal_for(hidden);
    CHECK(ready_now(hidden, POLLOUT) & POLLERR);
    CHECK_INT(pending_error(hidden), ECONNREFUSED);
}

static const struct test tests[] = {
    {"poll_then_ask", THREE "budget.floor=1000/s\n", poll_then_ask},
    {"poll_then_connected", PATIENT, poll_then_connected},
    {"poll_after_poll", LONG, poll_after_poll},
    {"epoll_wait_after_control", LONG, epoll_wait_after_control},
    {"epoll_wait_after_epoll_wait", LONG, epoll_wait_after_epoll_wait},
    {"control_before_epoll_wait", LONG, control_before_epoll_wait},
    {"other_errors", LONG, other_errors},
    {"raw_close_after_dup", LONG, raw_close_after_dup},
    {"close_after_raw_dup", LONG, close_after_raw_dup},
    {"raw_dup_while_parked", LONG, raw_dup_while_parked},
    {"many_copies", LONG, many_copies},
    {"write_when_blocking", THREE "budget.floor=1000/s\n", write_when_blocking},
    {"loop_when_blocking", PATIENT "timeout.connect=20ms\n", loop_when_blocking},
    {"loop_for_others", PATIENT "timeout.connect=20ms\n", loop_for_others},
    {"signal_driven", LONG, signal_driven},
};

TEST_MAIN(tests)
