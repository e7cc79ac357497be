// SPDX-License-Identifier: MIT
// A circuit breaker on a fixed-size struct of atomics: no pointers, no locks, valid when zeroed, fit for shared memory.
//
// What an open breaker does depends on rules->refuse. It always stops retries. With RB_REFUSE_SLOW and RB_REFUSE_NEVER
// it lets the program's own attempts pass, and one that succeeds closes it at once:
//
//   CLOSED ----- a failed or slow attempt finds the window over a rate ----> OPEN
//   OPEN ------- its time is over, and somebody asks ----------------------> HALF_OPEN
//   HALF_OPEN -- all probes have results, and these are over a rate -------> OPEN, for longer
//   HALF_OPEN -- all probes have results, and these are not ---------------> CLOSED
//   any -------- (unless ALWAYS) an attempt succeeds ----------------------> CLOSED
//
// Every transition is one compare-and-swap of `state`, which carries the state, a generation and the end of the open
// time. A result carries the generation under which it was admitted and is dropped when that has passed. A success is
// not dropped, unless rules->refuse is ALWAYS: whenever its attempt began, the host has answered now. The window is
// tagged with the generation, so a new one starts empty, whoever died where. Closing also clears it, before the state
// changes: a place that was claimed and never filled must hold no failure from before.
//
// Times are kept in 40 bits: clock readings have to stay below 2^40 ms (34 years), as those since boot do.
#ifndef RB_ENGINE_BREAKER_H
#define RB_ENGINE_BREAKER_H

#include "engine/breaker_data.h"
#include "engine/classify.h"

// What somebody at the controls wants, whatever the results are.
enum rb_breaker_force { RB_FORCE_NONE, RB_FORCE_OPEN, RB_FORCE_CLOSED };

// Who asks for a permit.
enum rb_ask {
    RB_ASK_OWN,    // the program itself: the first attempt of a call
    RB_ASK_PROVEN, // the program itself, in a process whose latest result here was a success (engine/recent.h)
    RB_ASK_RETRY   // a repetition of ours
};

enum rb_recorded { RB_RECORDED, RB_RECORD_IGNORED, RB_RECORD_STALE, RB_RECORD_EXPIRED };

// The end of an open time that only a person can end.
#define RB_BREAKER_FOREVER UINT64_MAX

// Asks for a permit. Half-opens an open breaker whose time has come. An end that is further away than the rules can
// have made it is pulled back to the longest open time: the word is damaged, or of another clock. A breaker that is
// forced closed admits everything and learns nothing; one that is forced open admits nothing, and retry_in_ms is
// RB_BREAKER_FOREVER.
//   ask: an open breaker refuses retries; whether it refuses others depends on rules->refuse
//   now_ms: a monotonic clock in milliseconds, below 2^40, the same for all users of this breaker
//   permit: filled in; RB_PERMIT_NONE on refusal, and where a breaker that is forced closed admits the attempt
//   retry_in_ms: may be NULL; on refusal the time until asking again can succeed, else 0
// Returns true when the attempt may be made. Costs one load when closed.
bool rb_breaker_acquire(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_ask ask,
                        uint64_t now_ms, struct rb_permit *permit, uint64_t *retry_in_ms);

// Whether rb_breaker_acquire would refuse, without taking a permit or changing anything. A half-open breaker counts as
// one that has a probe to give.
//   retry_in_ms: as for rb_breaker_acquire
bool rb_breaker_would_refuse(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_ask ask,
                             uint64_t now_ms, uint64_t *retry_in_ms);

// Whether it refuses the program's own attempts that are no probes, by rules->refuse and its state. For commands that
// show it. A force does not count.
bool rb_breaker_is_refusing(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules);

// Gives the permit back with the attempt's result. A failed or slow attempt looks at the rates; a success never opens.
//   took_ms: how long the attempt took; longer than slow_call_ms is slow
//   draw: uniform random; the open time is lengthened by up to 10 % of itself: open + open * 0.1 * draw / 2^32. It is
//         shortened by as much where the sum would exceed the maximum
// A probe whose result does not count says nothing about the host. Unless rules->refuse is ALWAYS, own attempts pass
// then until the next probe has failed.
// The open time counts from now. Unless rules->refuse is ALWAYS, that of a failed probe counts from the probe's
// beginning: a probe that hangs does not put off the next one.
// Returns RB_RECORDED; RB_RECORD_IGNORED for a health that does not count here, or a permit that is not held;
// RB_RECORD_STALE for a result of an earlier generation; RB_RECORD_EXPIRED when the lease was taken over. The last
// three change nothing, but that an ignored probe gives its slot back. A passed attempt that fails is IGNORED. The
// permit is no longer held afterwards.
enum rb_recorded rb_breaker_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                   struct rb_permit *permit, enum rb_health health, uint64_t took_ms, uint64_t now_ms,
                                   uint32_t draw);

// Leaves word of who holds a half-open permit, for who looks; other permits leave none.
//   owner: pid in the low 22 bits, start time of the process above; 26 bits of that are kept
void rb_breaker_sign(struct rb_breaker *breaker, const struct rb_permit *permit, uint64_t owner);

// A held probe slot, for who looks. until_ms receives the end of its lease, owner pid and start time as above (26 bits
// of it), 0 where nobody signed for it. Returns false when the slot is not held in this half-open state.
bool rb_breaker_held(const struct rb_breaker *breaker, uint32_t slot, uint64_t *until_ms, uint64_t *owner);

// Transitions since they were last counted, the latest into `state`. Exactly one caller is told of each, when it is not
// the one who made it and died there.
struct rb_breaker_moves {
    unsigned count;
    enum rb_breaker_state state;
};
struct rb_breaker_moves rb_breaker_moves(struct rb_breaker *breaker);

// Closes the breaker in a new generation: results of before do not count any more. Nothing is forced.
void rb_breaker_renew(struct rb_breaker *breaker);

// Forces it open or closed for all from now on; RB_FORCE_NONE lets go and renews it.
void rb_breaker_force(struct rb_breaker *breaker, enum rb_breaker_force force);

// The force in effect; RB_FORCE_NONE for a value that is none.
enum rb_breaker_force rb_breaker_forced(const struct rb_breaker *breaker);

// The state as stored (an open breaker whose time has come is still OPEN until somebody asks), or as forced, then with
// RB_BREAKER_FOREVER.
// until_ms may be NULL; for OPEN it receives the end of the open time.
enum rb_breaker_state rb_breaker_peek(const struct rb_breaker *breaker, uint64_t *until_ms);

// "closed", "open", "half-open"; never NULL.
const char *rb_breaker_state_name(enum rb_breaker_state state);

#endif
