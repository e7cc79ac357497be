// SPDX-License-Identifier: MIT
// The data of a breaker and of a permit. engine/breaker.h describes the states and the transitions.
#ifndef RB_ENGINE_BREAKER_DATA_H
#define RB_ENGINE_BREAKER_DATA_H

#include <stdatomic.h>

#include "engine/rules.h"

enum rb_breaker_state { RB_BREAKER_CLOSED, RB_BREAKER_OPEN, RB_BREAKER_HALF_OPEN, RB_BREAKER_STATES };

struct rb_breaker {
    _Atomic uint64_t state;    // packed: state, generation, times reopened, costly, open until (ms)
    _Atomic uint64_t counted;  // the generation up to which transitions were counted (rb_breaker_transitions)
    _Atomic uint64_t forced;   // enum rb_breaker_force; other values are RB_FORCE_NONE
    _Atomic uint64_t head;     // packed: generation, outcomes recorded in it
    _Atomic uint64_t answered; // when an attempt last succeeded (ms), to the second; 0: never
    union {
        struct {
            _Atomic uint64_t failed[RB_BREAKER_MAX_CALLS / 64]; // each a ring of bits
            _Atomic uint64_t slow[RB_BREAKER_MAX_CALLS / 64];
            _Atomic uint64_t instant[RB_BREAKER_MAX_CALLS / 64];
        } calls;
        // Packed: tag of second and generation, whether the second has an instant failure, three counts.
        _Atomic uint64_t seconds[RB_BREAKER_MAX_SECONDS + 4];
    } window;
    _Atomic uint64_t probe[RB_BREAKER_MAX_PROBES]; // packed: generation, kind, lease deadline (ms)
    _Atomic uint64_t
        holder[RB_BREAKER_MAX_PROBES]; // for `rebound status`: packed pid and start time of the lease's process
    _Atomic uint64_t blame[RB_BREAKER_MAX_QUORUM]; // packed: generation, process that saw a failure, moment
};

enum rb_permit_kind {
    RB_PERMIT_NONE,   // no permit is held
    RB_PERMIT_CLOSED, // given by a closed breaker: the result goes into the window
    RB_PERMIT_PROBE,  // given by a half-open breaker: the result decides
    RB_PERMIT_PASSED  // an open or half-open breaker admitted the program's own attempt: only a success counts
};

// A permit for one attempt, by value.
struct rb_permit {
    enum rb_permit_kind kind;
    uint32_t generation;
    uint32_t slot;  // PROBE only
    uint64_t lease; // PROBE only: the word in the slot while the lease is held
};

#endif
