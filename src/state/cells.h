// SPDX-License-Identifier: MIT
// One cell per host (or per policy): the circuit breaker and the retry budget that its calls share.
//
// A fixed table of atomics without pointers in this process's own memory: a page is touched only when a host in it is
// used.
#ifndef RB_STATE_CELLS_H
#define RB_STATE_CELLS_H

#include "engine/breaker.h"
#include "engine/budget.h"
#include "policy/policy.h"

enum { RB_CELL_COUNT = 1024 };

struct rb_cell {
    _Atomic uint64_t key;     // 0: free
    _Atomic uint64_t used_ms; // last use, for eviction
    struct rb_breaker breaker;
    struct rb_budget budget;
};

// The key of a target under a section: by host and port, or by the section alone where breaker.scope is policy. Never
// 0. A name wins over an address; case and a final dot do not matter.
uint64_t rb_cell_key(const struct rb_section *section, const struct rb_target *target);

// The cell for a key, made on first use. A full neighbourhood gives up its least recently used closed cell, never an
// open one; NULL when all are open: the call then goes on without breaker and budget. Lock-free, async-signal-safe.
struct rb_cell *rb_cell_get(uint64_t key, uint64_t now_ms);

#endif
