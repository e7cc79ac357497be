// SPDX-License-Identifier: MIT
// Eight threads connect to a port that refuses, and wait with poll, select and epoll (level-triggered, edge-triggered
// and one-shot), while descriptors are duplicated and closed, the process forks, and signals interrupt the waits. Half
// of the threads have real-time priority where this is permitted. Checked: no refused connect looks connected, and each
// wait ends.
//
// RB_REFUSED_CONNECTS sets the number of connects. The functions under test are given, so the tests of the sanitized
// library and of the hooks share this file.
#ifndef RB_PRELOAD_REFUSED_H
#define RB_PRELOAD_REFUSED_H

#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "network.h"

#define REFUSED_POLICY                                                                                                 \
    "[local]\nhosts=127.0.0.0/8\nretry.backoff=fixed\nretry.jitter=none\nretry.base=2ms\nretry.attempts=3\n"           \
    "budget.ratio=100%\nbudget.floor=1000/s\nbreaker=off\nconnect.failover=off\n"

enum {
    REFUSED_THREADS = 8,
    REFUSED_SAMPLE = 3000,
    REFUSED_WAITS = 20000, // a connect that has not ended after so many waits is lost
    REFUSED_TICK_NS = 1500000
};

struct refused_calls {
    int (*connect)(int fd, const struct sockaddr *address, socklen_t length);
    int (*error)(int fd, int *error); // SO_ERROR
    int (*epoll_ctl)(int epfd, int op, int fd, struct epoll_event *event);
    int (*epoll_wait)(int epfd, struct epoll_event *events, int size, int timeout);
    int (*poll)(struct pollfd *fds, nfds_t count, int timeout);
    int (*select)(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout);
    int (*close)(int fd);
    int (*dup)(int fd);
};

enum refused_way { REFUSED_POLL, REFUSED_SELECT, REFUSED_LEVEL, REFUSED_EDGE, REFUSED_ONCE, REFUSED_WAYS };

static struct {
    const struct refused_calls *calls;
    struct port port;
    bool real_time;
    unsigned wanted;
    _Atomic unsigned begun, told, connected, lost;
    _Atomic unsigned ways[REFUSED_WAYS]; // by the way of waiting: connects whose end was reported
} refused;

static inline unsigned refused_dice(unsigned *seed, unsigned sides)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % sides;
}

// Returns whether the wait reported the connect. A signal may interrupt the wait.
//   number: of the connect. A child may keep the registration of an earlier socket that had the same descriptor
static inline bool refused_wait(enum refused_way way, int epfd, int fd, uint64_t number, int ms)
{
    if (way == REFUSED_POLL) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        return refused.calls->poll(&p, 1, ms) > 0;
    }
    if (way == REFUSED_SELECT) {
        fd_set writes;
        struct timeval limit = {.tv_usec = ms * 1000};
        FD_ZERO(&writes);
        FD_SET(fd, &writes);
        return refused.calls->select(fd + 1, NULL, &writes, NULL, &limit) > 0;
    }
    struct epoll_event events[4];
    int ready = refused.calls->epoll_wait(epfd, events, 4, ms);
    bool told = false;
    for (int i = 0; i < ready; i++)
        told = told || events[i].data.u64 == number;
    return told;
}

static inline void refused_register(enum refused_way way, int epfd, int fd, uint64_t number)
{
    uint32_t mode = way == REFUSED_EDGE ? EPOLLET : way == REFUSED_ONCE ? EPOLLONESHOT : 0;
    struct epoll_event event = {.events = EPOLLOUT | mode, .data.u64 = number};
    CHECK_INT(refused.calls->epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
}

static inline void refused_fork(void)
{
    int status = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    while (waitpid(child, &status, 0) < 0)
        CHECK_INT(errno, EINTR);
}

static inline void refused_end(enum refused_way way, int fd, bool told, bool abandoned)
{
    int error = -1;
    if (told) {
        CHECK_INT(refused.calls->error(fd, &error), 0);
        refused.told++;
        refused.ways[way]++;
        refused.connected += error == 0;
    }
    refused.lost += !told && !abandoned;
}

static inline void refused_connect(int epfd, uint64_t number, unsigned *seed)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), other = -1;
    enum refused_way way = (enum refused_way) refused_dice(seed, REFUSED_WAYS);
    bool watched = way >= REFUSED_LEVEL, early = watched && refused_dice(seed, 2), told = false, abandoned = false;
    CHECK(fd >= 0);
    if (early)
        refused_register(way, epfd, fd, number);
    const struct sockaddr *address = (const struct sockaddr *) &refused.port.address;
    if (refused.calls->connect(fd, address, sizeof(refused.port.address)) < 0)
        CHECK_INT(errno, EINPROGRESS);
    if (watched && !early)
        refused_register(way, epfd, fd, number);
    if (!watched && refused_dice(seed, 5) == 0) {
        other = fd;
        fd = refused.calls->dup(other);
        CHECK(fd >= 0);
    }
    if (refused_dice(seed, 200) == 0)
        refused_fork();
    for (unsigned i = 0; i < REFUSED_WAITS && !told && !abandoned; i++) {
        abandoned = refused_dice(seed, 60) == 0;
        told = !abandoned && refused_wait(way, epfd, fd, number, (int) refused_dice(seed, 20));
    }
    refused_end(way, fd, told, abandoned);
    if (refused_dice(seed, 2))
        CHECK_INT(refused.calls->close(fd), 0);
    else
        CHECK_INT(syscall(SYS_close, fd), 0);
    if (other >= 0)
        CHECK_INT(refused.calls->close(other), 0);
}

static inline void *refused_work(void *number)
{
    unsigned seed = (unsigned) (uintptr_t) number * 7919 + 1;
    struct sched_param priority = {.sched_priority = 1};
    if (refused.real_time && (uintptr_t) number % 2)
        pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority); // without the permission it stays as it is
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epfd >= 0);
    for (unsigned begun; (begun = refused.begun++) < refused.wanted;)
        refused_connect(epfd, begun, &seed);
    CHECK_INT(refused.calls->close(epfd), 0);
    return NULL;
}

static inline void refused_interrupted(int number)
{
    (void) number;
}

static inline timer_t refused_tick(void)
{
    struct sigaction action = {.sa_handler = refused_interrupted};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec period = {{0, REFUSED_TICK_NS}, {0, REFUSED_TICK_NS}};
    timer_t timer;
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_INT(timer_settime(timer, 0, &period, NULL), 0);
    return timer;
}

// real_time: half of the threads have real-time priority, and all run on one processor. Not for a sanitizer, whose own
// locks spin
static inline void refused_run(const struct refused_calls *calls, bool real_time)
{
    pthread_t threads[REFUSED_THREADS];
    const char *wanted = getenv("RB_REFUSED_CONNECTS");
    cpu_set_t may, one;
    int processor = 0;
    refused.calls = calls;
    refused.real_time = real_time;
    refused.wanted = wanted ? (unsigned) atoi(wanted) : REFUSED_SAMPLE;
    refused.port = port_new();
    alarm(2 * TEST_LIMIT_S + refused.wanted / 100);
    CHECK_INT(sched_getaffinity(0, sizeof(may), &may), 0);
    while (processor < CPU_SETSIZE - 1 && !CPU_ISSET(processor, &may))
        processor++;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    if (real_time)
        CHECK_INT(sched_setaffinity(0, sizeof(one), &one), 0);
    timer_t timer = refused_tick();
    for (uintptr_t i = 0; i < REFUSED_THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, refused_work, (void *) i), 0);
    for (unsigned i = 0; i < REFUSED_THREADS; i++)
        thread_end(threads[i]);
    timer_delete(timer);
    if (real_time)
        sched_setaffinity(0, sizeof(may), &may);
    close(refused.port.fd);
    if (wanted)
        printf("%u connects, %u reported, %u looked connected, %u lost\n", refused.wanted, refused.told,
               refused.connected, refused.lost);
    CHECK_INT(refused.connected, 0);
    CHECK_INT(refused.lost, 0);
    for (unsigned i = 0; i < REFUSED_WAYS; i++)
        CHECK(refused.ways[i] > 0);
}

#endif
