// SPDX-License-Identifier: MIT
// Whether this process tries many dead targets in turn, as a port scan or a list of candidates does. Kept in the
// process's own memory.
//
// Retries are for a target that should be there. A process that has met RB_SWEEP_TARGETS distinct targets which refuse,
// within RB_SWEEP_MS, and none that accepts, does not know which of its targets should be there. Each further target
// would cost it a whole schedule of waits. So its further first contacts get no retries.
#ifndef RB_ENGINE_SWEEP_H
#define RB_ENGINE_SWEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RB_SWEEP_TARGETS = 8, RB_SWEEP_MS = 10000 };

// The latest targets that refused. Valid when zeroed: none. An update that meets another thread's may be lost; then a
// target more is retried.
struct rb_sweep {
    _Atomic uint64_t refused[RB_SWEEP_TARGETS]; // packed: 24 bits of the target's key, time (ms) 40 bits; 0: free
};

// Notes that the target `key` refused. Async-signal-safe, as are the others.
//   key: of the target's cell, not 0
void rb_sweep_refused(struct rb_sweep *sweep, uint64_t key, uint64_t now_ms);

// Notes that a target accepted: nothing that refused before counts any more. Costs one load when there is nothing.
void rb_sweep_accepted(struct rb_sweep *sweep);

// Whether a first contact with the target `key` gets no retries. False for a target that is noted itself: the process
// comes back to it.
bool rb_sweep_is_on(const struct rb_sweep *sweep, uint64_t key, uint64_t now_ms);

#endif
