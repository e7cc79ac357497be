// SPDX-License-Identifier: MIT
// A circuit breaker on a fixed-size struct of atomics: no pointers, no locks, valid when zeroed, fit for shared memory.
//
// Every transition is one compare-and-swap of `state`, which carries the state, a generation and the end of the open
// time. A result carries the generation under which it was admitted and is dropped when that has passed. The window is
// tagged with the generation, so a new one starts empty, whoever died where. Closing also clears it, before the state
// changes: a place that was claimed and never filled must hold no failure from before.
//
// Times are kept in 40 bits: clock readings have to stay below 2^40 ms (34 years), as those since boot do.
#ifndef RB_ENGINE_BREAKER_H
#define RB_ENGINE_BREAKER_H

#include <stdatomic.h>

#include "engine/classify.h"
#include "engine/rules.h"

enum rb_breaker_state { RB_BREAKER_CLOSED, RB_BREAKER_OPEN, RB_BREAKER_HALF_OPEN };

struct rb_breaker {
    _Atomic uint64_t state; // packed: state, generation, times reopened, open until (ms)
    _Atomic uint64_t head;  // packed: generation, outcomes recorded in it
    union {
        struct {
            _Atomic uint64_t failed[RB_BREAKER_MAX_CALLS / 64]; // ring of bits
            _Atomic uint64_t slow[RB_BREAKER_MAX_CALLS / 64];
        } calls;
        _Atomic uint64_t seconds[RB_BREAKER_MAX_SECONDS + 4]; // packed: tag of second and generation, three counts
    } window;
    _Atomic uint64_t probe[RB_BREAKER_MAX_PROBES]; // packed: generation, kind, lease deadline (ms)
};

// A permit for one attempt, by value. `generation` 0 with `held` false: none.
struct rb_permit {
    bool held;
    bool half_open;
    uint32_t generation;
    uint32_t slot;  // half-open only
    uint64_t lease; // half-open only: the exact word of the slot
};

enum rb_recorded { RB_RECORDED, RB_RECORD_IGNORED, RB_RECORD_STALE, RB_RECORD_EXPIRED };

// Asks for a permit. Half-opens an open breaker whose time has come.
//   now_ms: a monotonic clock in milliseconds, below 2^40, the same for all users of this breaker
//   permit: filled in; `held` tells the result
//   retry_in_ms: may be NULL; on refusal the time until asking again can succeed
// Returns true when the attempt may be made. Costs one load when closed.
bool rb_breaker_acquire(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                        struct rb_permit *permit, uint64_t *retry_in_ms);

// Gives the permit back with the attempt's result and looks at the rates.
//   took_ms: how long the attempt took; longer than slow_call_ms is slow
//   draw: uniform random; the open time is lengthened by up to 10 % of itself: open + open * 0.1 * draw / 2^32
// Returns RB_RECORDED; RB_RECORD_IGNORED for a health that does not count here, or a permit that is not held;
// RB_RECORD_STALE for a result of an earlier generation; RB_RECORD_EXPIRED when the lease was taken over. The last
// three change nothing, but that an ignored probe gives its slot back. The permit is no longer held afterwards.
enum rb_recorded rb_breaker_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                   struct rb_permit *permit, enum rb_health health, uint64_t took_ms, uint64_t now_ms,
                                   uint32_t draw);

// The state at `now_ms` as stored (an open breaker whose time has come is still OPEN until somebody asks).
// until_ms may be NULL; for OPEN it receives the end of the open time.
enum rb_breaker_state rb_breaker_peek(const struct rb_breaker *breaker, uint64_t *until_ms);

// "closed", "open", "half-open"; never NULL.
const char *rb_breaker_state_name(enum rb_breaker_state state);

#endif
