// SPDX-License-Identifier: MIT
// The ring of the latest decisions of all processes, readable after a crash.
//
// A writer takes a number, which determines its place, and writes without waiting. Each entry carries a checksum of its
// number and words. If a writer dies in the middle, or a faster writer uses the same place, the checksum is wrong and
// readers skip the entry.
#ifndef RB_STATE_RING_H
#define RB_STATE_RING_H

#include <stdbool.h>

#include "state/layout.h"

// One entry, RB_STATE_EVENT_WORDS words. Texts are padded with zeros.
struct rb_ring_entry {
    uint64_t unix_ms;
    uint64_t process; // as in the table of processes
    union {
        uint64_t delay_ms;
        uint64_t user; // with RB_VERDICT_LOG
    };
    uint8_t verdict, api, cause, reason; // enum rb_verdict, rb_api, rb_cause, rb_reason
    uint16_t status;                     // with RB_VERDICT_LOG: enum rb_loss, and `host` is the log's destination
    uint16_t attempt;
    char policy[RB_STATE_POLICY_SIZE];
    char host[RB_STATE_HOST_SIZE];
    char program[RB_STATE_PROGRAM_SIZE];
};

// Adds an entry. Lock-free, async-signal-safe.
void rb_ring_put(const struct rb_state *state, const struct rb_ring_entry *entry);

// Copies the entry with this number. Returns false if it is overwritten, incomplete or invalid. The texts of a copied
// entry are terminated and printable.
bool rb_ring_get(const struct rb_state *state, uint64_t number, struct rb_ring_entry *entry);

#endif
