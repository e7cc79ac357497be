// SPDX-License-Identifier: MIT
// The cells: one per host (or per policy), with the circuit breaker, the retry budget and other data that its calls
// share. They lie in the state of this process (state/shared.h).
#ifndef RB_STATE_CELLS_H
#define RB_STATE_CELLS_H

#include "policy/policy.h"
#include "state/layout.h"

// Returns the key of a target's cell, never 0. The key depends on host and port, or on the section alone if
// breaker.scope is policy. It also depends on the network namespace of the calling thread, because an address names
// another host in another namespace; not so for a Unix socket. If the name is known, the address does not count. Case
// and a final dot do not matter.
//   via: the route to the target (curl/via.h); 0: direct
uint64_t rb_cell_key(const struct rb_section *section, const struct rb_target *target, uint64_t via);

// Returns a hash of the host and the port of a target, never 0, as rb_cell_key with breaker.scope = host in any
// section.
uint64_t rb_cell_host(const struct rb_target *target);

// Returns the cell for a key, and makes it on first use. If all places in reach are taken, the least recently used
// closed cell is reassigned, never one that is open or forced. Returns NULL if there is none, or no state: the call
// then continues without breaker and budget. Lock-free, async-signal-safe.
//   policy, target: name of the section and target of the key, stored in the cell for display
struct rb_cell *rb_cell_get(uint64_t key, const char *policy, const struct rb_rules *rules,
                            const struct rb_target *target, uint64_t now_ms);

// As rb_cell_get, in a given state, for commands and tests.
struct rb_cell *rb_cell_in(const struct rb_state *state, uint64_t key, const char *policy, const struct rb_rules *rules,
                           const struct rb_target *target, uint64_t now_ms);

// Returns how an attempt of this process asks the breaker of the cell `key`, by its latest result there.
enum rb_ask rb_cell_ask(uint64_t key, uint64_t now_ms);

// Begins a call with the breaker, budget and not-before time of a cell, as far as the rules use them. The cell may be
// NULL. The caller sets the credential.
void rb_cell_begin(struct rb_cell *cell, struct rb_call *call, const struct rb_rules *rules, uint64_t total_ms,
                   uint64_t now_ms);

// The same for a request on a connection whose connect was counted in the budget: the request is not counted again.
void rb_cell_continue(struct rb_cell *cell, struct rb_call *call, const struct rb_rules *rules, uint64_t total_ms,
                      uint64_t now_ms);

#endif
