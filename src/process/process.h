// SPDX-License-Identifier: MIT
// The data of this process: whether the library acts here, the policy in force, and the destination of events.
//
// When the library is loaded, it only copies data that the program may change later (process/start.h). The first call
// that a policy could concern reads the policy. A hook may run before the library's constructor, or without it. A call
// in another thread waits until the policy is read; a call in a signal handler of the same thread passes through.
#ifndef RB_PROCESS_PROCESS_H
#define RB_PROCESS_PROCESS_H

#include "policy/policy.h"
#include "process/log.h"
#include "process/summary.h"
#include "real/sandbox.h"
#include "state/shared.h"

enum rb_process_state {
    RB_PROCESS_NEW,    // the constructor has not run
    RB_PROCESS_LOADED, // the environment is copied; the policy is not read yet
    RB_PROCESS_BUSY,   // a thread is doing one of these two steps
    RB_PROCESS_READY,  // there is a policy file, valid or not: the library acts
    RB_PROCESS_OFF     // there is no policy file, or REBOUND_DISABLE is set
};

extern _Atomic int rb_process_state;

// Copies the data that the program may change later. Called by the library's constructor. Reads no file and maps no
// memory.
void rb_process_load(void);

// Finds and reads the policy if no thread has done so, or waits for the thread that does; the slow path of
// rb_process_active. Keeps errno and allocates nothing. Calls no function that another preloaded library could
// interpose, except for the date of a log line.
bool rb_process_init(void);

// Returns true until it is known whether there is a policy, or whether one can still be read.
static inline bool rb_process_is_undecided(void)
{
    return atomic_load_explicit(&rb_process_state, memory_order_acquire) <= RB_PROCESS_BUSY &&
           !rb_sandbox_is_filtered();
}

// Returns true if the library acts in this process; false: pass every call through. A program with a seccomp filter of
// its own gets false (real/sandbox.h). Costs two loads, except for the first call.
static inline bool rb_process_active(void)
{
    int state = atomic_load_explicit(&rb_process_state, memory_order_acquire);
    return !rb_sandbox_is_filtered() && (state == RB_PROCESS_READY || (state <= RB_PROCESS_BUSY && rb_process_init()));
}

// Returns true if it is known that the library does not act in this process from now on. Does not start the
// initialisation. Costs two loads.
static inline bool rb_process_is_off(void)
{
    return atomic_load_explicit(&rb_process_state, memory_order_acquire) == RB_PROCESS_OFF || rb_sandbox_is_filtered();
}

// Returns the policy in force; NULL if there is none, or if it excludes this program. Checks the file at most once a
// second.
const struct rb_policy *rb_process_policy(void);

// Returns the section for a target, if it acts on this kind of call and was not switched off; else NULL.
//   kind: one of RB_INTERCEPT_*
static inline const struct rb_section *rb_process_match(const struct rb_policy *policy, const struct rb_target *target,
                                                        uint32_t kind)
{
    const struct rb_section *section = rb_policy_match(policy, target, NULL);
    bool ours = section && (section->rules.intercept & kind) && !rb_shared_policy_is_off(section->name);
    return ours ? section : NULL;
}

// Counts an event for `rebound run --summary` and in the state, and writes it to the log that the policy names.
//   call: the call of the event
void rb_process_event(const struct rb_event *event, const struct rb_call *call);

// As rb_process_event, for a decision after an attempt of the call: fills in the event's host and attempt. The host is
// valid during the call only.
void rb_process_report(struct rb_event *event, const struct rb_target *target, const struct rb_call *call);

// Counts a call that succeeded at once (rb_record_success). Reports the wait for the host to start, if there was one.
void rb_process_success(const struct rb_call *call, const char *policy, enum rb_api api,
                        const struct rb_target *target);

// Reports the wait for the host to start, if there was one. For a connect whose success is counted later.
void rb_process_started(const struct rb_call *call, const char *policy, enum rb_api api,
                        const struct rb_target *target);

// Counts a call of a matched host for the summary.
void rb_process_count_call(const char *policy);

// Adds 1 to a counter of a host for `rebound run --summary`. Does nothing without a summary. Async-signal-safe, as is
// rb_process_begin_wait.
//   counter: RB_SUMMARY_WAY and the others in process/summary.h
void rb_process_count_host(const struct rb_target *target, unsigned counter);

// The call waits for its host to start: notes this for the summary.
void rb_process_begin_wait(const struct rb_target *target, const struct rb_call *call);

// Returns the executable's name, "?" if it is unknown.
const char *rb_process_program(void);

// Call before the process changes its users or its root directory. If a process of root thereby loses its log, one line
// in the log says so while the process can still write it. Afterwards the loss might stay unnoticed, because the state
// may be out of reach as well.
//   real, effective, saved: as for setresuid(2); UINT32_MAX means unchanged
//   directory: as for chroot(2)
void rb_process_before_users(uint32_t real, uint32_t effective, uint32_t saved);
void rb_process_before_root(const char *directory);

// Call before the program installs a restriction on itself. Reads the policy if no call has read it, and writes a line
// to the log while the process can still write it.
//   next: RB_SANDBOX_LANDLOCK or RB_SANDBOX_SECCOMP
// For Landlock also attaches the state, so that no file need be opened later.
void rb_process_before_sandbox(enum rb_sandbox_state next);

// Call after the state has become RB_SANDBOX_SECCOMP, before the filter takes effect: gives up what would need a system
// call later. The state file is replaced by private memory, and the program's own action for SIGBUS is installed.
void rb_process_enter_filter(void);

// Call if the kernel has refused the restriction, after the state of the sandbox was restored. Writes a line to the
// log. The library acts as before.
void rb_process_leave_sandbox(void);

// Call at the end of the process, even if it made no call: waits until `rebound run --summary` has printed its lines.
void rb_process_end(void);

#endif
