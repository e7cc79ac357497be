// SPDX-License-Identifier: MIT
// Writes and reads entries of the ring.
#include "state/ring.h"

#include <assert.h>

static_assert(sizeof(struct rb_ring_entry) == 8 * RB_STATE_EVENT_WORDS, "one layout for all processes");

// A stored number further ahead than this is damaged, and its place counts as free.
enum { AHEAD_MAX = 1 << 30 };

static struct rb_state_event *ring_place(const struct rb_state *state, uint64_t number)
{
    return &state->events[number % RB_STATE_EVENTS];
}

// Claims the place for `number`. A writer that is a whole round late leaves the place to the newer entry.
static bool ring_claim(struct rb_state_event *place, uint64_t number)
{
    uint64_t there = atomic_load_explicit(&place->number, memory_order_relaxed);
    do {
        if (there >= number && there - number < AHEAD_MAX)
            return false;
    } while (!atomic_compare_exchange_weak(&place->number, &there, number));
    return true;
}

void rb_ring_put(const struct rb_state *state, const struct rb_ring_entry *entry)
{
    uint64_t number = atomic_fetch_add(&state->header->event_next, 1) + 1;
    struct rb_state_event *place = ring_place(state, number);
    if (!ring_claim(place, number)) {
        atomic_fetch_add_explicit(&state->header->event_lost, 1, memory_order_relaxed);
        return;
    }
    rb_state_store(place->words, RB_STATE_EVENT_WORDS, entry);
    atomic_store_explicit(&place->check, rb_state_checksum(number, entry, RB_STATE_EVENT_WORDS), memory_order_release);
}

bool rb_ring_get(const struct rb_state *state, uint64_t number, struct rb_ring_entry *entry)
{
    const struct rb_state_event *place = ring_place(state, number);
    if (atomic_load_explicit(&place->number, memory_order_acquire) != number)
        return false;
    uint64_t check = atomic_load_explicit(&place->check, memory_order_acquire);
    rb_state_load(place->words, RB_STATE_EVENT_WORDS, entry);
    return rb_state_checksum(number, entry, RB_STATE_EVENT_WORDS) == check &&
           rb_state_is_terminated(entry->method, sizeof(entry->method)) &&
           rb_state_is_terminated(entry->path, sizeof(entry->path)) &&
           rb_state_is_terminated(entry->policy, sizeof(entry->policy)) &&
           rb_state_is_terminated(entry->host, sizeof(entry->host)) &&
           rb_state_is_terminated(entry->program, sizeof(entry->program));
}
