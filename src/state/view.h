// SPDX-License-Identifier: MIT
// Reads a state file and changes its controls, for commands that run beside the processes that use it.
//
// A view is opened by path and never creates the file. Whatever the file holds, reading terminates and stays inside the
// mapping; incomplete and invalid data is left out. Numbers are not a snapshot: each is read at its own moment. A file
// that is truncated while it is open reads as zeros.
#ifndef RB_STATE_VIEW_H
#define RB_STATE_VIEW_H

#include "engine/event.h"
#include "state/store.h"

struct rb_view {
    struct rb_state state;
    bool writable;
};

// Maps the file at `path`, read-only unless `writable`. On any error nothing is mapped.
//   path: from rb_store_path
//   owner: the user whose file it has to be
enum rb_store_error rb_view_open(struct rb_view *view, const char *path, uid_t owner, bool writable);
void rb_view_close(struct rb_view *view);

// ---- cells ----

struct rb_view_holder {
    int pid;
    uint64_t start_ticks;   // as in /proc/PID/stat, field 22, modulo 2^26: distinguishes a later process with this pid
    uint64_t lease_left_ms; // 0: the lease has ended
};

// Calls that ended since the state was made or reset. Each number only grows, unless the host loses its cell.
struct rb_view_calls {
    uint64_t calls, attempts;
    uint64_t failures; // calls whose failure the program got
    uint64_t rejected; // calls that the breaker refused
};

// One host. Rates are in hundredths of a percent (5000 = 50 %).
struct rb_view_cell {
    char policy[RB_STATE_POLICY_SIZE];
    char host[RB_STATE_HOST_SIZE]; // "" for a breaker of the whole policy
    enum rb_breaker_state state;
    enum rb_breaker_force forced; // if not RB_FORCE_NONE, `state` has no effect
    bool refuses;                 // not closed, and refuses the program's own attempts, not only retries
    uint32_t generation;
    uint32_t reopened;            // failed half-open periods in a row
    uint64_t next_probe_in_ms;    // open: time until the next attempt is admitted; 0: now
    uint64_t calls, failed, slow; // in the window
    uint32_t failure_rate, slow_rate;
    struct rb_breaker_rules rules; // window, time_window, min_calls, rates, probes, quorum, refuse; the rest is 0
    unsigned holder_count;
    struct rb_view_holder holders[RB_BREAKER_MAX_PROBES];
    uint64_t budget_milli;      // retries available now, in thousandths
    uint64_t not_before_in_ms;  // Retry-After: time until the next call; 0: none
    uint32_t not_before_queued; // calls that wait for it
    struct rb_view_calls ended;
    uint64_t used_ago_ms;
};

// Reads the cell `index`, 0 to view->state.cell_count - 1. Returns false if it is free.
bool rb_view_cell(const struct rb_view *view, uint32_t index, uint64_t now_ms, struct rb_view_cell *cell);

// ---- policies and their counters ----

struct rb_view_policy {
    char name[RB_STATE_POLICY_SIZE];
    bool off;
    uint64_t values[RB_COUNTER_COUNT]; // by enum rb_counter, sums over all processes
    struct rb_view_calls rest;         // of these, calls of hosts that have no cell, or have lost it
};

// Reads the policy `index`, 0 to RB_STATE_POLICIES - 1. Returns false if the place is free.
bool rb_view_policy(const struct rb_view *view, unsigned index, struct rb_view_policy *policy);

// ---- events ----

struct rb_view_event {
    uint64_t number; // counts from 1; a missing number is an event that was lost or is being written
    uint64_t unix_ms;
    int pid;
    enum rb_verdict verdict;
    enum rb_api api;
    enum rb_cause cause;
    enum rb_reason reason;
    enum rb_way way;
    enum rb_stack stack;
    unsigned status, attempt;
    uint64_t delay_ms;
    // Only for RB_VERDICT_LOG; `host` is then the destination of the log.
    enum rb_loss log_error;
    uint32_t user;
    char policy[RB_STATE_POLICY_SIZE];
    char host[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
    char method[RB_STATE_METHOD_SIZE];
    char path[RB_STATE_PATH_SIZE];
};

// Reads the oldest event after number *after and moves *after to it. Start with 0 for all events, or with
// rb_view_event_last for new ones. Returns false if there is none yet.
bool rb_view_event(const struct rb_view *view, uint64_t *after, struct rb_view_event *event);
uint64_t rb_view_event_last(const struct rb_view *view);

// ---- processes and totals ----

struct rb_view_process {
    int pid;
    uint64_t start_ticks; // as in /proc/PID/stat, field 22
};

// Reads the process `index`, 0 to RB_STATE_PROCESSES - 1. Returns false if the place is free. A killed process stays
// until its place is needed: compare with /proc.
bool rb_view_process(const struct rb_view *view, unsigned index, struct rb_view_process *process);

struct rb_view_totals {
    uint64_t created_s; // seconds since 1970 when the state was made or reset
    uint64_t events, events_lost;
    uint64_t evicted, crowded, uncounted; // as in struct rb_state_header
    uint64_t reload_s;                    // the last reload of a policy; 0: none yet
    bool reload_succeeded;                // also true if there was no reload
    uint64_t log_lost;                    // log lines that could not be written
};

// A log that a process cannot write.
struct rb_view_trouble {
    uint64_t unix_ms; // when the last line was lost
    int pid;
    uint32_t user;
    enum rb_loss error;
    char destination[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
};

// Returns false if the last line of each log was written.
bool rb_view_trouble(const struct rb_view *view, struct rb_view_trouble *trouble);

void rb_view_totals(const struct rb_view *view, struct rb_view_totals *totals);

// ---- controls, for a writable view; running processes obey with their next call ----

// Forces the breakers of a host open or closed. RB_FORCE_NONE removes the force and closes them.
//   host: "host:port" as in struct rb_view_cell, or "host" for all its ports; case and a final dot do not matter. For
//   the breaker of a whole policy, the policy's name
// Returns the number of breakers; 0: no process has used such a host.
unsigned rb_view_force(struct rb_view *view, const char *host, enum rb_breaker_force force);

// Switches a policy off (its hosts are not covered) or on again; also a policy that no process has used yet. Returns
// false if there is no place for its name.
bool rb_view_switch(struct rb_view *view, const char *policy, bool off);

// Resets everything but the processes: breakers closed, budgets full, counters 0, no events, nothing forced or off.
void rb_view_reset(struct rb_view *view);

#endif
