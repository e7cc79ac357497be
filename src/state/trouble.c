// SPDX-License-Identifier: MIT
// Records lost log lines.
#include "state/trouble.h"

#include <assert.h>
#include <string.h>

#include "real/kernel.h"
#include "real/system.h"
#include "state/ring.h"
#include "state/shared.h"

static_assert(sizeof(struct rb_state_trouble) == 8 * RB_STATE_TROUBLE_WORDS, "one layout for all processes");

enum { TROUBLE_SEED = 1, TROUBLE_TOLD_MAX = 8 };

// The reasons that this process has made events of: user << 32 | error. 0: free. Some programs change their user for
// each request, so each pair is reported once.
static _Atomic uint64_t trouble_told[TROUBLE_TOLD_MAX];

static bool trouble_is_new(uint32_t user, enum rb_loss error)
{
    uint64_t word = (uint64_t) user << 32 | error;
    for (unsigned i = 0; i < TROUBLE_TOLD_MAX; i++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&trouble_told[i], &there, word))
            return true;
        if (there == word)
            return false;
    }
    return false;
}

// A line that was lost. Its two records are made by functions that are not inlined: together they need more stack.
struct trouble_line {
    uint64_t unix_ms, process;
    uint32_t user;
    enum rb_loss error;
    const char *destination, *program;
};

__attribute__((noinline)) static void trouble_put_event(const struct rb_state *state, const struct trouble_line *line)
{
    struct rb_ring_entry entry = {
        .unix_ms = line->unix_ms,
        .process = line->process,
        .user = line->user,
        .verdict = RB_VERDICT_LOG,
        .status = (uint16_t) line->error,
    };
    rb_state_pad(entry.host, sizeof(entry.host), line->destination);
    rb_state_pad(entry.program, sizeof(entry.program), line->program);
    rb_ring_put(state, &entry);
}

__attribute__((noinline)) static void trouble_store(const struct rb_state *state, const struct trouble_line *line)
{
    struct rb_state_log *log = &state->header->log;
    struct rb_state_trouble trouble = {
        .unix_ms = line->unix_ms, .process = line->process, .user = line->user, .error = line->error};
    rb_state_pad(trouble.destination, sizeof(trouble.destination), line->destination);
    rb_state_pad(trouble.program, sizeof(trouble.program), line->program);
    atomic_fetch_add_explicit(&log->lost, 1, memory_order_relaxed);
    atomic_store_explicit(&log->check, 0, memory_order_relaxed);
    rb_state_store(log->words, RB_STATE_TROUBLE_WORDS, &trouble);
    atomic_store_explicit(&log->check, rb_state_checksum(TROUBLE_SEED, &trouble, RB_STATE_TROUBLE_WORDS),
                          memory_order_release);
}

static void trouble_add(const struct rb_state *state, const char *destination, enum rb_loss error, const char *program)
{
    struct trouble_line line = {
        .unix_ms = rb_system_unix_ms(),
        .process = rb_shared_self(),
        .user = rb_kernel_euid(),
        .error = error,
        .destination = destination,
        .program = program,
    };
    trouble_store(state, &line);
    if (trouble_is_new(line.user, error))
        trouble_put_event(state, &line);
}

__attribute__((noinline)) static void trouble_end(const struct rb_state *state, const char *destination)
{
    struct rb_state_trouble there;
    char padded[RB_STATE_HOST_SIZE];
    if (atomic_load_explicit(&state->header->log.check, memory_order_relaxed) == 0 || !rb_trouble_get(state, &there))
        return;
    rb_state_pad(padded, sizeof(padded), destination);
    if (strcmp(padded, there.destination) == 0)
        atomic_store_explicit(&state->header->log.check, 0, memory_order_relaxed);
}

void rb_trouble_note(const char *destination, enum rb_loss error, const char *program)
{
    const struct rb_state *state = rb_shared_attached();
    if (!state)
        return;
    if (error == RB_LOSS_NONE)
        trouble_end(state, destination);
    else
        trouble_add(state, destination, error, program);
}

bool rb_trouble_get(const struct rb_state *state, struct rb_state_trouble *trouble)
{
    const struct rb_state_log *log = &state->header->log;
    uint64_t check = atomic_load_explicit(&log->check, memory_order_acquire);
    rb_state_load(log->words, RB_STATE_TROUBLE_WORDS, trouble);
    return check != 0 && rb_state_checksum(TROUBLE_SEED, trouble, RB_STATE_TROUBLE_WORDS) == check &&
           trouble->error != RB_LOSS_NONE && trouble->error < RB_LOSS_COUNT &&
           rb_state_is_terminated(trouble->destination, sizeof(trouble->destination)) &&
           rb_state_is_terminated(trouble->program, sizeof(trouble->program));
}
