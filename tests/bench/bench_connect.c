// SPDX-License-Identifier: MIT
// What one connect costs, in nanoseconds: `bare` on a descriptor that does not exist, `loopback` to a live listener.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { BARE_SAMPLES = 20, BARE_CALLS = 500, LOOPBACK_SAMPLES = 100 };

struct listener {
    int server;
    struct sockaddr_in address;
};

static double bare(void *context)
{
    double samples[BARE_SAMPLES];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void) context;
    for (unsigned i = 0; i < BARE_SAMPLES; i++) {
        uint64_t began = bench_now_ns();
        for (unsigned call = 0; call < BARE_CALLS; call++)
            (void) connect(-1, (struct sockaddr *) &address, sizeof(address));
        samples[i] = (double) (bench_now_ns() - began) / BARE_CALLS;
    }
    bench_require(errno == EBADF, "connect(-1)");
    return bench_median(samples, BARE_SAMPLES);
}

// The kernel completes a loopback connect without the listener's help; it is accepted after the clock has stopped.
// Reset on close: no connection stays behind in TIME_WAIT.
static double connect_once_ns(const struct listener *listener)
{
    struct linger reset = {.l_onoff = 1};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    bench_require(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0, "socket");
    uint64_t began = bench_now_ns();
    int result = connect(client, (const struct sockaddr *) &listener->address, sizeof(listener->address));
    uint64_t took = bench_now_ns() - began;
    bench_require(result == 0, "connect");
    int accepted = accept(listener->server, NULL, NULL);
    close(client);
    close(accepted);
    return (double) took;
}

static double loopback(void *context)
{
    double samples[LOOPBACK_SAMPLES];
    for (unsigned i = 0; i < LOOPBACK_SAMPLES; i++)
        samples[i] = connect_once_ns(context);
    return bench_median(samples, LOOPBACK_SAMPLES);
}

int main(int argc, char **argv)
{
    struct listener listener;
    listener.server = bench_listen(&listener.address);
    if (argc == 2 && strcmp(argv[1], "bare") == 0) {
        connect_once_ns(&listener); // the first connect of a stream socket reads the policy
        bench_take_turns(bare, NULL);
    } else if (argc == 2 && strcmp(argv[1], "loopback") == 0) {
        bench_take_turns(loopback, &listener);
    } else {
        fputs("usage: bench_connect bare|loopback\n", stderr);
        return 2;
    }
    return 0;
}
