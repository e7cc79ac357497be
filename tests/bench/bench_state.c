// SPDX-License-Identifier: MIT
// What recording one call with one attempt costs in the shared state, in nanoseconds of processor time: alone, and with
// other processes that do nothing else, all on one host or each call on one of 64.
//
// Processor time: with more processes than processors the waiting for one is not the state's doing. Prints
// "state N processes, M hosts: X ns" for each case.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "policy/key.h"
#include "state/cells.h"
#include "state/record.h"
#include "state/shared.h"

enum { SAMPLES = 200, CALLS = 500, MOST_HOSTS = 64 };

static const char *path;

static struct rb_shared_settings settings(void)
{
    return (struct rb_shared_settings){.state = path, .cells = RB_CELLS_DEFAULT};
}

static uint64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
}

// The clock is the caller's in the library, too, and not part of this.
static void one_call(const struct rb_rules *rules, unsigned host, uint64_t now_ms)
{
    static const struct rb_outcome success = {.cause = RB_CAUSE_NONE, .health = RB_HEALTH_SUCCESS};
    struct rb_target target = {.name = "api.example", .name_length = 11, .port = (uint16_t) (1 + host)};
    struct rb_call call;
    struct rb_cell *cell = rb_cell_get(host + 1, "bench", rules, &target, now_ms);
    rb_cell_begin(cell, &call, rules, 0, now_ms);
    bench_require(rb_call_admit(&call, now_ms, NULL), "admit");
    rb_call_judge(&call, &success, RB_REASON_NONE, true, NULL, now_ms, 0);
    rb_record_success(&call, "bench", RB_API_CURL);
}

static double sample(const struct rb_rules *rules, unsigned hosts)
{
    static unsigned turn;
    uint64_t now_ms = bench_now_ns() / 1000000, began = processor_ns();
    for (unsigned i = 0; i < CALLS; i++)
        one_call(rules, turn++ % hosts, now_ms);
    return (double) (processor_ns() - began) / CALLS;
}

static void measure(unsigned processes, unsigned hosts)
{
    double samples[SAMPLES];
    struct rb_section_values values;
    pid_t others[64];
    rb_key_defaults(&values);
    for (unsigned i = 0; i + 1 < processes; i++)
        if ((others[i] = fork()) == 0)
            for (;;)
                sample(&values.rules, hosts);
    sample(&values.rules, hosts);
    for (unsigned i = 0; i < SAMPLES; i++)
        samples[i] = sample(&values.rules, hosts);
    for (unsigned i = 0; i + 1 < processes; i++) {
        kill(others[i], SIGKILL);
        waitpid(others[i], NULL, 0);
    }
    printf("state %u %s, %u %s: %.1f ns\n", processes, processes == 1 ? "process" : "processes", hosts,
           hosts == 1 ? "host" : "hosts", bench_median(samples, SAMPLES));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_state PATH\n");
        return 2;
    }
    path = argv[1];
    rb_shared_start(settings, NULL);
    bench_require(rb_shared() != NULL, "the state");
    for (unsigned hosts = 1; hosts <= MOST_HOSTS; hosts *= MOST_HOSTS)
        for (unsigned i = 0; i < 3; i++)
            measure((const unsigned[]){1, 2, 64}[i], hosts);
    return 0;
}
