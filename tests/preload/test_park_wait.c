// SPDX-License-Identifier: MIT
// Waits while something is parked: signals, time-outs, bad arguments, large and odd sets.
#include <setjmp.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "park.h"

#define BUSY                                                                                                           \
    POLICY "retry.base=2ms\nretry.attempts=100\ntimeout.total=100s\nbudget.floor=1000/s\n" // always at it, for 0.2 s

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
    (void) signal;
    signals++;
}

static void handle(int flags)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};
    CHECK_INT(sigaction(SIGALRM, &action, NULL), 0);
}

static void alarm_in(int us)
{
    struct itimerval timer = {.it_value = {.tv_usec = us}};
    CHECK_INT(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

// A signal ends every wait, with and without SA_RESTART, whenever it comes: also while an attempt is being made.
static void every_signal_interrupts(void)
{
    enum { ROUNDS = 300 };
    struct port port = port_new();
    for (int i = 0; i < ROUNDS; i++) {
        int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
        handle(i & 1 ? SA_RESTART : 0);
        int before = signals;
        struct itimerval again = {.it_value.tv_usec = 2000 + i * 7,
                                  .it_interval.tv_usec = 5000}; // one may come too early
        CHECK_INT(setitimer(ITIMER_REAL, &again, NULL), 0);
        CHECK_INT(wait_by(i % WAIT_WAYS, fd, epfd, NULL), -1);
        CHECK_INT(errno, EINTR);
        CHECK(signals > before);
        CHECK_INT(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
        close(fd);
        close(epfd);
    }
}

// Blocked outside and let in by the mask; and the other way round.
static void masks(void)
{
    struct port port = port_new();
    int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
    sigset_t none, alarms;
    sigemptyset(&none);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    handle(0);
    CHECK_INT(sigprocmask(SIG_BLOCK, &alarms, NULL), 0);
    for (int way = 0; way <= WAIT_EPOLL_PWAIT; way++) {
        alarm_in(2000);
        CHECK_INT(wait_by(way, fd, epfd, &none), -1);
        CHECK_INT(errno, EINTR);
        CHECK_INT(signals, way + 1);
    }
    CHECK_INT(sigprocmask(SIG_UNBLOCK, &alarms, NULL), 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    struct timespec time = {.tv_nsec = 30000000};
    alarm_in(2000);
    CHECK_INT(ppoll(&p, 1, &time, &alarms), 0);
    CHECK_INT(signals, 4); // when the mask was taken back
}

// --- arguments

// What each odd call gives, as text: the same with something parked as alone.
static char said[8192];

static void say(const char *what, long result)
{
    size_t used = strlen(said);
    snprintf(said + used, sizeof(said) - used, "%s %ld %d\n", what, result, result < 0 ? errno : 0);
    errno = 0;
}

static void odd_times(int fd, int epfd)
{
    static const struct timespec times[] = {{-1, 0}, {0, -1}, {0, 1000000000}, {0, 999999999999}, {-5, 999999999}};
    static const struct timeval values[] = {{-1, 0}, {0, -1}, {0, 1500}, {-1, 2000000}, {0, -1000000}};
    struct pollfd p = {.fd = fd, .events = 0};
    struct epoll_event event;
    for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        fd_set reads;
        FD_ZERO(&reads);
        say("ppoll", ppoll(&p, 1, &times[i], NULL));
        say("pselect", pselect(1, &reads, NULL, NULL, &times[i], NULL));
        say("epoll_pwait2", epoll_pwait2(epfd, &event, 1, &times[i], NULL));
    }
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct timeval value = values[i];
        fd_set reads;
        FD_ZERO(&reads);
        say("select", select(1, &reads, NULL, NULL, &value));
    }
    say("poll", poll(&p, 1, 0));
}

static void odd_pointers(int fd, int epfd)
{
    char *hole = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *bad[] = {NULL, (void *) 8, (void *) -1, hole + 64, hole + 8190};
    enum { WILD = 3 }; // the first ones
    struct pollfd p = {.fd = fd};
    struct timespec none = {0};
    struct epoll_event event;
    int value;
    socklen_t length = sizeof(value);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        say("poll", poll(bad[i], 1, 0));
        say("poll of none", i < 2 ? poll(bad[i], 0, 0) : 0);
        say("ppoll mask", ppoll(&p, 1, &none, bad[i]));
        say("select", i && i < WILD ? select(3, bad[i], NULL, NULL, &(struct timeval){0}) : 0);
        say("pselect", i && i < WILD ? pselect(3, NULL, bad[i], NULL, &none, NULL) : 0);
        say("epoll_pwait2", i ? epoll_pwait2(epfd, &event, 1, bad[i], NULL) : 0);
        say("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, bad[i], &length));
        say("getsockopt length", getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, bad[i]));
        say("epoll_ctl", epoll_ctl(epfd, EPOLL_CTL_MOD, fd, bad[i]));
        say("connect", connect(fd, bad[i], sizeof(struct sockaddr_in)));
    }
    volatile nfds_t many = 1 << 30, all = ~(nfds_t) 0;
    say("poll of too many", poll(bad[0], many, 0));
    say("poll of all", poll(&p, all, 0));
}

static void odd_numbers(int fd, int epfd)
{
    struct epoll_event event = {.events = EPOLLIN};
    socklen_t negative = (socklen_t) -1, none = 0;
    char value[4] = "";
    volatile int sizes[] = {-1, 0, 1 << 30};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        say("epoll_wait", epoll_wait(epfd, &event, sizes[i], 0));
    say("epoll_wait of a socket", epoll_wait(fd, &event, 1, 0));
    say("epoll_wait of nothing", epoll_wait(-1, &event, 1, 0));
    say("epoll_ctl of nothing", epoll_ctl(-1, EPOLL_CTL_ADD, fd, &event));
    say("epoll_ctl of itself", epoll_ctl(epfd, EPOLL_CTL_ADD, epfd, &event));
    say("epoll_ctl", epoll_ctl(epfd, 99, fd, &event));
    say("select", select(-1, NULL, NULL, NULL, &(struct timeval){0}));
    say("pselect", pselect(-1, NULL, NULL, NULL, &(struct timespec){0}, NULL));
    say("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, value, &negative));
    say("getsockopt of none", getsockopt(fd, SOL_SOCKET, SO_ERROR, value, &none));
    say("recv", recv(fd, value, 1, MSG_OOB | MSG_DONTWAIT) < 0 ? 0 : 1);
    say("shutdown", shutdown(-1, 0));
}

// The first case is a connect that goes on: what is parked looks like one.
static void say_all(int fd, int epfd)
{
    struct epoll_event event;
    CHECK_INT(epoll_wait(epfd, &event, 1, 0), 0);
    said[0] = '\0';
    odd_times(fd, epfd);
    odd_pointers(fd, epfd);
    odd_numbers(fd, epfd);
}

static void odd_alone(void)
{
    struct port port = port_new();
    int fillers[2];
    port_fill(&port, fillers);
    int fd = flying(&port);
    say_all(fd, epoll_for(fd, EPOLLOUT));
    test_write(test_path("alone"), said);
}

// The answers without the library. Call this before the connect, because a fork ends the tracking of connects.
static const char *answers_alone(void)
{
    if (test_is_sanitized())
        test_skip("the sanitizer reads what the kernel would refuse");
    CHECK_INT(test_alone("odd_alone"), 0);
    return test_read(test_path("alone"), NULL);
}

// The wait calls answer odd arguments about `fd` as without the library.
static void check_odd_answers(int fd, const char *alone)
{
    say_all(fd, epoll_for(fd, EPOLLOUT));
    CHECK_TEXT(said, alone);
}

static void odd_arguments(void)
{
    const char *alone = answers_alone();
    struct port port = port_new();
    int fd = parked(&port);
    check_odd_answers(fd, alone);
    CHECK(ready_now(fd, POLLOUT) & POLLHUP); // the program has asked for the result
}

// The same with a connect in flight, and nothing due.
static void odd_arguments_in_flight(void)
{
    const char *alone = answers_alone();
    struct port port = port_new();
    int fillers[2];
    port_fill(&port, fillers);
    check_odd_answers(flying(&port), alone);
}

// --- sets

static void many_polled(void)
{
    enum { MANY = 5000 };
    struct port port = port_new();
    static struct pollfd p[MANY];
    int fd = parked(&port), pair[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < MANY)
        test_skip("too few descriptors");
    for (int i = 0; i < MANY; i++)
        p[i] = (struct pollfd){.fd = i & 1 ? fd : pair[0], .events = POLLOUT, .revents = -1};
    CHECK_INT(poll(p, MANY, -1), MANY / 2);
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(p[i].revents, i & 1 ? 0 : POLLOUT);
        CHECK_INT(p[i].fd, i & 1 ? fd : pair[0]);
    }
}

static void same_polled_twice(void)
{
    struct port port = port_new();
    int fd = flying(&port);
    struct pollfd p[3] = {{.fd = fd, .events = POLLOUT}, {.fd = fd, .events = POLLIN}, {.fd = fd, .events = POLLOUT}};
    CHECK_INT(poll(p, 3, -1), 3);
    for (int i = 0; i < 3; i++)
        CHECK_INT(p[i].revents & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
}

// A set of 8 bytes at the end of a page, one that stands for all three, and a count beyond all descriptors.
static void odd_sets(void)
{
    struct port port = port_new();
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long *last = (unsigned long *) (pages + 4096 - 8);
    fd_set *volatile both = (fd_set *) last; // the compiler knows that this is not done
    struct timeval none = {0};
    int fd = parked(&port), pair[2];
    CHECK_INT(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK(pair[1] < 64);
    *last = 1ul << fd | 1ul << pair[0];
    CHECK_INT(select(pair[0] + 1, both, both, NULL, NULL), 1);
    CHECK(*last == 1ul << pair[0]);
    CHECK_INT(select(pair[0] + 1, both, both, both, &none), 1);
    CHECK(*last == 0); // nothing is exceptional
    fd_set *set = (fd_set *) (pages + 4096 - sizeof(*set));
    FD_SET(fd, set);
    FD_SET(pair[0], set);
    CHECK_INT(select(1 << 20, NULL, set, NULL, NULL), 1);
    CHECK(FD_ISSET(pair[0], set) && !FD_ISSET(fd, set));
    CHECK_INT(select(INT32_MAX, NULL, set, NULL, &none), 1);
    FD_SET(63, set);
    CHECK_INT(select(64, set, NULL, NULL, &none), -1);
    CHECK_INT(errno, EBADF);
}

// --- times

static uint64_t spent_us(int way, int fd, int epfd, long us)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    struct timespec time = {.tv_nsec = us * 1000}, began, ended;
    struct timeval value = {.tv_usec = us};
    struct epoll_event event;
    int result = -1;
    clock_gettime(CLOCK_MONOTONIC, &began);
    errno = 4711;
    if (way == 0)
        result = poll(&p, 1, (int) (us / 1000));
    else if (way == 1)
        result = ppoll(&p, 1, &time, NULL);
    else if (way == 2)
        result = select(0, NULL, NULL, NULL, &value);
    else if (way == 3)
        result = epoll_wait(epfd, &event, 1, (int) (us / 1000));
    else
        result = epoll_pwait2(epfd, &event, 1, &time, NULL);
    CHECK_INT(result, 0);
    CHECK_INT(errno, 4711);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    return (uint64_t) (ended.tv_sec - began.tv_sec) * 1000000 + (uint64_t) (ended.tv_nsec / 1000) -
           (uint64_t) (began.tv_nsec / 1000);
}

// Never early, and not late by more than the machine is.
static void times_exactly(void)
{
    enum { PRECISE_US = 20000, LATE_US = 100000 };
    struct port port = port_new();
    for (int way = 0; way < 5; way++) {
        int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
        for (long us = 0; us <= PRECISE_US; us += 5000)
            CHECK_BETWEEN((long long) spent_us(way, fd, epfd, us), us, us + LATE_US);
    }
    struct timeval left = {.tv_sec = 10, .tv_usec = 2500000};
    alarm_in(20000);
    handle(0);
    CHECK_INT(select(0, NULL, NULL, NULL, &left), -1);
    CHECK_INT(errno, EINTR);
    CHECK_INT(left.tv_sec, 12);
    CHECK_BETWEEN(left.tv_usec, 300000, 499999);
}

// --- no busy loop

static uint64_t cpu_us(void)
{
    struct rusage usage;
    CHECK_INT(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static long switches(void)
{
    struct rusage usage;
    CHECK_INT(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_nvcsw;
}

// What is parked for two seconds costs what two seconds of sleep cost: 20 ms at most, and a few wake-ups.
static void sleeps(int (*wait)(int fd, int epfd), bool edge)
{
    struct port port = port_new();
    int fd = parked(&port), epfd = epoll_for(fd, edge ? EPOLLOUT | EPOLLET : EPOLLOUT);
    uint64_t before = cpu_us();
    long woken = switches();
    CHECK_INT(wait(fd, epfd), 0);
    CHECK_BETWEEN((long long) (cpu_us() - before), 0, 20000);
    CHECK_BETWEEN(switches() - woken, 1, 20);
}

enum { TWO_SECONDS_MS = 2000 };

static int idle(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

// The second descriptor shows that the time of the wait is not the program's limit for the connect.
static int sleep_in_poll(int fd, int epfd)
{
    struct pollfd p[] = {{.fd = fd, .events = POLLOUT}, {.fd = idle(), .events = POLLIN}};
    (void) epfd;
    return poll(p, 2, TWO_SECONDS_MS);
}

static int sleep_in_select(int fd, int epfd)
{
    struct timeval time = {.tv_sec = TWO_SECONDS_MS / 1000};
    int other = idle();
    fd_set reads, writes;
    (void) epfd;
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(other, &reads);
    FD_SET(fd, &writes);
    return select((other > fd ? other : fd) + 1, &reads, &writes, NULL, &time);
}

static int sleep_in_epoll(int fd, int epfd)
{
    struct epoll_event event;
    (void) fd;
    return epoll_wait(epfd, &event, 1, TWO_SECONDS_MS);
}

static void costs_no_time_in_poll(void)
{
    sleeps(sleep_in_poll, false);
}

static void costs_no_time_in_select(void)
{
    sleeps(sleep_in_select, false);
}

static void costs_no_time_in_epoll(void)
{
    sleeps(sleep_in_epoll, false);
    sleeps(sleep_in_epoll, true);
}

// --- the program's own limit for a connect

enum { LIMIT_MS = 300 };

// Waits for the descriptor alone by poll, ppoll, select or pselect. Returns what the call returned.
static int wait_alone(int way, int fd, int ms)
{
    struct pollfd p[] = {{.fd = -1}, {.fd = fd, .events = POLLOUT}};
    struct timespec precise = {.tv_nsec = ms * 1000000L};
    struct timeval coarse = {.tv_usec = ms * 1000L};
    fd_set writes, excepts;
    FD_ZERO(&writes);
    FD_SET(fd, &writes);
    excepts = writes;
    switch (way) {
    case 0:
        return poll(p, 2, ms);
    case 1:
        return ppoll(p, 2, &precise, NULL);
    case 2:
        return select(fd + 1, NULL, &writes, &excepts, &coarse);
    default:
        return pselect(fd + 1, NULL, &writes, &excepts, &precise, NULL);
    }
}

// The wait would end before the next attempt. The program gets the error that it would get alone, and no timeout.
static void own_limit(void)
{
    struct port port = port_new();
    for (int way = 0; way < 4; way++) {
        for (int before = 0; before < 2; before++) {
            int fd = before ? parked(&port) : flying(&port);
            CHECK_BETWEEN(wait_alone(way, fd, LIMIT_MS), 1, 2);
            CHECK_INT(pending_error(fd), ECONNREFUSED);
            close(fd);
        }
    }
    CHECK_INT(test_log(RETRY, ""), 8);
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 8);
}

// The attempts before the end of the wait are made.
static void own_limit_after_attempts(void)
{
    struct port port = port_new();
    int fd = flying(&port);
    CHECK_BETWEEN(wait_alone(0, fd, 2 * LIMIT_MS), 1, 2);
    CHECK_INT(pending_error(fd), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 1);
}

// A shorter wait is a tick of a loop, and a wait for other descriptors is not for the connect.
static void not_own_limit(void)
{
    struct port port = port_new();
    int fd = parked(&port);
    struct pollfd p[] = {{.fd = fd, .events = POLLOUT}, {.fd = idle(), .events = POLLIN}};
    for (int way = 0; way < 4; way++)
        CHECK_INT(wait_alone(way, fd, LIMIT_MS - 1), 0);
    CHECK_INT(poll(p, 2, LIMIT_MS), 0);
    CHECK_INT(test_log(STOP, ""), 0);
}

static const struct test tests[] = {
    {"every_signal_interrupts", BUSY, every_signal_interrupts},
    {"masks", BUSY, masks},
    {"odd_alone", NULL, odd_alone},
    {"odd_arguments", LONG, odd_arguments},
    {"odd_arguments_in_flight", LONG, odd_arguments_in_flight},
    {"many_polled", LONG, many_polled},
    {"same_polled_twice", THREE, same_polled_twice},
    {"odd_sets", LONG, odd_sets},
    {"times_exactly", BUSY, times_exactly},
    {"own_limit", LONG, own_limit},
    {"own_limit_after_attempts", POLICY "retry.base=400ms\nretry.attempts=9\n", own_limit_after_attempts},
    {"not_own_limit", LONG, not_own_limit},
    {"costs_no_time_in_poll", POLICY "retry.base=500ms\nretry.attempts=9\n", costs_no_time_in_poll},
    {"costs_no_time_in_select", POLICY "retry.base=500ms\nretry.attempts=9\n", costs_no_time_in_select},
    {"costs_no_time_in_epoll", POLICY "retry.base=500ms\nretry.attempts=9\n", costs_no_time_in_epoll},
};

TEST_MAIN(tests)
