// SPDX-License-Identifier: MIT
// Memory that a small program has for itself after a connect: Private_Clean and Private_Dirty of
// /proc/self/smaps_rollup, in KiB.
#include <string.h>

#include "bench.h"

static double private_kib(void *context)
{
    char line[256];
    unsigned long total = 0;
    unsigned long kib;
    (void) context;
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    bench_require(rollup != NULL, "/proc/self/smaps_rollup");
    while (fgets(line, sizeof(line), rollup))
        if (sscanf(line, "Private_%*[a-zA-Z]: %lu kB", &kib) == 1 && strncmp(line, "Private_H", 9) != 0)
            total += kib;
    fclose(rollup);
    return (double) total;
}

int main(void)
{
    struct sockaddr_in address;
    bench_listen(&address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bench_require(connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0, "connect");
    bench_take_turns(private_kib, NULL);
    return 0;
}
