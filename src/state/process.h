// SPDX-License-Identifier: MIT
// What this process knows of itself: whether the library acts at all, the policy in force, where events go.
//
// Initialisation is lazy and at most once: hooks may run before the library's constructor does, or without it. A call
// that arrives while another one initialises passes through.
#ifndef RB_STATE_PROCESS_H
#define RB_STATE_PROCESS_H

#include "observe/log.h"
#include "observe/summary.h"
#include "policy/policy.h"
#include "state/shared.h"

enum rb_process_state { RB_PROCESS_NEW, RB_PROCESS_BUSY, RB_PROCESS_READY, RB_PROCESS_OFF };

extern _Atomic int rb_process_state;

// Initialises when nobody has; the slow path of rb_process_active.
bool rb_process_init(void);

// True when the library acts in this process. False: pass every call through. One load.
static inline bool rb_process_active(void)
{
    int state = atomic_load_explicit(&rb_process_state, memory_order_acquire);
    return state == RB_PROCESS_READY || (state == RB_PROCESS_NEW && rb_process_init());
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

// The end of the process: lets `rebound run --summary` write its lines before the process is gone.
void rb_process_end(void);

#endif
