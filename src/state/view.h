// SPDX-License-Identifier: MIT
// Looking into a state file, and the controls in it: for commands, beside the processes that use it.
//
// A view is opened by path and never creates the file. Whatever the file holds, reading it ends and stays inside the
// mapping; what was being written, or makes no sense, is left out. Numbers are those of one moment each, not of the
// same moment for all. A file that is cut short while it is open reads as zeros from then on.
#ifndef RB_STATE_VIEW_H
#define RB_STATE_VIEW_H

#include "engine/event.h"
#include "state/store.h"

struct rb_view {
    struct rb_state state;
    bool writable;
};

// Maps the file at `path`, read-only unless `writable`. On any error nothing is mapped.
//   path: by rb_store_path
//   owner: the user whose file it has to be
enum rb_store_error rb_view_open(struct rb_view *view, const char *path, uid_t owner, bool writable);
void rb_view_close(struct rb_view *view);

// ---- cells ----

struct rb_view_holder {
    int pid;
    uint64_t start_ticks;   // as in /proc/PID/stat, field 22, modulo 2^26: tells a later process with this pid apart
    uint64_t lease_left_ms; // 0: over
};

// Calls that ended, since the state was made or reset. Each number only grows, but for a host that lost its cell.
struct rb_view_calls {
    uint64_t calls, attempts;
    uint64_t failures; // calls whose failure was handed to the program
    uint64_t rejected; // calls that the breaker refused
};

// One host. Rates are in hundredths of a percent (5000 = 50 %).
struct rb_view_cell {
    char policy[RB_STATE_POLICY_SIZE];
    char host[RB_STATE_HOST_SIZE]; // "" for a breaker of the whole policy
    enum rb_breaker_state state;
    enum rb_breaker_force forced; // not RB_FORCE_NONE: `state` does not count
    bool refuses;                 // not closed: it refuses the program's own attempts, too, and not only retries
    uint32_t generation;
    uint32_t reopened;            // failed half-open periods in a row
    uint64_t next_probe_in_ms;    // open: until the next attempt is let through; 0: now
    uint64_t calls, failed, slow; // in the window
    uint32_t failure_rate, slow_rate;
    struct rb_breaker_rules rules; // window, time_window, min_calls, rates, probes, quorum, refuse; the rest is 0
    unsigned holder_count;
    struct rb_view_holder holders[RB_BREAKER_MAX_PROBES];
    uint64_t budget_milli;      // retries that may be made at once, in thousandths
    uint64_t not_before_in_ms;  // Retry-After: no call before that; 0: none
    uint32_t not_before_queued; // calls that were given a place behind it
    struct rb_view_calls ended;
    uint64_t used_ago_ms;
};

// Reads the cell `index`, 0 to view->state.cell_count - 1. Returns false for a free one.
//   now_ms: rb_system_now_ms()
bool rb_view_cell(const struct rb_view *view, uint32_t index, uint64_t now_ms, struct rb_view_cell *cell);

// ---- policies and their counters ----

struct rb_view_policy {
    char name[RB_STATE_POLICY_SIZE];
    bool off;
    uint64_t values[RB_COUNTER_COUNT]; // by enum rb_counter, all processes together
    struct rb_view_calls rest;         // of these, the calls of hosts that have no cell, or have lost it
};

// Reads the policy `index`, 0 to RB_STATE_POLICIES - 1. Returns false for a free place.
bool rb_view_policy(const struct rb_view *view, unsigned index, struct rb_view_policy *policy);

// ---- events ----

struct rb_view_event {
    uint64_t number; // counts from 1; a gap is an event that was lost or is being written
    uint64_t unix_ms;
    int pid;
    enum rb_verdict verdict;
    enum rb_api api;
    enum rb_cause cause;
    enum rb_reason reason;
    unsigned status, attempt;
    uint64_t delay_ms;
    // With RB_VERDICT_LOG these count instead, and `host` is the destination of the log.
    enum rb_sink_error log_error;
    uint32_t user;
    char policy[RB_STATE_POLICY_SIZE];
    char host[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
};

// Reads the oldest event there is after number *after, and moves *after to it. Begin with 0 for all, or with
// rb_view_event_last for those to come. Returns false when there is none (yet).
bool rb_view_event(const struct rb_view *view, uint64_t *after, struct rb_view_event *event);
uint64_t rb_view_event_last(const struct rb_view *view);

// ---- processes and totals ----

struct rb_view_process {
    int pid;
    uint64_t start_ticks; // as in /proc/PID/stat, field 22
};

// Reads the process `index`, 0 to RB_STATE_PROCESSES - 1. Returns false for a free place. One that was killed stays
// until its place is wanted: compare with /proc.
bool rb_view_process(const struct rb_view *view, unsigned index, struct rb_view_process *process);

struct rb_view_totals {
    uint64_t born_s; // seconds since 1970 when the state was made or reset
    uint64_t events, events_lost;
    uint64_t evicted, crowded, uncounted; // as in struct rb_state_header
    uint64_t reload_s;                    // the last reload of a policy; 0: none yet
    bool reload_succeeded;                // true also where there was none
    uint64_t log_lost;                    // lines that no log took
};

// The log that a process of this user cannot write.
struct rb_view_trouble {
    uint64_t unix_ms; // of the last line that was lost
    int pid;
    uint32_t user;
    enum rb_sink_error error;
    char destination[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
};

// Returns false when the last line of each log was written.
bool rb_view_trouble(const struct rb_view *view, struct rb_view_trouble *trouble);

void rb_view_totals(const struct rb_view *view, struct rb_view_totals *totals);

// ---- controls, for a writable view; running processes obey with their next call ----

// Forces the breakers of a host open or closed, or (RB_FORCE_NONE) lets go of them and closes them.
//   host: "host:port" as cells show it, or "host" for all of its ports; case and a final dot do not matter. For a
//         breaker of a whole policy the policy's name
// Returns how many breakers that were; 0: no process has used such a host.
unsigned rb_view_force(struct rb_view *view, const char *host, enum rb_breaker_force force);

// Switches a policy off (its hosts are left alone) or on again, also one that no process has used yet. Returns false
// when there is no place for its name.
bool rb_view_switch(struct rb_view *view, const char *policy, bool off);

// Forgets everything but the processes: breakers closed, budgets full, counters 0, no event, nothing forced or off.
void rb_view_reset(struct rb_view *view);

#endif
