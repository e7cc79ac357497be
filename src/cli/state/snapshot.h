// SPDX-License-Identifier: MIT
// A copy of a state file at one moment, for status, top and metrics.
#ifndef RB_CLI_STATE_SNAPSHOT_H
#define RB_CLI_STATE_SNAPSHOT_H

#include "cli/state/state_file.h"

enum { RB_PROGRAM_NAME_SIZE = 256 }; // with the terminating NUL

enum rb_order { RB_ORDER_STATE, RB_ORDER_FAILURES, RB_ORDER_HOST, RB_ORDERS };

struct rb_snapshot {
    struct rb_view_cell *hosts; // in the requested order
    unsigned host_count;
    unsigned in_state[RB_BREAKER_STATES]; // number of hosts by state
    struct rb_view_policy policies[RB_STATE_POLICIES];
    unsigned policy_count;
    struct rb_view_process processes[RB_STATE_PROCESSES]; // living processes
    unsigned process_count;
    struct rb_view_totals totals;
    bool log_in_trouble;
    struct rb_view_trouble log; // valid if log_in_trouble
};

// Reads the file; a file that does not exist gives an empty snapshot. Returns NULL without memory. Free it with
// rb_snapshot_free.
struct rb_snapshot *rb_snapshot_take(const struct rb_state_file *file, enum rb_order order);
void rb_snapshot_free(struct rb_snapshot *snapshot);

// True if the next call would be a probe: the open time is over, or the breaker is half-open and no probe is running.
// No call has to happen for this.
bool rb_snapshot_probe_is_due(const struct rb_view_cell *host);

// The state to show. A forced state has priority. An open breaker whose open time is over is shown as half-open,
// because the breaker changes its state only with the next call.
enum rb_breaker_state rb_snapshot_state(const struct rb_view_cell *host);

// The number of calls of a policy, and the number of their retries.
uint64_t rb_snapshot_calls(const struct rb_view_policy *policy);
uint64_t rb_snapshot_retries(const struct rb_view_policy *policy);

// The number of a policy's calls with this result, of all kinds of calls.
uint64_t rb_snapshot_ended(const struct rb_view_policy *policy, enum rb_result result);

// The same for all policies together.
uint64_t rb_snapshot_ended_all(const struct rb_snapshot *snapshot, enum rb_result result);

// The name of a process's executable file, as in the log; "?" if it is unknown.
const char *rb_snapshot_program(int pid, char out[RB_PROGRAM_NAME_SIZE]);

#endif
