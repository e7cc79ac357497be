// SPDX-License-Identifier: MIT
// Makes the state of a wait.
#include "cli/wait/wait_state.h"

#include <stdlib.h>
#include <time.h>

struct rb_wait_state *rb_wait_state_new(unsigned count, uint64_t limit_ms)
{
    pthread_condattr_t attributes;
    struct rb_wait_state *state = calloc(1, sizeof(*state));
    struct rb_wait_target *targets = calloc(count, sizeof(*targets));
    if (!state || !targets || pthread_condattr_init(&attributes) != 0) {
        free(state);
        free(targets);
        return NULL;
    }
    *state = (struct rb_wait_state){.targets = targets, .count = count, .pending = count, .limit_ms = limit_ms};
    for (unsigned i = 0; i < count; i++)
        targets[i].state = state;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&state->changed, &attributes);
    pthread_mutex_init(&state->lock, NULL);
    pthread_condattr_destroy(&attributes);
    return state;
}

const char *rb_wait_state_reason(const struct rb_wait_target *target)
{
    const char *step = atomic_load(&target->step);
    return *target->reason ? target->reason : step ? step : "no test has ended";
}
