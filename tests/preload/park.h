// SPDX-License-Identifier: MIT
// Connects in flight for the tests of parking: policies, sockets that are connecting, epolls.
#ifndef RB_PRELOAD_PARK_H
#define RB_PRELOAD_PARK_H

#include <sys/epoll.h>
#include <sys/select.h>

#include "network.h"

// Most tests connect to several ports in turn, so without "off" they would look like a program with a list of servers.
#define FAILOVER(how) "connect.failover=" how "\n"
#define POLICY                                                                                                         \
    "[local]\nhosts=127.0.0.0/8, unix:@DIR@/*.sock\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\n" FAILOVER(   \
        "off")
#define PATIENT POLICY "retry.base=5ms\nretry.attempts=100\nbudget.floor=1000/s\n"
#define THREE POLICY "retry.base=5ms\nretry.attempts=3\n"
#define LONG POLICY "retry.base=100s\nretry.cap=100s\ntimeout.total=1000s\nretry.attempts=9\n" // parked for good

static inline int flying(const struct port *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    CHECK_INT(dial(fd, port), -1);
    CHECK_INT(errno, EINPROGRESS);
    return fd;
}

static inline struct epoll_event wait_epoll(int epfd, int timeout)
{
    struct epoll_event event = {.events = 0};
    CHECK_INT(epoll_wait(epfd, &event, 1, timeout), 1);
    return event;
}

static inline int epoll_for(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = 0x1234567890abcdef};
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    return epfd;
}

static inline int ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

// A connect that has failed and was parked, because a poll would have reported it.
static inline int parked(const struct port *port)
{
    unsigned before = test_log(RETRY, "");
    int fd = flying(port);
    while (test_log(RETRY, "") == before)
        CHECK_INT(ready_now(fd, POLLOUT), 0);
    return fd;
}

// The six ways to wait for one descriptor without a limit.
enum wait_way { WAIT_PPOLL, WAIT_PSELECT, WAIT_EPOLL_PWAIT, WAIT_POLL, WAIT_SELECT, WAIT_EPOLL, WAIT_WAYS };

// Waits until `fd` is writable, by an epoll on which it is registered or by the descriptor. Only the first three ways
// use the mask, which may be NULL. Returns what the call returned.
static inline int wait_by(enum wait_way way, int fd, int epfd, const sigset_t *mask)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    struct epoll_event event;
    fd_set writes;
    FD_ZERO(&writes);
    FD_SET(fd, &writes);
    switch (way) {
    case WAIT_PPOLL:
        return ppoll(&p, 1, NULL, mask);
    case WAIT_PSELECT:
        return pselect(fd + 1, NULL, &writes, NULL, NULL, mask);
    case WAIT_EPOLL_PWAIT:
        return epoll_pwait(epfd, &event, 1, -1, mask);
    case WAIT_POLL:
        return poll(&p, 1, -1);
    case WAIT_SELECT:
        return select(fd + 1, NULL, &writes, NULL, NULL);
    default:
        return epoll_wait(epfd, &event, 1, -1);
    }
}

// Lets the opener open its port. Then the epoll must report that `fd` is connected.
static inline void check_connects(struct opener *opener, int epfd, int fd)
{
    open_after(opener);
    CHECK_INT(wait_epoll(epfd, -1).events, EPOLLOUT);
    CHECK_INT(pending_error(fd), 0);
    CHECK(is_peer(fd, opener->port));
    thread_end(opener->thread);
}

#endif
