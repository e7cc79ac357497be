// SPDX-License-Identifier: MIT
// Reads the whole state file.
#include "cli/state/snapshot.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "real/system.h"

bool rb_snapshot_probe_is_due(const struct rb_view_cell *host)
{
    if (host->forced != RB_FORCE_NONE || host->state == RB_BREAKER_CLOSED)
        return false;
    if (host->state == RB_BREAKER_OPEN)
        return host->next_probe_in_ms == 0;
    for (unsigned i = 0; i < host->holder_count; i++)
        if (host->holders[i].lease_left_ms > 0)
            return false;
    return true;
}

enum rb_breaker_state rb_snapshot_state(const struct rb_view_cell *host)
{
    if (host->forced != RB_FORCE_NONE)
        return host->forced == RB_FORCE_OPEN ? RB_BREAKER_OPEN : RB_BREAKER_CLOSED;
    return rb_snapshot_probe_is_due(host) ? RB_BREAKER_HALF_OPEN : host->state;
}

static int by_host(const void *left, const void *right)
{
    const struct rb_view_cell *a = left, *b = right;
    int order = strverscmp(a->host, b->host); // 127.0.0.9 before 127.0.0.10
    return order != 0 ? order : strcmp(a->policy, b->policy);
}

// Open breakers first, then half-open ones.
static int by_state_then_host(const void *left, const void *right)
{
    static const int rank[RB_BREAKER_STATES] = {
        [RB_BREAKER_OPEN] = 0, [RB_BREAKER_HALF_OPEN] = 1, [RB_BREAKER_CLOSED] = 2};
    int order = rank[rb_snapshot_state(left)] - rank[rb_snapshot_state(right)];
    return order != 0 ? order : by_host(left, right);
}

// Hosts with the highest rate of failures first.
static int by_failures_then_host(const void *left, const void *right)
{
    const struct rb_view_cell *a = left, *b = right;
    int order = (a->failure_rate < b->failure_rate) - (a->failure_rate > b->failure_rate);
    return order != 0 ? order : by_host(left, right);
}

// Without the right to read the link of the executable, takes the name that the process has given itself, at most 15
// bytes. The kernel writes " (deleted)" after the name of a file that was removed or replaced.
const char *rb_snapshot_program(int pid, char out[RB_PROGRAM_NAME_SIZE])
{
    static const char deleted[] = " (deleted)";
    char path[32], executable[PATH_MAX + sizeof(deleted)];
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    ssize_t length = readlink(path, executable, sizeof(executable) - 1);
    if (length <= 0) {
        snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        FILE *file = fopen(path, "re");
        if (!file)
            return "?";
        out[0] = '\0';
        if (fgets(out, RB_PROGRAM_NAME_SIZE, file))
            out[strcspn(out, "\n")] = '\0';
        fclose(file);
        return out[0] ? out : "?";
    }
    executable[length] = '\0';
    size_t suffix = sizeof(deleted) - 1;
    if ((size_t) length > suffix && strcmp(executable + length - suffix, deleted) == 0)
        executable[(size_t) length - suffix] = '\0';
    const char *slash = strrchr(executable, '/');
    snprintf(out, RB_PROGRAM_NAME_SIZE, "%.*s", RB_PROGRAM_NAME_SIZE - 1, slash ? slash + 1 : executable);
    return out;
}

// Reads hosts, policies and totals. Reads again if a host lost its cell meanwhile. Its calls would otherwise be counted
// twice (as a host and in the rest of its policy) or not at all.
static void read_counts(struct rb_snapshot *snapshot, const struct rb_view *view)
{
    enum { TRIES = 5 };
    for (unsigned try = 0; try < TRIES; try++) {
        struct rb_view_totals before;
        uint64_t now_ms = rb_system_now_ms();
        rb_view_totals(view, &before);
        snapshot->host_count = snapshot->policy_count = 0;
        for (uint32_t i = 0; i < view->state.cell_count; i++)
            snapshot->host_count += rb_view_cell(view, i, now_ms, &snapshot->hosts[snapshot->host_count]);
        for (unsigned i = 0; i < RB_STATE_POLICIES; i++)
            snapshot->policy_count += rb_view_policy(view, i, &snapshot->policies[snapshot->policy_count]);
        rb_view_totals(view, &snapshot->totals);
        if (snapshot->totals.evicted == before.evicted)
            return;
    }
}

static void sort_hosts(struct rb_snapshot *snapshot, enum rb_order order)
{
    static int (*const orders[RB_ORDERS])(const void *, const void *) = {by_state_then_host, by_failures_then_host,
                                                                         by_host};
    qsort(snapshot->hosts, snapshot->host_count, sizeof(*snapshot->hosts), orders[order]);
    for (unsigned i = 0; i < snapshot->host_count; i++)
        snapshot->in_state[rb_snapshot_state(&snapshot->hosts[i])]++;
}

// Reads the living processes. A process that has reused the pid of an ended one has another start time.
static void read_processes(struct rb_snapshot *snapshot, const struct rb_view *view)
{
    for (unsigned i = 0; i < RB_STATE_PROCESSES; i++) {
        struct rb_view_process *process = &snapshot->processes[snapshot->process_count];
        char number[16];
        if (!rb_view_process(view, i, process))
            continue;
        snprintf(number, sizeof(number), "%d", process->pid);
        snapshot->process_count += rb_system_start_ticks(number) == process->start_ticks;
    }
}

struct rb_snapshot *rb_snapshot_take(const struct rb_state_file *file, enum rb_order order)
{
    struct rb_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return NULL;
    snapshot->totals.reload_succeeded = true;
    if (!file->present)
        return snapshot;
    snapshot->hosts = calloc(file->view.state.cell_count, sizeof(*snapshot->hosts));
    if (!snapshot->hosts) {
        free(snapshot);
        return NULL;
    }
    read_counts(snapshot, &file->view);
    snapshot->log_in_trouble = rb_view_trouble(&file->view, &snapshot->log);
    sort_hosts(snapshot, order);
    read_processes(snapshot, &file->view);
    return snapshot;
}

void rb_snapshot_free(struct rb_snapshot *snapshot)
{
    if (snapshot)
        free(snapshot->hosts);
    free(snapshot);
}

static uint64_t snapshot_sum_of(const struct rb_view_policy *policy, unsigned first, unsigned count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += policy->values[first + i];
    return sum;
}

uint64_t rb_snapshot_calls(const struct rb_view_policy *policy)
{
    return snapshot_sum_of(policy, RB_COUNTER_CALLS, RB_API_COUNT * RB_RESULT_COUNT);
}

uint64_t rb_snapshot_retries(const struct rb_view_policy *policy)
{
    return snapshot_sum_of(policy, RB_COUNTER_RETRIES, RB_CAUSE_COUNT);
}

uint64_t rb_snapshot_ended(const struct rb_view_policy *policy, enum rb_result result)
{
    uint64_t sum = 0;
    for (unsigned api = 0; api < RB_API_COUNT; api++)
        sum += policy->values[RB_COUNTER_CALLS + api * RB_RESULT_COUNT + result];
    return sum;
}

uint64_t rb_snapshot_ended_all(const struct rb_snapshot *snapshot, enum rb_result result)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < snapshot->policy_count; i++)
        sum += rb_snapshot_ended(&snapshot->policies[i], result);
    return sum;
}
