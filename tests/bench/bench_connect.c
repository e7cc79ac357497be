// SPDX-License-Identifier: MIT
// What one connect costs: `bare` on a descriptor that does not exist, `loopback` to a listener that is there.
//
// Prints the median in nanoseconds.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { BARE_SAMPLES = 300, BARE_CALLS = 1000, LOOPBACK_SAMPLES = 3000 };

static double bare(void)
{
    static double samples[BARE_SAMPLES];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < BARE_SAMPLES; i++) {
        uint64_t began = bench_now_ns();
        for (unsigned call = 0; call < BARE_CALLS; call++)
            (void) connect(-1, (struct sockaddr *) &address, sizeof address);
        samples[i] = (double) (bench_now_ns() - began) / BARE_CALLS;
    }
    bench_require(errno == EBADF, "connect(-1)");
    return bench_median(samples, BARE_SAMPLES);
}

// The kernel completes a loopback connect without the listener's help; it is accepted after the clock has stopped.
// Reset on close: no connection stays behind in TIME_WAIT.
static double loopback(void)
{
    static double samples[LOOPBACK_SAMPLES];
    struct linger reset = {.l_onoff = 1};
    struct sockaddr_in address;
    int server = bench_listen(&address);
    for (unsigned i = 0; i < LOOPBACK_SAMPLES; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        bench_require(setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0, "socket");
        uint64_t began = bench_now_ns();
        int result = connect(client, (struct sockaddr *) &address, sizeof address);
        samples[i] = (double) (bench_now_ns() - began);
        bench_require(result == 0, "connect");
        int accepted = accept(server, NULL, NULL);
        close(client);
        close(accepted);
    }
    return bench_median(samples, LOOPBACK_SAMPLES);
}

int main(int argc, char **argv)
{
    bench_pin();
    if (argc == 2 && strcmp(argv[1], "bare") == 0)
        printf("%.1f\n", bare());
    else if (argc == 2 && strcmp(argv[1], "loopback") == 0)
        printf("%.1f\n", loopback());
    else
        return fprintf(stderr, "usage: bench_connect bare|loopback\n"), 2;
    return 0;
}
