// SPDX-License-Identifier: MIT
// Detects that this process tries many dead targets in turn, as a port scan or a list of candidates does. Kept in the
// process's own memory.
//
// Retries are for a target that should exist. A process that has tried RB_SWEEP_TARGETS distinct targets within
// RB_SWEEP_MS, all of which refused, does not know which of its targets exist. Each further target would cost a whole
// schedule of delays. So its further first contacts get no retries.
#ifndef RB_ENGINE_SWEEP_H
#define RB_ENGINE_SWEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RB_SWEEP_TARGETS = 8, RB_SWEEP_MS = 10000 };

// The latest targets that refused. Valid when zeroed. A concurrent update by another thread may be lost; then one more
// target is retried.
struct rb_sweep {
    _Atomic uint64_t refused[RB_SWEEP_TARGETS]; // as in engine/stamp.h; 0: free
};

// Records that the target `key` refused. Async-signal-safe, as are the others.
//   key: of the target's cell, not 0
void rb_sweep_refused(struct rb_sweep *sweep, uint64_t key, uint64_t now_ms);

// Records that a target accepted: earlier refusals no longer count. Costs one load if there are none.
void rb_sweep_accepted(struct rb_sweep *sweep);

// Returns whether a first contact with the target `key` gets no retries. False for a target that is recorded itself:
// the process tries it again.
bool rb_sweep_is_on(const struct rb_sweep *sweep, uint64_t key, uint64_t now_ms);

#endif
