// SPDX-License-Identifier: MIT
// The threads that test the targets, and the deadline.
//
// A name lookup can take longer than the deadline and cannot be interrupted. So each target has a thread, and the main
// thread watches the time. The main thread executes the program later: exec(2) ends all other threads.
#include "cli/wait/waiting.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/wait/progress.h"
#include "real/system.h"

enum { STACK_SIZE = 1024 * 1024 }; // of a thread; getaddrinfo can load modules of other projects

static uint64_t deadline_of(const struct rb_wait_state *state)
{
    return state->limit_ms > 0 ? state->started_ms + state->limit_ms : UINT64_MAX;
}

// --- the thread of a target

static void record_test(struct rb_wait_target *target, bool ready, const char *reason)
{
    struct rb_wait_state *state = target->state;
    pthread_mutex_lock(&state->lock);
    if (!state->over) {
        target->ready = ready;
        state->pending -= ready;
        target->waited_ms = rb_system_now_ms() - state->started_ms;
        if (!ready)
            memcpy(target->reason, reason, RB_READINESS_REASON_SIZE);
        pthread_cond_signal(&state->changed);
    }
    pthread_mutex_unlock(&state->lock);
}

static void *test_until_ready(void *argument)
{
    struct rb_wait_target *target = argument;
    char reason[RB_READINESS_REASON_SIZE] = "";
    uint64_t deadline_ms = deadline_of(target->state);
    bool ready = false;
    for (uint64_t now_ms = rb_system_now_ms(); !ready && now_ms < deadline_ms; now_ms = rb_system_now_ms()) {
        ready = rb_readiness_test(&target->awaited, deadline_ms, &target->step, reason);
        record_test(target, ready, reason);
        uint64_t took_ms = rb_system_now_ms() - now_ms;
        if (!ready && took_ms < RB_WAITING_INTERVAL_MS)
            rb_system_sleep(RB_WAITING_INTERVAL_MS - took_ms);
    }
    return NULL;
}

// --- signals

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
enum { ENDING = sizeof(ending) / sizeof(ending[0]) };

static struct rb_progress *on_terminal; // for the handler

// Removes the line from the terminal. Then the default action of the signal ends the process. Init has no default
// action, so this function ends it.
static void end_by_signal(int number)
{
    if (on_terminal)
        rb_progress_end(on_terminal);
    if (getpid() == 1)
        _exit(128 + number);
    signal(number, SIG_DFL);
    raise(number); // takes effect when the handler returns
}

// --- the main thread

// Starts the threads with all signals blocked, so that the main thread handles each signal.
static int start_threads(struct rb_wait_state *state)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return -EAGAIN;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < state->count && error == 0; i++)
        error = pthread_create(&state->targets[i].thread, &attributes, test_until_ready, &state->targets[i]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0 ? 0 : -EAGAIN;
}

// Waits for a change, at most `ms` milliseconds. The lock is released during the wait.
static void wait_for_change_locked(struct rb_wait_state *state, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t) (ms / 1000);
    until.tv_nsec += (long) (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&state->changed, &state->lock, &until);
}

// Returns 0 when all targets are ready, or -ETIMEDOUT.
static int watch_targets_locked(struct rb_wait_state *state, struct rb_progress *progress)
{
    uint64_t deadline_ms = deadline_of(state), next_ms = state->started_ms + 1000;
    while (state->pending > 0) {
        uint64_t now_ms = rb_system_now_ms();
        if (now_ms >= deadline_ms)
            return -ETIMEDOUT;
        if (now_ms >= next_ms) {
            uint64_t seconds = (now_ms - state->started_ms) / 1000;
            rb_progress_show(progress, state, seconds);
            next_ms = state->started_ms + (seconds + 1) * 1000;
        }
        wait_for_change_locked(state, (next_ms < deadline_ms ? next_ms : deadline_ms) - now_ms);
    }
    return 0;
}

static int watch_targets(struct rb_wait_state *state)
{
    struct rb_progress progress = rb_progress_begin();
    on_terminal = &progress;
    pthread_mutex_lock(&state->lock);
    int error = watch_targets_locked(state, &progress);
    state->over = true;
    state->waited_ms = rb_system_now_ms() - state->started_ms;
    pthread_mutex_unlock(&state->lock);
    rb_progress_end(&progress);
    on_terminal = NULL;
    if (error == 0)
        rb_progress_report_ready(state);
    else
        rb_progress_report_timeout(state);
    return error;
}

int rb_waiting_perform(struct rb_wait_state *state)
{
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};
    struct sigaction actions[ENDING], handler = {.sa_handler = end_by_signal};
    state->started_ms = rb_system_now_ms();
    for (unsigned i = 0; i < ENDING; i++)
        if (sigaction(ending[i], NULL, &actions[i]) == 0 && actions[i].sa_handler == SIG_DFL)
            sigaction(ending[i], &handler, NULL);
    sigaction(SIGPIPE, &ignore, &before);
    int error = start_threads(state);
    if (error == 0)
        error = watch_targets(state);
    for (unsigned i = 0; i < state->count && error != -EAGAIN; i++)
        error == 0 ? pthread_join(state->targets[i].thread, NULL) : pthread_detach(state->targets[i].thread);
    sigaction(SIGPIPE, &before, NULL);
    for (unsigned i = 0; i < ENDING; i++)
        sigaction(ending[i], &actions[i], NULL);
    return error;
}
