// SPDX-License-Identifier: MIT
// Connects in flight for the tests of parking: policies, sockets that are connecting, epolls.
#ifndef RB_PRELOAD_PARK_H
#define RB_PRELOAD_PARK_H

#include <sys/epoll.h>
#include <sys/select.h>

#include "network.h"

#define POLICY "[local]\nhosts=127.0.0.0/8, unix:@DIR@/*.sock\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\n"
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

// A connect that has failed and was parked.
static inline int parked(const struct port *port)
{
    unsigned before = test_log(RETRY, "");
    int fd = flying(port);
    while (test_log(RETRY, "") == before)
        CHECK_INT(pending_error(fd), 0);
    return fd;
}

static inline int ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

#endif
