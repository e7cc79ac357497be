// SPDX-License-Identifier: MIT
// A circuit breaker in a fixed-size struct of atomics: no pointers, no locks, valid when zeroed. It may lie in shared
// memory.
//
// An open breaker always stops retries. rules->refuse says whether it also refuses the program's own attempts. With
// RB_REFUSE_SLOW and RB_REFUSE_NEVER some or all of them pass, and one that succeeds closes the breaker at once:
//
//   CLOSED ----- a failed or slow attempt finds the window over a rate ----> OPEN
//   OPEN ------- the open time has ended, and an attempt asks -------------> HALF_OPEN
//   HALF_OPEN -- all probes have results, and they exceed a rate ----------> OPEN, for longer
//   HALF_OPEN -- all probes have results, and they do not -----------------> CLOSED
//   any -------- (unless ALWAYS) an attempt succeeds ----------------------> CLOSED
//
// Every transition is one compare-and-swap of `state`, which holds the state, a generation and the end of the open
// time. A result carries the generation in which its attempt was admitted. A result of an earlier generation is
// dropped, except a success while rules->refuse is not ALWAYS: the host answered just now. The window is tagged with
// the generation, so a new generation starts with an empty window even if a process dies during the transition. Closing
// also clears the window before the state changes, because a place that was claimed but never written must not hold an
// old failure.
//
// Times have 40 bits: clock readings must stay below 2^40 ms (34 years), as readings since boot do.
#ifndef RB_ENGINE_BREAKER_H
#define RB_ENGINE_BREAKER_H

#include "engine/breaker_data.h"
#include "engine/classify.h"

// A state forced by `rebound breaker`, regardless of results.
enum rb_breaker_force { RB_FORCE_NONE, RB_FORCE_OPEN, RB_FORCE_CLOSED };

// Which attempt asks for a permit.
enum rb_ask {
    RB_ASK_OWN,    // the program itself: the first attempt of a call
    RB_ASK_PROVEN, // the program itself, in a process whose latest result here was a success (engine/recent.h)
    RB_ASK_RETRY   // a retry by rebound
};

enum rb_recorded { RB_RECORDED, RB_RECORD_IGNORED, RB_RECORD_STALE, RB_RECORD_EXPIRED };

// The end of an open time that only `rebound breaker` can end.
#define RB_BREAKER_FOREVER UINT64_MAX

// Asks for a permit. Makes an open breaker half-open when its open time has ended. An end further ahead than the rules
// allow is damaged or of another clock; it is moved to now plus the longest open time. A breaker that is forced closed
// admits every attempt and records no results. One that is forced open admits none, and *retry_in_ms is
// RB_BREAKER_FOREVER.
//   ask: an open breaker refuses retries; whether it refuses others depends on rules->refuse
//   now_ms: a monotonic clock in milliseconds, below 2^40, the same for all users of this breaker
//   permit: filled in; RB_PERMIT_NONE on refusal, and if a breaker that is forced closed admits the attempt
//   retry_in_ms: may be NULL; on refusal the time after which asking again can succeed, else 0
// Returns true if the attempt may be made. Costs one load while closed.
bool rb_breaker_acquire(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_ask ask,
                        uint64_t now_ms, struct rb_permit *permit, uint64_t *retry_in_ms);

// Returns whether rb_breaker_acquire would refuse, without taking a permit or changing state. A half-open breaker
// counts as having a free probe.
//   retry_in_ms: as for rb_breaker_acquire
bool rb_breaker_would_refuse(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_ask ask,
                             uint64_t now_ms, uint64_t *retry_in_ms);

// Returns whether the breaker refuses the program's own attempts that are not probes, by rules->refuse and its state.
// For commands that display it. A forced state does not count.
bool rb_breaker_is_refusing(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules);

// Records the attempt's result and releases the permit. A failed or slow attempt checks the rates; a success never
// opens the breaker.
//   took_ms: how long the attempt took; longer than slow_call_ms is slow
//   draw: uniform random; the open time is lengthened by up to 10 %: open + open * 0.1 * draw / 2^32. It is shortened
//          by the same amount if the sum would exceed the maximum
// A probe whose health is IGNORED says nothing about the host. Unless rules->refuse is ALWAYS, own attempts pass after
// it until the next probe fails.
//
// The open time starts now. Unless rules->refuse is ALWAYS, the open time after a failed probe starts when the probe
// began, so that a hanging probe does not delay the next one.
//
// Returns RB_RECORDED; RB_RECORD_IGNORED for a health that does not count here, a permit that is not held, or a passed
// attempt that failed; RB_RECORD_STALE for a result of an earlier generation; RB_RECORD_EXPIRED if another attempt took
// over the lease. The last three change nothing, except that an ignored probe frees its slot.
enum rb_recorded rb_breaker_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                   struct rb_permit *permit, enum rb_health health, uint64_t took_ms, uint64_t now_ms,
                                   uint32_t draw);

// Records which process holds a half-open permit, for `rebound status`. Does nothing for other permits.
//   owner: pid in the low 22 bits, start time of the process above; 26 bits of the start time are kept
void rb_breaker_note_holder(struct rb_breaker *breaker, const struct rb_permit *permit, uint64_t owner);

// Describes a held probe slot, for `rebound status`. until_ms receives the end of the lease. owner receives pid and
// start time as above, or 0 if no process called rb_breaker_note_holder. Returns false if the slot is not held in the
// current half-open state.
bool rb_breaker_holder(const struct rb_breaker *breaker, uint32_t slot, uint64_t *until_ms, uint64_t *owner);

// Returns the number of transitions since the last call by any process, and the latest state. Each transition is
// returned to at most one caller; it is lost if that caller dies.
struct rb_breaker_transitions {
    unsigned count;
    enum rb_breaker_state state;
};
struct rb_breaker_transitions rb_breaker_transitions(struct rb_breaker *breaker);

// Closes the breaker in a new generation: earlier results no longer count. Removes a forced state.
void rb_breaker_renew(struct rb_breaker *breaker);

// Forces the breaker open or closed for all processes. RB_FORCE_NONE removes the force and calls rb_breaker_renew.
void rb_breaker_force(struct rb_breaker *breaker, enum rb_breaker_force force);

// Returns the forced state; RB_FORCE_NONE for an invalid stored value.
enum rb_breaker_force rb_breaker_forced(const struct rb_breaker *breaker);

// Returns the stored state, or the forced one. An open breaker whose open time has ended is still OPEN until an attempt
// asks.
//   until_ms: may be NULL; for OPEN it receives the end of the open time, RB_BREAKER_FOREVER if the state is forced
enum rb_breaker_state rb_breaker_peek(const struct rb_breaker *breaker, uint64_t *until_ms);

// Returns "closed", "open" or "half-open"; never NULL.
const char *rb_breaker_state_name(enum rb_breaker_state state);

#endif
