// SPDX-License-Identifier: MIT
// Many connects to a server that is not there yet, on one epoll. Under rebound they are parked and repeated. Prints one
// line: the connects, KiB of private memory, milliseconds of processor time for the calls of connect, per second while
// they are parked and until all are connected, and milliseconds from the server's start until all are connected.
//
//   bench_parked CONNECTS [alive]    alive: the server listens from the start, and nothing is parked
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
    PORTS = 6, // each has a retry budget and a backlog of its own; RB_SWEEP_TARGETS or more would count as a port scan
    BACKLOG = 4096,
    EVENTS = 512,
    PARKED_S = 4,
    LIMIT_S = 60 // for all connects
};

struct server {
    struct sockaddr_in addresses[PORTS];
    pid_t process;
    int start; // a byte makes the server listen; the end of the pipe ends it
};

static void raise_limit(void)
{
    struct rlimit limit;
    bench_require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    bench_require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

static void watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    bench_require(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

// Accepts connections and keeps them open until the pipe ends.
static void serve(const int ports[PORTS], int start)
{
    char byte;
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0);
    if (read(start, &byte, 1) != 1)
        return;
    watch(epoll, start, EPOLLIN);
    for (unsigned i = 0; i < PORTS; i++) {
        bench_require(listen(ports[i], BACKLOG) == 0, "listen");
        watch(epoll, ports[i], EPOLLIN);
    }
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == start)
                return;
            bench_require(accept(events[i].data.fd, NULL, NULL) >= 0, "accept");
        }
    }
}

static struct server start_server(bool listens)
{
    struct server server;
    int ports[PORTS], ends[2];
    socklen_t length = sizeof(server.addresses[0]);
    bench_require(pipe(ends) == 0, "pipe");
    for (unsigned i = 0; i < PORTS; i++) {
        struct sockaddr *address = (struct sockaddr *) &server.addresses[i];
        server.addresses[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        ports[i] = socket(AF_INET, SOCK_STREAM, 0);
        bench_require(bind(ports[i], address, length) == 0 && getsockname(ports[i], address, &length) == 0, "bind");
        bench_require(!listens || listen(ports[i], BACKLOG) == 0, "listen");
    }
    server.process = fork();
    bench_require(server.process >= 0, "fork");
    if (server.process == 0) {
        close(ends[1]);
        serve(ports, ends[0]);
        _exit(0);
    }
    for (unsigned i = 0; i < PORTS; i++)
        close(ports[i]);
    close(ends[0]);
    server.start = ends[1];
    return server;
}

static void let_listen(const struct server *server)
{
    bench_require(write(server->start, "", 1) == 1, "write");
}

// Private memory of this process in KiB.
static long private_kib(void)
{
    char line[256];
    long kib, sum = 0;
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    bench_require(rollup != NULL, "smaps_rollup");
    while (fgets(line, sizeof(line), rollup))
        if (sscanf(line, "Private_%*[^:]: %ld", &kib) == 1)
            sum += kib;
    fclose(rollup);
    return sum;
}

static double processor_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double) used.tv_sec * 1e3 + (double) used.tv_nsec / 1e6;
}

static void begin_connects(int epoll, const struct server *server, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        bench_require(fd >= 0, "socket");
        watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLET);
        int result = connect(fd, (const struct sockaddr *) &server->addresses[i % PORTS], sizeof(struct sockaddr_in));
        bench_require(result == 0 || errno == EINPROGRESS, "connect");
    }
}

// Waits until `until_ns`, or until `count` sockets are connected. Returns how many are. A failed connect ends the
// program.
static unsigned wait_connected(int epoll, unsigned count, uint64_t until_ns)
{
    unsigned connected = 0;
    struct epoll_event events[EVENTS];
    for (uint64_t now = bench_now_ns(); connected < count && now < until_ns; now = bench_now_ns()) {
        int ready = epoll_wait(epoll, events, EVENTS, (int) ((until_ns - now) / 1000000) + 1);
        for (int i = 0; i < ready; i++) {
            int error = 0;
            socklen_t length = sizeof(error);
            getsockopt(events[i].data.fd, SOL_SOCKET, SO_ERROR, &error, &length);
            errno = error;
            bench_require(error == 0 && (events[i].events & EPOLLOUT), "a connect");
        }
        connected += ready > 0 ? (unsigned) ready : 0;
    }
    return connected;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned) atoi(argv[1]) : 0;
    bool alive = argc > 2 && strcmp(argv[2], "alive") == 0;
    if (count == 0) {
        fputs("usage: bench_parked CONNECTS [alive]\n", stderr);
        return 2;
    }
    raise_limit();
    struct server server = start_server(alive);
    int epoll = epoll_create1(0);
    if (alive)
        let_listen(&server);
    long memory = private_kib();
    uint64_t began = bench_now_ns();
    double used = processor_ms(), parked = 0;
    begin_connects(epoll, &server, count);
    double dialled = processor_ms() - used;
    if (!alive) {
        used = processor_ms();
        unsigned early = wait_connected(epoll, count, bench_now_ns() + PARKED_S * UINT64_C(1000000000));
        bench_require(early == 0, "a connect that was to stay parked");
        parked = (processor_ms() - used) / PARKED_S;
        memory = private_kib() - memory;
        used = processor_ms();
        began = bench_now_ns();
        let_listen(&server);
    }
    unsigned connected = wait_connected(epoll, count, bench_now_ns() + LIMIT_S * UINT64_C(1000000000));
    double took = (double) (bench_now_ns() - began) / 1e6;
    bench_require(connected == count, "not all are connected");
    if (alive)
        memory = private_kib() - memory;
    printf("%u %ld %.1f %.1f %.1f %.1f\n", count, memory, dialled, parked, processor_ms() - used, took);
    close(server.start);
    waitpid(server.process, NULL, 0);
    return 0;
}
