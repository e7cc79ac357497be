// SPDX-License-Identifier: MIT
// What it costs to start a program: bench_start [NAME=VALUE]... runs /bin/true again and again with that environment.
//
// Prints the median in microseconds, from posix_spawn to the end.
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"

enum { SAMPLES = 200 };

static double start_us(char **environment)
{
    char *const arguments[] = {(char[]){"true"}, NULL};
    pid_t child;
    int status = 0;
    uint64_t began = bench_now_ns();
    int error = posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environment);
    bench_require(error == 0 && waitpid(child, &status, 0) == child && status == 0, "/bin/true");
    return (double) (bench_now_ns() - began) / 1000;
}

int main(int argc, char **argv)
{
    static double samples[SAMPLES];
    (void) argc;
    bench_pin();
    for (unsigned i = 0; i < SAMPLES; i++)
        samples[i] = start_us(argv + 1);
    printf("%.1f\n", bench_median(samples, SAMPLES));
    return 0;
}
