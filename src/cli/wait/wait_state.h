// SPDX-License-Identifier: MIT
// The data of a wait: its targets and what the tests of each have found.
#ifndef RB_CLI_WAIT_WAIT_STATE_H
#define RB_CLI_WAIT_WAIT_STATE_H

#include <pthread.h>

#include "cli/wait/readiness.h"

struct rb_wait_target {
    struct rb_awaited awaited;
    struct rb_wait_state *state;
    pthread_t thread;
    rb_readiness_step step; // what the current test is waiting for
    // With the lock held:
    bool ready;
    uint64_t waited_ms;                    // end of the latest test, since the beginning of the wait
    char reason[RB_READINESS_REASON_SIZE]; // of the latest test that failed; empty if none did
};

enum { RB_WAIT_TARGETS_MAX = 64 };

struct rb_wait_state {
    struct rb_wait_target targets[RB_WAIT_TARGETS_MAX];
    unsigned count;
    uint64_t limit_ms; // 0: none
    uint64_t started_ms;
    uint64_t waited_ms; // when the wait was over, since the beginning
    pthread_mutex_t lock;
    pthread_cond_t changed; // a target became ready; its times are of CLOCK_MONOTONIC
    unsigned pending;       // with the lock held: how many targets are not ready
    bool over;              // with the lock held: the results of the targets no longer change
};

// Returns the state for the only wait of this process. The caller fills in `awaited` of each target. The state is
// static, because a thread can use it until the process exits or executes a program.
//   count: at most RB_WAIT_TARGETS_MAX
struct rb_wait_state *rb_wait_state_begin(unsigned count, uint64_t limit_ms);

// Returns why the target is not ready: `reason`, or what its first test is waiting for. With the lock held, or after
// the wait is over.
const char *rb_wait_state_reason(const struct rb_wait_target *target);

#endif
