// SPDX-License-Identifier: MIT
// What one call costs that may meet a connecting socket, in nanoseconds, on a descriptor that is none: as it is, or
// with many connects in flight on another epoll. With build/bench/nothing.so behind, the call itself costs nothing.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#include "bench.h"

enum { SAMPLES = 20, CALLS = 1000, NEVER_OPEN = 1000 };

// What the calls are made on.
struct quiet {
    int quiet;  // an eventfd that never has anything to say
    int epoll;  // which watches it
    int socket; // unconnected
    int zero;   // /dev/zero
    int null;   // /dev/null
    int far;    // the epoll of the connects in flight
    double (*run)(const struct quiet *);
};

// NOLINTBEGIN(bugprone-macro-parentheses): a statement
// The median over the samples of what `statement` takes each time.
#define MEASURE(statement)                                                                                             \
    double samples[SAMPLES];                                                                                           \
    for (unsigned sample = 0; sample < SAMPLES; sample++) {                                                            \
        uint64_t began = bench_now_ns();                                                                               \
        for (unsigned call = 0; call < CALLS; call++)                                                                  \
            statement;                                                                                                 \
        samples[sample] = (double) (bench_now_ns() - began) / CALLS;                                                   \
    }                                                                                                                  \
    return bench_median(samples, SAMPLES)
// NOLINTEND(bugprone-macro-parentheses)

static double run_poll(const struct quiet *on)
{
    struct pollfd fds = {.fd = on->quiet, .events = POLLIN};
    MEASURE(bench_require(poll(&fds, 1, 0) == 0, "poll"));
}

static double run_select(const struct quiet *on)
{
    fd_set reads;
    struct timeval none;
    MEASURE({
        FD_ZERO(&reads);
        FD_SET(on->quiet, &reads);
        none = (struct timeval){0};
        bench_require(select(on->quiet + 1, &reads, NULL, NULL, &none) == 0, "select");
    });
}

static double run_epoll_wait(const struct quiet *on)
{
    struct epoll_event events[8];
    MEASURE(bench_require(epoll_wait(on->epoll, events, 8, 0) == 0, "epoll_wait"));
}

static double run_epoll_ctl(const struct quiet *on)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = on->quiet};
    MEASURE(bench_require(epoll_ctl(on->epoll, EPOLL_CTL_MOD, on->quiet, &event) == 0, "epoll_ctl"));
}

static double run_getsockopt(const struct quiet *on)
{
    int error;
    socklen_t length = sizeof(error);
    MEASURE(bench_require(getsockopt(on->socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0, "getsockopt"));
}

static double run_read(const struct quiet *on)
{
    char byte;
    MEASURE(bench_require(read(on->zero, &byte, 1) == 1, "read"));
}

static double run_write(const struct quiet *on)
{
    MEASURE(bench_require(write(on->null, "", 1) == 1, "write"));
}

// Of descriptors that are not open, but may have been.
static double run_close(const struct quiet *on)
{
    (void) on;
    MEASURE((void) close(NEVER_OPEN + (int) call % 16));
}

static const struct {
    const char *name;
    double (*run)(const struct quiet *);
} calls[] = {
    {"poll", run_poll},           {"select", run_select},         {"epoll_wait", run_epoll_wait},
    {"epoll_ctl", run_epoll_ctl}, {"getsockopt", run_getsockopt}, {"read", run_read},
    {"write", run_write},         {"close", run_close},
};

static void watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    bench_require(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static int begin_connect(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    bench_require(fd >= 0, "socket");
    int result = connect(fd, (const struct sockaddr *) address, sizeof(*address));
    bench_require(result == 0 || errno == EINPROGRESS, "connect");
    return fd;
}

// With its backlog full, a listener leaves SYNs without an answer.
static struct sockaddr_in silent_listener(void)
{
    struct sockaddr_in address;
    int server = bench_listen(&address);
    bench_require(listen(server, 0) == 0, "listen");
    for (unsigned i = 0; i < 2; i++) {
        struct pollfd connected = {.fd = begin_connect(&address), .events = POLLOUT};
        poll(&connected, 1, 100);
    }
    return address;
}

static void connect_many(struct quiet *on, unsigned count)
{
    struct rlimit limit;
    bench_require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    bench_require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    struct sockaddr_in address = silent_listener();
    for (unsigned i = 0; i < count; i++)
        watch(on->far, begin_connect(&address), EPOLLIN | EPOLLOUT);
    struct epoll_event event;
    bench_require(epoll_wait(on->far, &event, 1, 0) == 0, "a connect that was to stay in flight");
}

static double batch(void *context)
{
    const struct quiet *on = context;
    return on->run(on);
}

int main(int argc, char **argv)
{
    struct quiet on = {.quiet = eventfd(0, EFD_NONBLOCK), .epoll = epoll_create1(0), .far = epoll_create1(0)};
    on.socket = socket(AF_INET, SOCK_STREAM, 0);
    on.zero = open("/dev/zero", O_RDONLY);
    on.null = open("/dev/null", O_WRONLY);
    for (size_t i = 0; argc > 1 && i < sizeof(calls) / sizeof(*calls); i++)
        if (strcmp(argv[1], calls[i].name) == 0)
            on.run = calls[i].run;
    if (!on.run) {
        fputs("usage: bench_wait CALL [CONNECTS_IN_FLIGHT]\n", stderr);
        return 2;
    }
    watch(on.epoll, on.quiet, EPOLLIN);
    if (argc > 2)
        connect_many(&on, (unsigned) atoi(argv[2]));
    bench_take_turns(batch, &on);
    return 0;
}
