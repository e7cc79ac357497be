// SPDX-License-Identifier: MIT
// What the benchmarks share: the clock, the median, a loopback listener, and batches on demand.
//
// Each program measures one batch for every line on stdin and answers with the batch's median in a line on stdout, so
// that competitors take turns within milliseconds and a busy machine slows all of them alike.
#ifndef RB_TESTS_BENCH_H
#define RB_TESTS_BENCH_H

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
}

static inline int bench_compare(const void *left, const void *right)
{
    double a = *(const double *) left;
    double b = *(const double *) right;
    return (a > b) - (a < b);
}

// Sorts the samples and returns the one in the middle.
static inline double bench_median(double *samples, size_t count)
{
    qsort(samples, count, sizeof(*samples), bench_compare);
    return samples[count / 2];
}

static inline void bench_require(int holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    exit(1);
}

// Listens on a free port of 127.0.0.1; fills the address in. Returns the descriptor.
static inline int bench_listen(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bench_require(server >= 0 && bind(server, (struct sockaddr *) address, length) == 0 && listen(server, 16) == 0 &&
                      getsockname(server, (struct sockaddr *) address, &length) == 0,
                  "listen");
    return server;
}

// A write function of libcurl that throws the body away.
static inline size_t bench_discard(char *data, size_t size, size_t count, void *user)
{
    (void) data;
    (void) user;
    return size * count;
}

// Answers the requests for batches until stdin ends.
static inline void bench_take_turns(double (*batch)(void *), void *context)
{
    char line[16];
    while (fgets(line, sizeof(line), stdin)) {
        printf("%.1f\n", batch(context));
        fflush(stdout);
    }
}

#endif
