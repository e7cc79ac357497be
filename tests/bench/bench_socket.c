// SPDX-License-Identifier: MIT
// What one call costs on a socket that is connected to a covered host and does not speak HTTP, in nanoseconds, while
// another connection of the process does. With build/bench/nothing.so behind, the call itself costs nothing.
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

enum { SAMPLES = 20, CALLS = 1000 };

struct sockets {
    int other; // no HTTP
    int epoll; // which watches `other`
};

static void call_recv(const struct sockets *on)
{
    char byte;
    bench_require(recv(on->other, &byte, 1, 0) == 1, "recv");
}

static void call_send(const struct sockets *on)
{
    bench_require(send(on->other, "", 1, 0) == 1, "send");
}

static void call_poll(const struct sockets *on)
{
    struct pollfd readable = {.fd = on->other, .events = POLLIN};
    bench_require(poll(&readable, 1, 0) >= 0, "poll");
}

static void call_epoll_wait(const struct sockets *on)
{
    struct epoll_event events[8];
    bench_require(epoll_wait(on->epoll, events, 8, 0) >= 0, "epoll_wait");
}

static const struct {
    const char *name;
    void (*make)(const struct sockets *);
} calls[] = {{"recv", call_recv}, {"send", call_send}, {"poll", call_poll}, {"epoll_wait", call_epoll_wait}};

struct chosen {
    struct sockets on;
    void (*make)(const struct sockets *);
};

static double batch(void *context)
{
    const struct chosen *chosen = context;
    double samples[SAMPLES];
    for (unsigned sample = 0; sample < SAMPLES; sample++) {
        uint64_t began = bench_now_ns();
        for (unsigned call = 0; call < CALLS; call++)
            chosen->make(&chosen->on);
        samples[sample] = (double) (bench_now_ns() - began) / CALLS;
    }
    return bench_median(samples, SAMPLES);
}

// Connects, and writes the first bytes of a protocol.
static int connect_and_say(const struct sockaddr_in *address, const char *bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bench_require(fd >= 0 && connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0, "connect");
    bench_require(send(fd, bytes, strlen(bytes), 0) == (ssize_t) strlen(bytes), "send");
    return fd;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    struct chosen chosen = {0};
    for (size_t i = 0; argc > 1 && i < sizeof(calls) / sizeof(*calls); i++)
        if (strcmp(argv[1], calls[i].name) == 0)
            chosen.make = calls[i].make;
    if (!chosen.make) {
        fputs("usage: bench_socket recv|send|poll|epoll_wait\n", stderr);
        return 2;
    }
    bench_listen(&address);
    connect_and_say(&address, "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    chosen.on.other = connect_and_say(&address, "EHLO here\r\n");
    chosen.on.epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    bench_require(epoll_ctl(chosen.on.epoll, EPOLL_CTL_ADD, chosen.on.other, &event) == 0, "epoll_ctl");
    bench_take_turns(batch, &chosen);
    return 0;
}
