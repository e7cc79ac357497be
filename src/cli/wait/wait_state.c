// SPDX-License-Identifier: MIT
// The state of the wait of this process.
#include "cli/wait/wait_state.h"

#include <time.h>

static struct rb_wait_state the_wait;

struct rb_wait_state *rb_wait_state_begin(unsigned count, uint64_t limit_ms)
{
    pthread_condattr_t attributes;
    the_wait.count = the_wait.pending = count;
    the_wait.limit_ms = limit_ms;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&the_wait.changed, &attributes);
    pthread_mutex_init(&the_wait.lock, NULL);
    pthread_condattr_destroy(&attributes);
    for (unsigned i = 0; i < count; i++)
        the_wait.targets[i].state = &the_wait;
    return &the_wait;
}

const char *rb_wait_state_reason(const struct rb_wait_target *target)
{
    const char *step = atomic_load(&target->step);
    return *target->reason ? target->reason : step ? step : "no test has ended";
}
