// SPDX-License-Identifier: MIT
// What this process knows of itself: whether the library acts at all, the policy in force, where events go.
//
// When the library is loaded, only what may change later is copied (process/start.h). The first call that a policy
// could concern reads the policy. Hooks may run before the library's constructor does, or without it. A call of another
// thread that comes meanwhile waits for the policy; a call in a signal handler of the same thread passes through.
#ifndef RB_STATE_PROCESS_H
#define RB_STATE_PROCESS_H

#include "policy/policy.h"
#include "process/log.h"
#include "process/summary.h"
#include "state/shared.h"

enum rb_process_state {
    RB_PROCESS_NEW,    // nothing is known yet
    RB_PROCESS_LOADED, // the start is copied, no policy was looked for
    RB_PROCESS_BUSY,   // some thread is leaving one of the two above
    RB_PROCESS_READY,  // there is a policy file, good or bad: the library acts
    RB_PROCESS_OFF     // there is none, or REBOUND_DISABLE is set
};

extern _Atomic int rb_process_state;

// Copies what may change later. Called by the library's constructor. Reads no file and maps nothing.
void rb_process_load(void);

// Looks for the policy and reads it, when nobody has, or waits for the thread that does so; the slow path of
// rb_process_active. Keeps errno, allocates
// nothing, calls nothing that another preloaded library could stand in front of but for the date of a log line.
bool rb_process_init(void);

// True until it is known whether there is a policy.
static inline bool rb_process_is_undecided(void)
{
    return atomic_load_explicit(&rb_process_state, memory_order_acquire) <= RB_PROCESS_BUSY;
}

// True when the library acts in this process. False: pass every call through. One load, but for the first call.
static inline bool rb_process_active(void)
{
    int state = atomic_load_explicit(&rb_process_state, memory_order_acquire);
    return state == RB_PROCESS_READY || (state <= RB_PROCESS_BUSY && rb_process_init());
}

// True when it is known that the library will never act in this process. Decides nothing by itself. One load.
static inline bool rb_process_is_off(void)
{
    return atomic_load_explicit(&rb_process_state, memory_order_acquire) == RB_PROCESS_OFF;
}

// The policy in force here, or NULL: none, or it leaves this program out. Looks at the file once a second at most.
const struct rb_policy *rb_process_policy(void);

// The section of the policy for a target, when it acts on this kind of call and nobody has switched it off; else NULL.
//   kind: one of RB_INTERCEPT_*
static inline const struct rb_section *rb_process_match(const struct rb_policy *policy, const struct rb_target *target,
                                                        uint32_t kind)
{
    const struct rb_section *section = rb_policy_match(policy, target, NULL);
    bool ours = section && (section->rules.intercept & kind) && !rb_shared_policy_is_off(section->name);
    return ours ? section : NULL;
}

// Counts an outcome for `rebound run --summary` and in the state, and writes the event to the log that the policy
// names.
//   call: whose it is
void rb_process_event(const struct rb_event *event, const struct rb_call *call);

// The same for what is decided after an attempt of the call: fills in its host and attempt.
void rb_process_report(struct rb_event event, const struct rb_target *target, const struct rb_call *call);

// Counts a call of a matched host for the summary.
void rb_process_count_call(const char *policy);

// The executable's name, "?" when it cannot be known.
const char *rb_process_program(void);

// Called by a process before it changes its users or its root directory. If a process of root loses its log by that, a
// line of the log says so while the process can still write it, once. Afterwards nobody might learn of it: the state
// may be out of reach as well.
//   real, effective, saved: as for setresuid(2), UINT32_MAX for one that stays; directory: as for chroot(2)
void rb_process_before_users(uint32_t real, uint32_t effective, uint32_t saved);
void rb_process_before_root(const char *directory);

// The end of the process: lets `rebound run --summary` write its lines before the process is gone, also where no call
// came.
void rb_process_end(void);

#endif
