// SPDX-License-Identifier: MIT
// Time of one rb_policy_match for 10, 1,000 and 100,000 patterns: names, wildcards, prefixes and all of them mixed,
// with targets that hit and targets that miss. --json writes one JSON object in each line.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/policy.h"

// Many short repeats: the shortest of them ran undisturbed.
enum { TARGETS = 4096, REPEATS = 300, LINE_SIZE = 64 };

enum kind { KIND_NAMES, KIND_WILDCARDS, KIND_PREFIXES, KIND_MIXED, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = {"names", "wildcards", "prefixes", "mixed"};
static const unsigned sizes[] = {10, 1000, 100000};

// A number that looks random but is the same in every run.
static uint32_t scatter(uint32_t number)
{
    number *= UINT32_C(2654435761);
    number ^= number >> 15;
    number *= UINT32_C(2246822519);
    return number ^ number >> 13;
}

static enum kind kind_at(enum kind kind, unsigned number)
{
    return kind == KIND_MIXED ? (enum kind)(number % KIND_MIXED) : kind;
}

// Prefixes of IPv4 are distinct: 2^24 of /24 with the number spread over the bits by an odd factor.
static uint32_t network(unsigned number)
{
    return (number * UINT32_C(0x9e3779)) << 8;
}

static void write_pattern(char *out, enum kind kind, unsigned number)
{
    uint32_t base = network(number);
    switch (kind_at(kind, number)) {
    case KIND_NAMES:
        snprintf(out, LINE_SIZE, "host-%u.region-%u.example.com", number, scatter(number) % 50);
        break;
    case KIND_WILDCARDS:
        snprintf(out, LINE_SIZE, "*.zone-%u.example.net", number);
        break;
    default:
        snprintf(out, LINE_SIZE, "%u.%u.%u.0/24", base >> 24, base >> 16 & 255, base >> 8 & 255);
        break;
    }
}

static struct rb_policy *make_policy(enum kind kind, unsigned count)
{
    char *text = malloc((size_t) count * LINE_SIZE + LINE_SIZE);
    size_t length = (size_t) sprintf(text, "[default]\n[bench]\n");
    for (unsigned i = 0; i < count; i++) {
        char pattern[LINE_SIZE];
        write_pattern(pattern, kind, i);
        length += (size_t) sprintf(text + length, "hosts = %s\n", pattern);
    }
    struct rb_policy *policy;
    if (rb_policy_parse((struct rb_slice){text, length}, "bench.ini", NULL, &policy, NULL, NULL) != 0) {
        fprintf(stderr, "bench_match: the policy is not valid\n");
        exit(1);
    }
    free(text);
    return policy;
}

// A miss has the form of a hit, with a number that no pattern has.
static void make_target(struct rb_target *target, char *name, enum kind kind, unsigned number)
{
    uint32_t base = network(number);
    *target = (struct rb_target){.port = 443};
    switch (kind_at(kind, number)) {
    case KIND_NAMES:
        write_pattern(name, KIND_NAMES, number);
        break;
    case KIND_WILDCARDS:
        snprintf(name, LINE_SIZE, "api.zone-%u.example.net", number);
        break;
    default:
        target->family = AF_INET;
        memcpy(target->address, (uint8_t[]){base >> 24, base >> 16 & 255, base >> 8 & 255, 7}, 4);
        return;
    }
    target->name = name;
    target->name_length = strlen(name);
}

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

// The best of several repeats: what disturbs a run only ever adds time.
static double measure(const struct rb_policy *policy, const struct rb_target *targets, bool hit)
{
    double best = 1e9;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        size_t hits = 0;
        double start = now_ns();
        for (int i = 0; i < TARGETS; i++)
            hits += rb_policy_match(policy, &targets[i], NULL)->name[0] == 'b';
        double each = (now_ns() - start) / TARGETS;
        best = each < best ? each : best;
        if (hits != (hit ? (size_t) TARGETS : 0)) {
            fprintf(stderr, "bench_match: %zu hits, which is wrong\n", hits);
            exit(1);
        }
    }
    return best;
}

static void run(enum kind kind, unsigned count, bool hit, bool json)
{
    static struct rb_target targets[TARGETS];
    static char names[TARGETS][LINE_SIZE];
    struct rb_policy *policy = make_policy(kind, count);
    for (unsigned i = 0; i < TARGETS; i++) {
        unsigned number = scatter(i) % count;
        make_target(&targets[i], names[i], kind, hit ? number : number + 1000000);
    }
    double ns = measure(policy, targets, hit);
    printf(json ? "{\"bench\":\"match\",\"name\":\"%s %s\",\"patterns\":%u,\"ns\":%.1f}\n"
                : "match %s %s %u patterns: %.1f ns\n",
           kind_names[kind], hit ? "hit" : "miss", count, ns);
    rb_policy_free(policy);
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) {
        fprintf(stderr, "usage: bench_match [--json]\n");
        return 2;
    }
    for (enum kind kind = KIND_NAMES; kind < KIND_COUNT; kind++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            run(kind, sizes[i], true, json);
            run(kind, sizes[i], false, json);
        }
    }
    return 0;
}
