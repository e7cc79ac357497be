// SPDX-License-Identifier: MIT
// What the start of a program that never connects costs. Its environment is given as NAME=VALUE, and there is no other.
//
//   bench_start start  [NAME=VALUE]...   microseconds from posix_spawn of /bin/true to its end
//   bench_start loop   [NAME=VALUE]...   the same for each /bin/true that a shell runs in a loop
//   bench_start faults [NAME=VALUE]...   minor page faults of /bin/true
//   bench_start dirty  [NAME=VALUE]...   KiB of memory that /bin/cat has written to once it waits for input
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { SAMPLES = 10, LOOPS = 20, DIRTY_SAMPLES = 3 };

static char loop_script[] = "i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i+1)); done";
_Static_assert(LOOPS == 20, "as in the script");

struct start {
    char **environment;
    double (*one)(char **environment);
    unsigned samples;
};

static double run_us(const char *program, char *const arguments[], char **environment, struct rusage *usage)
{
    pid_t child;
    int status = 0;
    uint64_t began = bench_now_ns();
    int error = posix_spawn(&child, program, NULL, NULL, arguments, environment);
    bench_require(error == 0 && wait4(child, &status, 0, usage) == child && status == 0, program);
    return (double) (bench_now_ns() - began) / 1000;
}

static double start_us(char **environment)
{
    char *const arguments[] = {(char[]){"true"}, NULL};
    return run_us("/bin/true", arguments, environment, NULL);
}

static double loop_us(char **environment)
{
    char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, loop_script, NULL};
    return run_us("/bin/sh", arguments, environment, NULL) / LOOPS;
}

static double faults(char **environment)
{
    char *const arguments[] = {(char[]){"true"}, NULL};
    struct rusage usage;
    run_us("/bin/true", arguments, environment, &usage);
    return (double) usage.ru_minflt;
}

// Not Private_Dirty: it counts pages of a file that was just written and is not on the disk yet.
static double dirty_kib_of(pid_t process)
{
    char path[64], line[256];
    unsigned long kib, total = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int) process);
    FILE *rollup = fopen(path, "r");
    bench_require(rollup != NULL, path);
    while (fgets(line, sizeof(line), rollup))
        if (sscanf(line, "Anonymous: %lu kB", &kib) == 1)
            total += kib;
    fclose(rollup);
    return (double) total;
}

// The program is past its start when it has copied a byte.
static double dirty_kib(char **environment)
{
    char *const arguments[] = {(char[]){"cat"}, NULL};
    posix_spawn_file_actions_t actions;
    int in[2], out[2], status = 0;
    pid_t child;
    char byte = 'x';
    bench_require(pipe(in) == 0 && pipe(out) == 0, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, in[1]);
    bench_require(posix_spawn(&child, "/bin/cat", &actions, NULL, arguments, environment) == 0, "/bin/cat");
    posix_spawn_file_actions_destroy(&actions);
    bench_require(write(in[1], &byte, 1) == 1 && read(out[0], &byte, 1) == 1, "/bin/cat");
    double kib = dirty_kib_of(child);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
    bench_require(waitpid(child, &status, 0) == child && status == 0, "/bin/cat");
    return kib;
}

static double batch(void *context)
{
    const struct start *start = context;
    double samples[SAMPLES] = {0};
    for (unsigned i = 0; i < start->samples; i++)
        samples[i] = start->one(start->environment);
    return bench_median(samples, start->samples);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        double (*one)(char **environment);
        unsigned samples;
    } figures[] = {
        {"start", start_us, SAMPLES},
        {"loop", loop_us, 1},
        {"faults", faults, 1},
        {"dirty", dirty_kib, DIRTY_SAMPLES},
    };
    for (unsigned i = 0; argc > 1 && i < sizeof(figures) / sizeof(figures[0]); i++) {
        if (strcmp(argv[1], figures[i].name) != 0)
            continue;
        bench_take_turns(batch, &(struct start){argv + 2, figures[i].one, figures[i].samples});
        return 0;
    }
    fputs("usage: bench_start start|loop|faults|dirty [NAME=VALUE]...\n", stderr);
    return 2;
}
