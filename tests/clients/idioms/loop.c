// SPDX-License-Identifier: MIT
// A loop with a connect in it, by epoll, edge-triggered epoll, poll or select, and a timer, as event libraries have it.
//
//   loop epoll|edge|poll|select HOST PORT PERIOD LIMIT
//
// PERIOD is that of the timer in ms, 0 for none. It ends with the connect, or after LIMIT ms, and prints how the
// connect ended (connected, an errno's name, limit), its ms, the largest gap between two ticks in ms, and the ms of CPU
// it took.
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

struct loop {
    const char *way;
    int peer;
    int epoll;
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static double cpu_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static int begin(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) strtoul(port, NULL, 10))};
    inet_pton(AF_INET, host, &address.sin_addr);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (peer < 0 || (connect(peer, (struct sockaddr *) &address, sizeof(address)) != 0 && errno != EINPROGRESS)) {
        perror("loop");
        exit(1);
    }
    return peer;
}

static bool wait_select(int peer, int timeout)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(peer, &set);
    struct timeval limit = {timeout / 1000, timeout % 1000 * 1000};
    return select(peer + 1, NULL, &set, NULL, &limit) > 0;
}

// True when the loop was told of the connect within `timeout` ms.
static bool wait_for(const struct loop *loop, int timeout)
{
    struct pollfd poller = {.fd = loop->peer, .events = POLLOUT};
    struct epoll_event event;
    if (loop->epoll >= 0)
        return epoll_wait(loop->epoll, &event, 1, timeout) > 0;
    return strcmp(loop->way, "poll") == 0 ? poll(&poller, 1, timeout) > 0 : wait_select(loop->peer, timeout);
}

static const char *outcome(int peer)
{
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(peer, SOL_SOCKET, SO_ERROR, &error, &size);
    return error ? strerrorname_np(error) : "connected";
}

static void set_up(struct loop *loop, const char *way, const char *host, const char *port)
{
    struct epoll_event event = {.events = EPOLLOUT | (strcmp(way, "edge") == 0 ? EPOLLET : 0)};
    loop->way = way;
    loop->epoll = strcmp(way, "epoll") == 0 || strcmp(way, "edge") == 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
    loop->peer = begin(host, port);
    if (loop->epoll >= 0)
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->peer, &event);
}

// Runs until the connect has ended or `limit` has come; returns the largest gap between two ticks.
static double turn(const struct loop *loop, double period, double limit, const char **end)
{
    double last = now_ms(), gap = 0;
    double due = period > 0 ? last + period : limit;
    while (now_ms() < limit) {
        // One ms more than is left, as event libraries do that cannot wait for a part of one.
        double left = due - now_ms();
        if (wait_for(loop, left > 0 ? (int) left + 1 : 0)) {
            *end = outcome(loop->peer);
            break;
        }
        double now = now_ms();
        if (now >= due && period > 0) {
            gap = now - last > gap ? now - last : gap;
            last = now;
            due = now + period;
        }
    }
    return gap;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("usage: loop epoll|edge|poll|select HOST PORT PERIOD LIMIT\n", stderr);
        return 2;
    }
    struct loop loop;
    const char *end = "limit";
    double start = now_ms(), used = cpu_ms();
    set_up(&loop, argv[1], argv[2], argv[3]);
    double gap = turn(&loop, strtod(argv[4], NULL), start + strtod(argv[5], NULL), &end);
    printf("%s %.0f %.0f %.0f\n", end, now_ms() - start, gap, cpu_ms() - used);
    return 0;
}
