// SPDX-License-Identifier: MIT
// All that a state file says at one moment, in memory of our own: what status, top and metrics show.
#ifndef RB_CLI_SNAPSHOT_H
#define RB_CLI_SNAPSHOT_H

#include "cli/state/state_file.h"

enum { RB_PROGRAM_NAME_SIZE = 20 }; // of /proc/PID/comm, with its terminator

enum rb_order { RB_ORDER_STATE, RB_ORDER_FAILURES, RB_ORDER_HOST, RB_ORDERS };

struct rb_snapshot {
    struct rb_view_cell *hosts; // in the order asked for
    unsigned host_count;
    unsigned in_state[RB_BREAKER_STATES]; // how many hosts are in each
    struct rb_view_policy policies[RB_STATE_POLICIES];
    unsigned policy_count;
    struct rb_view_process processes[RB_STATE_PROCESSES]; // those that live
    unsigned process_count;
    struct rb_view_totals totals;
    bool log_in_trouble;
    struct rb_view_trouble log; // where log_in_trouble
};

// Reads the file; one that is not present is empty. Returns NULL when there is no memory. Free it with
// rb_snapshot_free.
struct rb_snapshot *rb_snapshot_take(const struct rb_state_file *file, enum rb_order order);
void rb_snapshot_free(struct rb_snapshot *snapshot);

// Whether the next call is let through as a probe: the open time is over, or the breaker is half-open and no lease of a
// probe runs. Nobody has to call for that.
bool rb_snapshot_probe_is_due(const struct rb_view_cell *host);

// The state to show: the forced one where somebody has forced it. An open breaker whose open time is over is half-open:
// the breaker itself changes its state only with the next call, which may never come.
enum rb_breaker_state rb_snapshot_state(const struct rb_view_cell *host);

// The calls of a policy, however made and ended, and the attempts after the first of each.
uint64_t rb_snapshot_calls(const struct rb_view_policy *policy);
uint64_t rb_snapshot_retries(const struct rb_view_policy *policy);

// The calls of a policy that ended so, by whatever way they were made.
uint64_t rb_snapshot_ended(const struct rb_view_policy *policy, enum rb_result result);

// The same of all policies together.
uint64_t rb_snapshot_ended_all(const struct rb_snapshot *snapshot, enum rb_result result);

// The name of the program that a process runs, "?" where it cannot be known.
const char *rb_snapshot_program(int pid, char out[RB_PROGRAM_NAME_SIZE]);

#endif
