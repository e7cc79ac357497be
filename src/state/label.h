// SPDX-License-Identifier: MIT
// Names in the state: host and policy of a cell, and the policy of a row of counters.
//
// Names are for display only. A name is written after its place is claimed, and carries a checksum. A reader of a
// missing, torn or random name gets none.
#ifndef RB_STATE_LABEL_H
#define RB_STATE_LABEL_H

#include <stdbool.h>

#include "state/layout.h"

// Writes the names of a cell that holds `key`. Several processes may do so at once, because they write the same names.
void rb_label_write_cell(struct rb_cell *cell, uint64_t key, const char *policy, const char *host);

// Reads the names of a cell into buffers of RB_STATE_POLICY_SIZE and RB_STATE_HOST_SIZE bytes. Returns false if the
// cell is free or has no valid names.
bool rb_label_read_cell(const struct rb_cell *cell, char *policy, char *host);

// Returns the place of a policy and claims it on first use; NULL if all are taken. Lock-free, async-signal-safe.
struct rb_state_policy *rb_label_claim_policy(const struct rb_state *state, const char *name);

// Returns the place of a policy, or NULL if it has none.
struct rb_state_policy *rb_label_find_policy(const struct rb_state *state, const char *name);

// Reads the name of a policy's place, RB_STATE_POLICY_SIZE bytes. Returns false if the place is free or has no valid
// name.
bool rb_label_read_policy(const struct rb_state_policy *policy, char *name);

#endif
