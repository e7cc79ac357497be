// SPDX-License-Identifier: MIT
// One call of the program from its first attempt to its last: combines total time, retry decision, budget and breaker.
// Pure: the caller provides the time and the random number, makes the attempts and waits.
#ifndef RB_ENGINE_CALL_H
#define RB_ENGINE_CALL_H

#include "engine/absent.h"
#include "engine/breaker.h"
#include "engine/budget.h"
#include "engine/classify.h"
#include "engine/event.h"
#include "engine/hints.h"
#include "engine/not_before.h"
#include "engine/recent.h"
#include "engine/rules.h"
#include "engine/sweep.h"
#include "engine/tenants.h"

// Callbacks of the owner of the shared state (breaker, budget and so on).
struct rb_keeper {
    uint64_t (*owner)(void); // this process, as for rb_breaker_note_holder
    void (*check)(void);     // re-checks the state; called before it is used if time has passed since the call began
};

// State of one call, by value on the caller's stack.
struct rb_call {
    const struct rb_rules *rules;     // borrowed for the call's life
    struct rb_breaker *breaker;       // NULL: no breaker
    struct rb_budget *budget;         // NULL: no limit
    struct rb_not_before *not_before; // NULL: none. This and all below up to key: set by the caller after rb_call_begin
    struct rb_tenants *tenants;       // NULL: a 429 is not shared
    uint64_t credential;              // keyed hash of the caller's credential; 0: unknown, and a 429 is not shared
    const struct rb_keeper *keeper;   // NULL: none
    struct rb_recent *recent;         // this process's latest success with the host; NULL: none
    struct rb_sweep *sweep;           // the dead targets of this process; NULL: none
    struct rb_absent_host *start;     // the host, while it may not have started yet; NULL: start.wait does not apply
    uint64_t key;                     // key of the host's cell, for `recent` and `sweep`
    uint64_t begun_ms;
    uint64_t deadline_ms; // UINT64_MAX: none
    uint64_t attempt_started_ms;
    uint64_t ended_ms; // when the latest attempt ended
    uint64_t delay_ms; // the delay before the latest retry
    uint32_t attempt;  // attempts begun so far, including tries
    uint32_t tries;    // attempts that do not count, because the host had not started (rb_call_awaits_start)
    struct rb_permit permit;
};

struct rb_decision {
    bool retry;
    bool start;               // a try that does not count (rb_call_awaits_start) and is not reported; set by callers
    uint64_t delay_ms;        // wait this long, then call rb_call_admit; 0 if retry is false
    enum rb_reason reason;    // RB_REASON_NONE if retry is true
    enum rb_hint_source hint; // the hint that the delay or the reason follows
};

// Begins a call and adds it to the budget.
//   total_ms: the limit for the whole call including waits; 0: no limit
void rb_call_begin(struct rb_call *call, const struct rb_rules *rules, struct rb_breaker *breaker,
                   struct rb_budget *budget, uint64_t total_ms, uint64_t now_ms);

// Returns how long to wait before the first attempt because the host sent a Retry-After for another call, or for
// another call with the same credential; 0: begin now. A wait that the rules or the deadline do not allow is skipped.
// Takes a place in the queue, so call it once.
uint64_t rb_call_hold(struct rb_call *call, uint64_t now_ms);

// Begins the next attempt. Returns false if the breaker refuses it; *retry_in_ms (may be NULL) then says for how long.
// The first attempt is the program's own: an open breaker may let it pass (breaker.refuse), and then it is not retried.
bool rb_call_admit(struct rb_call *call, uint64_t now_ms, uint64_t *retry_in_ms);

// Returns the number of attempts that count. The first one is 1.
static inline uint32_t rb_call_attempts(const struct rb_call *call)
{
    return call->attempt - call->tries;
}

// Decides after a failed attempt whether the caller waits because the host may not have started yet (start.wait): a
// refusal, an unreachable host or an unknown name, before the first success of this process with the host. If so,
// returns true: wait RB_ABSENT_EVERY_MS, then call rb_call_admit and try again, without a report. The attempt then does
// not count: not for the breaker, the budget, retry.attempts and the sweep detection. deadline_ms is moved by the time
// that the try and the wait take, but not beyond own_deadline_ms. If not, returns false: call rb_call_judge.
//   own_deadline_ms: the program's own limit; UINT64_MAX: none
bool rb_call_awaits_start(struct rb_call *call, const struct rb_outcome *outcome, uint64_t own_deadline_ms,
                          uint64_t now_ms);

// Ends the attempt: records its result in the breaker, decides, and takes a retry from the budget if the call is
// retried.
//   blocked: RB_REASON_NONE, or why the caller cannot repeat this attempt (UPLOAD, DELIVERED, ...). It precedes every
//   reason but DONE
//   method_allowed: retry.methods or an idempotency key allows repeating a request that may have been sent
//   hint: what the server says about retries, by the `after` of the rules; NULL: nothing
//   draw: uniform random, used for jitter
// The order of checks is that of the format document: total time, retry decision, budget, breaker.
struct rb_decision rb_call_judge(struct rb_call *call, const struct rb_outcome *outcome, enum rb_reason blocked,
                                 bool method_allowed, const struct rb_hint *hint, uint64_t now_ms, uint32_t draw);

// Reports that a header block without an error has arrived; the attempt continues with the body. If the permit is a
// probe or a passed attempt, the breaker records a success now, because the body may take long.
//   whole: true if nothing more about the host will follow, as with a redirect to another host
void rb_call_answered(struct rb_call *call, bool whole, uint64_t now_ms);

// The attempt has made a connection, whose protocol is unknown yet. Records that the host has started and accepts
// connections. The result of the attempt follows: rb_call_settle records a success, rb_call_abandon nothing. Or the
// first request on the connection takes over the permit (rb_call_take_over).
void rb_call_connected(struct rb_call *call, uint64_t now_ms);

// Records that an attempt of rb_call_connected was a success. If the connect was more than RB_CALL_FRESH_MS ago, the
// success says little about the host now. Then it is recorded only if the attempt is a probe of a half-open breaker.
void rb_call_settle(struct rb_call *call, uint64_t now_ms);

enum { RB_CALL_FRESH_MS = 1000 }; // milliseconds

// Begins the first attempt of a call on a connection that another call has made (rb_call_connected). The new call gets
// the permit of the other one if that is a probe, or if the breaker would refuse the attempt otherwise and has let the
// other call pass. Any other permit ends without a result. Returns false if the breaker refuses, as rb_call_admit does.
bool rb_call_take_over(struct rb_call *call, struct rb_call *connect, uint64_t now_ms);

// Ends an attempt without a result: the permit is released and nothing is recorded.
void rb_call_abandon(struct rb_call *call, uint64_t now_ms);

// Returns true if the number of attempts, the time and the permit allow one more attempt. The transfer layer asks
// before it holds a response back.
bool rb_call_may_retry(const struct rb_call *call, uint64_t now_ms);

#endif
