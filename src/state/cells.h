// SPDX-License-Identifier: MIT
// One cell per host (or per policy): the circuit breaker, the retry budget and the rest that its calls share, in the
// state of this process (state/shared.h).
#ifndef RB_STATE_CELLS_H
#define RB_STATE_CELLS_H

#include "policy/policy.h"
#include "state/layout.h"

// The key of a target under a section: by host and port, or by the section alone where breaker.scope is policy; and by
// the calling thread's network namespace, in which the address has its meaning, unless the target is a Unix socket.
// Never 0. A name wins over an address; case and a final dot do not matter.
//   via: by what way the target is reached (curl/via.h), 0: directly
uint64_t rb_cell_key(const struct rb_section *section, const struct rb_target *target, uint64_t via);

// The cell for a key, made on first use. A full neighbourhood gives up its least recently used closed cell, never one
// that is open or forced; NULL when there is none, and without a state: the call then goes on without breaker and
// budget. Lock-free, async-signal-safe.
//   policy: name of the section; target: whom the key is of. For the cell's names
struct rb_cell *rb_cell_get(uint64_t key, const char *policy, const struct rb_rules *rules,
                            const struct rb_target *target, uint64_t now_ms);

// The same in a given state, for commands and tests.
struct rb_cell *rb_cell_in(const struct rb_state *state, uint64_t key, const char *policy, const struct rb_rules *rules,
                           const struct rb_target *target, uint64_t now_ms);

// How this process would ask the breaker of the cell `key` for a permit of its own: by its latest result there.
enum rb_ask rb_cell_ask(uint64_t key, uint64_t now_ms);

// Begins a call on a cell (NULL: none): breaker, budget and not-before of it, as far as the rules want them. The caller
// adds the credential where it has one.
//   total_ms: as for rb_call_begin
void rb_cell_begin(struct rb_cell *cell, struct rb_call *call, const struct rb_rules *rules, uint64_t total_ms,
                   uint64_t now_ms);

#endif
