// SPDX-License-Identifier: MIT
// What a program's start costs, in microseconds from posix_spawn to its end: bench_start [NAME=VALUE]... runs /bin/true
// again and again with that environment and no other.
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"

enum { SAMPLES = 10 };

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

static double batch(void *context)
{
    double samples[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++)
        samples[i] = start_us(context);
    return bench_median(samples, SAMPLES);
}

int main(int argc, char **argv)
{
    (void) argc;
    bench_take_turns(batch, argv + 1);
    return 0;
}
