// SPDX-License-Identifier: MIT
// One call of the program from its first attempt to its last: the order of total time, retry decision, budget and
// breaker. Pure: the caller passes the time and the random draw in, makes the attempts and does the waiting.
#ifndef RB_ENGINE_CALL_H
#define RB_ENGINE_CALL_H

#include "engine/breaker.h"
#include "engine/budget.h"
#include "engine/classify.h"
#include "engine/event.h"
#include "engine/not_before.h"
#include "engine/recent.h"
#include "engine/retry_after.h"
#include "engine/rules.h"
#include "engine/sweep.h"
#include "engine/tenants.h"

// Who keeps the breaker, the budget and the rest for the call.
struct rb_keeper {
    uint64_t (*owner)(void); // who asks, as for rb_breaker_sign
    void (*look)(void);      // called before they are touched when time has passed: a wait may lie between
};

// State of one call, by value on the caller's stack.
struct rb_call {
    const struct rb_rules *rules;     // borrowed for the call's life
    struct rb_breaker *breaker;       // NULL: none
    struct rb_budget *budget;         // NULL: no limit
    struct rb_not_before *not_before; // NULL: none. Set by the caller after rb_call_begin, likewise the keeper
    struct rb_tenants *tenants;       // NULL: a 429 is not shared. Set by the caller, likewise
    uint64_t credential;              // keyed hash of the caller's credential; 0: not known, and a 429 is not shared
    const struct rb_keeper *keeper;   // NULL: none
    struct rb_recent *recent;         // of this process with the host, NULL: none
    struct rb_sweep *sweep;           // of this process, NULL: none
    uint64_t key;                     // of the host's cell, for `recent` and `sweep`
    uint64_t begun_ms;
    uint64_t deadline_ms; // UINT64_MAX: none
    uint64_t attempt_started_ms;
    uint64_t ended_ms; // of the latest attempt
    uint64_t delay_ms; // before the latest retry
    uint32_t attempt;  // attempts begun so far
    struct rb_permit permit;
};

struct rb_decision {
    bool retry;
    uint64_t delay_ms;     // wait so long, then rb_call_admit; 0 where retry is false
    enum rb_reason reason; // RB_REASON_NONE where retry is true
};

// Begins a call and counts it in the budget.
//   total_ms: the limit of the whole call with its waits; 0: none
void rb_call_begin(struct rb_call *call, const struct rb_rules *rules, struct rb_breaker *breaker,
                   struct rb_budget *budget, uint64_t total_ms, uint64_t now_ms);

// How long to wait before the first attempt because the host asked for no call, on behalf of another one, or of another
// one with the same credential; 0: it may begin. What the rules or the deadline do not allow is not waited for. Takes a
// place in the queue: ask once.
uint64_t rb_call_hold(struct rb_call *call, uint64_t now_ms);

// Begins the next attempt. Returns false when the breaker refuses it; retry_in_ms (may be NULL) then says for how long.
// The first attempt is the program's own: an open breaker may let it pass (breaker.refuse), and then nothing is
// repeated.
bool rb_call_admit(struct rb_call *call, uint64_t now_ms, uint64_t *retry_in_ms);

// Ends the attempt: tells the breaker, decides, and takes a retry from the budget when the answer is yes.
//   blocked: RB_REASON_NONE, or why the caller cannot repeat this one (UPLOAD, DELIVERED, ...); it wins over
//            every other reason but DONE
//   method_allowed: retry.methods or an idempotency key allow a repetition of a request that may have been sent
//   after: the response's Retry-After, may be NULL
//   draw: uniform random, used for jitter
// The order is that of the format document: total time, retry decision, budget, breaker.
struct rb_decision rb_call_judge(struct rb_call *call, const struct rb_outcome *outcome, enum rb_reason blocked,
                                 bool method_allowed, const struct rb_retry_after *after, uint64_t now_ms,
                                 uint32_t draw);

// The host has answered the attempt, which goes on: a header block without an error has come. The breaker learns of a
// success where others wait for one (a probe, or an attempt that an open breaker let pass): the body may take long.
//   whole: this was all that the attempt says of the host, as a redirect to another host is
void rb_call_answered(struct rb_call *call, bool whole, uint64_t now_ms);

// Ends an attempt that was given up before it had a result: a permit goes back, and nothing is learnt from it.
void rb_call_abandon(struct rb_call *call, uint64_t now_ms);

// True while one more attempt is possible as far as count, time and permit go; the transfer layer asks before it holds
// a response.
bool rb_call_may_retry(const struct rb_call *call, uint64_t now_ms);

#endif
