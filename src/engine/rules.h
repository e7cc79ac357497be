// SPDX-License-Identifier: MIT
// The policy values that the engine uses: plain values, no pointers, copied into each call.
#ifndef RB_ENGINE_RULES_H
#define RB_ENGINE_RULES_H

#include <stdbool.h>
#include <stdint.h>

// Why an attempt failed. RB_CAUSE_STATUS: an HTTP response arrived, and its status decides. RB_CAUSE_OTHER: a failure
// that no `retry.on` word covers; it is never retried.
enum rb_cause {
    RB_CAUSE_NONE,
    RB_CAUSE_REFUSED,
    RB_CAUSE_UNREACHABLE,
    RB_CAUSE_RESET,
    RB_CAUSE_TIMEOUT,
    RB_CAUSE_DNS,
    RB_CAUSE_STATUS,
    RB_CAUSE_OTHER,
    RB_CAUSE_COUNT
};

enum rb_backoff_kind { RB_BACKOFF_FIXED, RB_BACKOFF_LINEAR, RB_BACKOFF_EXPONENTIAL };

enum rb_jitter_kind { RB_JITTER_NONE, RB_JITTER_FULL, RB_JITTER_EQUAL, RB_JITTER_DECORRELATED, RB_JITTER_ADDED };

// retry.backoff, base, multiplier, cap, jitter. Times in milliseconds, multiplier in thousandths (2000 = 2).
// jitter_ms is the upper bound of the added random wait, for RB_JITTER_ADDED only.
struct rb_backoff {
    enum rb_backoff_kind kind;
    enum rb_jitter_kind jitter;
    uint32_t multiplier_milli;
    uint64_t base_ms;
    uint64_t cap_ms;
    uint64_t jitter_ms;
};

// retry.after: which hints of a server are followed (engine/hints.h).
//
//   HONOUR: all
//   STANDARD: Retry-After alone (RFC 9110, section 10.2.3)
//   IGNORE: none
enum rb_hint_use { RB_HINT_HONOUR, RB_HINT_STANDARD, RB_HINT_IGNORE };

enum rb_after_over { RB_AFTER_FAIL, RB_AFTER_CAP, RB_AFTER_IGNORE };

// connect.nonblocking: the treatment of a non-blocking connect that failed.
enum rb_nonblocking { RB_NONBLOCKING_PARK, RB_NONBLOCKING_SETTLE, RB_NONBLOCKING_OFF };

// connect.failover: whether the program has its own list of servers, so that a connect to a literal address is not
// repeated.
//
//   AUTO: the library learns it (net/failover.h)
//   PROGRAM: it has one
//   OFF: it has none
enum rb_failover { RB_FAILOVER_AUTO, RB_FAILOVER_PROGRAM, RB_FAILOVER_OFF };

// breaker.refuse: whether an open breaker also refuses the program's own attempts. It always stops retries.
//
//   SLOW: only if each failure took RB_BREAKER_COSTLY_MS or more, so that a refusal saves time
//   ALWAYS: the circuit breaker as in the literature (Nygard, "Release It!")
//   NEVER: it stops retries only
enum rb_breaker_refuse { RB_REFUSE_SLOW, RB_REFUSE_ALWAYS, RB_REFUSE_NEVER };

enum {
    RB_BREAKER_COSTLY_MS = 1000,  // a failure that took so long is costly
    RB_BREAKER_TIMEOUT_MS = 5000, // without a limit in the policy, a shorter timeout says nothing about the host
    RB_BREAKER_PROVEN_MS = 60000  // for this long after its own success, RB_REFUSE_SLOW does not refuse a process
};

enum rb_breaker_scope { RB_SCOPE_HOST, RB_SCOPE_POLICY };

// The largest values that the breaker in a cell has room for.
enum {
    RB_BREAKER_MAX_CALLS = 1024,
    RB_BREAKER_MAX_SECONDS = 60,
    RB_BREAKER_MAX_PROBES = 16,
    RB_BREAKER_MAX_QUORUM = 16
};

// Returns the value, limited to 1..max: a wrong value must not exceed the room in a cell.
static inline uint32_t rb_rules_within(uint32_t value, uint32_t max)
{
    if (value == 0)
        return 1;
    return value < max ? value : max;
}

// breaker.*: rates in hundredths of a percent (5000 = 50 %), times in milliseconds.
struct rb_breaker_rules {
    bool time_window;               // false: window counts calls; true: window is in seconds
    uint32_t window;                // 1..RB_BREAKER_MAX_CALLS calls, or 1..RB_BREAKER_MAX_SECONDS seconds
    uint32_t min_calls;             // attempts in the window before a rate is checked
    uint32_t failure_rate;          // the breaker opens at this rate or above
    uint32_t slow_rate;             // likewise for slow calls; checked only if slow_call_ms is set
    uint64_t slow_call_ms;          // 0: no call is slow
    uint64_t open_ms;               // first open time
    uint32_t open_multiplier_milli; // growth of the open time with each failed half-open period (2000 = 2)
    uint64_t open_max_ms;           // limit of the growth; if open_ms is larger, open_ms is the limit
    uint32_t probes;                // half-open permits, 1..RB_BREAKER_MAX_PROBES
    uint64_t probe_lease_ms;        // how long one permit may be held
    uint32_t quorum;                // processes that must have failed before it opens, 1..RB_BREAKER_MAX_QUORUM
    enum rb_breaker_refuse refuse;  // which of the program's own attempts it refuses while open
};

// budget.*: ratio in hundredths of a percent of the original calls (2000 = 20 %), floor in retries per second times
// 1000.
struct rb_budget_rules {
    uint32_t ratio;
    uint32_t floor_milli;
};

// The HTTP statuses that a policy can name. A set of them has one bit for each.
enum { RB_STATUS_MIN = 400, RB_STATUS_MAX = 599, RB_STATUS_WORDS = (RB_STATUS_MAX - RB_STATUS_MIN + 64) / 64 };

// Which kinds of call a policy acts on (`intercept`).
enum {
    RB_INTERCEPT_CURL = 1 << 0,
    RB_INTERCEPT_CONNECT = 1 << 1,
    RB_INTERCEPT_DNS = 1 << 2,
    RB_INTERCEPT_HTTP = 1 << 3 // HTTP/1.x that the program speaks itself
};

// The effective values of one policy section, without the lists that only HTTP requests need (policy/section.h).
struct rb_rules {
    uint32_t intercept; // RB_INTERCEPT_* bits; 0 is `off`
    uint32_t attempts;  // 1..100, the first one included
    struct rb_backoff backoff;
    uint32_t causes; // bit (1 << enum rb_cause) set: that cause is retried (STATUS: by the statuses below)
    uint64_t statuses[RB_STATUS_WORDS]; // bit set: that HTTP status is retried
    uint64_t rejected[RB_STATUS_WORDS]; // retry.rejected: after such a status, every method may be repeated
    bool throttled;                     // retry.on has `throttled`: throttling under another status is retried
    bool rejected_throttled;            // the same for `throttled`
    enum rb_hint_use after;             // retry.after
    uint64_t after_max_ms;
    enum rb_after_over after_over;
    bool resume;         // retry.resume
    uint64_t connect_ms; // timeout.connect, 0: unset
    uint64_t attempt_ms; // timeout.attempt, 0: unset
    uint64_t total_ms;   // timeout.total
    bool total_set;      // the policy names timeout.total; otherwise the program's own limit has priority
    enum rb_nonblocking nonblocking;
    enum rb_failover failover;
    uint64_t dns_total_ms;  // dns.total
    uint64_t dns_stale_ms;  // dns.stale, 0: off
    uint64_t start_wait_ms; // start.wait, 0: off
    uint64_t hold_ms;       // http.hold, 0: off
    bool async;             // http.async
    bool tls_reconnect;     // http.tls_reconnect
    bool http_path;         // http.path: logs have the path of a request
    bool breaker_on;
    enum rb_breaker_scope breaker_scope;
    struct rb_breaker_rules breaker;
    struct rb_budget_rules budget;
};

// Returns true if `status` is in a set. Statuses outside RB_STATUS_MIN to RB_STATUS_MAX never are.
static inline bool rb_rules_has(const uint64_t *set, unsigned status)
{
    unsigned bit = status - RB_STATUS_MIN;
    return status >= RB_STATUS_MIN && status <= RB_STATUS_MAX && (set[bit / 64] >> (bit % 64) & 1);
}

// Adds a status from RB_STATUS_MIN to RB_STATUS_MAX to a set, or removes it.
static inline void rb_rules_put(uint64_t *set, unsigned status, bool in)
{
    unsigned bit = status - RB_STATUS_MIN;
    uint64_t mask = UINT64_C(1) << (bit % 64);
    set[bit / 64] = in ? set[bit / 64] | mask : set[bit / 64] & ~mask;
}

// Returns true if the policy retries a response with `status` (retry.on).
static inline bool rb_rules_status(const struct rb_rules *rules, unsigned status)
{
    return rb_rules_has(rules->statuses, status);
}

// Returns true if a response with `status` means that the request was not processed (retry.rejected).
static inline bool rb_rules_rejects(const struct rb_rules *rules, unsigned status)
{
    return rb_rules_has(rules->rejected, status);
}

// Returns true if an attempt that took `took_ms` milliseconds is slow (breaker.slow_call).
static inline bool rb_rules_is_slow(const struct rb_breaker_rules *rules, uint64_t took_ms)
{
    return rules->slow_call_ms > 0 && took_ms > rules->slow_call_ms;
}

#endif
