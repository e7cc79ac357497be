// SPDX-License-Identifier: MIT
// The names in a state: which host and policy a cell is of, which policy a row of counters.
//
// They are for people and commands. A name is written after its place was claimed and carries a checksum: who reads one
// that is not yet there, or torn, or random, is told that there is none.
#ifndef RB_STATE_NAMES_H
#define RB_STATE_NAMES_H

#include <stdbool.h>

#include "state/layout.h"

// Writes the names of a cell that holds `key`. Several processes may do so at once: they write the same.
void rb_names_write_cell(struct rb_cell *cell, uint64_t key, const char *policy, const char *host);

// Reads them; buffers of RB_STATE_POLICY_SIZE and RB_STATE_HOST_SIZE bytes. False: free, or no names that make sense.
bool rb_names_read_cell(const struct rb_cell *cell, char *policy, char *host);

// The place of a policy, made on first use; NULL when all are taken. Lock-free, async-signal-safe.
struct rb_state_policy *rb_names_claim_policy(const struct rb_state *state, const char *name);

// The place of a policy if it has one; else NULL.
struct rb_state_policy *rb_names_find_policy(const struct rb_state *state, const char *name);

// Reads its name, RB_STATE_POLICY_SIZE bytes. False: free, or none that makes sense.
bool rb_names_read_policy(const struct rb_state_policy *policy, char *name);

#endif
