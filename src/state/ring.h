// SPDX-License-Identifier: MIT
// The ring of the latest decisions of all processes, readable after a crash.
//
// A writer takes the next number and writes its entry at the place `number % RB_STATE_EVENTS`. Writers never wait. Each
// entry has a checksum of its number and words. If a writer dies before it has written the whole entry, or if two
// writers write at the same place, the checksum is wrong and readers skip the entry.
#ifndef RB_STATE_RING_H
#define RB_STATE_RING_H

#include <stdbool.h>

#include "state/layout.h"

// One entry, RB_STATE_EVENT_WORDS words. Texts are padded with zeros.
struct rb_ring_entry {
    uint64_t unix_ms;
    uint64_t process; // pid and start time, packed as in `processes` of struct rb_state
    union {
        uint64_t delay_ms;
        uint64_t user; // with RB_VERDICT_LOG: the user who cannot write the log
    };
    uint8_t verdict, api, cause, reason; // enum rb_verdict, rb_api, rb_cause, rb_reason
    uint16_t status;                     // with RB_VERDICT_LOG: enum rb_loss, and `host` is the log's destination
    uint16_t attempt;
    uint8_t way, stack; // enum rb_way, rb_stack
    char method[RB_STATE_METHOD_SIZE];
    char path[RB_STATE_PATH_SIZE];
    char policy[RB_STATE_POLICY_SIZE];
    char host[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
};

// Adds an entry. If its place already has a newer entry, drops this one and counts it in header->event_lost. Lock-free,
// async-signal-safe.
void rb_ring_put(const struct rb_state *state, const struct rb_ring_entry *entry);

// Copies the entry with this number. Returns false if the entry was overwritten or dropped, is not completely written,
// or has texts that are not terminated or not printable. *entry then has no meaning.
bool rb_ring_get(const struct rb_state *state, uint64_t number, struct rb_ring_entry *entry);

#endif
