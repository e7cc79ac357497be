// SPDX-License-Identifier: MIT
// What a server says about repeating a request: how long to wait, and whether a retry makes sense at all.
//
// Servers say so in header fields beside Retry-After, and in JSON bodies. The table tests/vectors/hints.tsv lists what
// is understood, with the services that send it.
#ifndef RB_ENGINE_HINTS_H
#define RB_ENGINE_HINTS_H

#include "base/slice.h"
#include "engine/rules.h"

// What a decision follows. First the sources of a wait in the order of precedence, then those that give no wait.
enum rb_hint_source {
    RB_HINT_NONE,
    RB_HINT_RETRY_AFTER_MS,
    RB_HINT_X_MS_RETRY_AFTER_MS,
    RB_HINT_RETRY_AFTER,
    RB_HINT_RATE_LIMIT,       // a rate-limit field with a number of seconds
    RB_HINT_RATE_LIMIT_RESET, // a rate-limit field with a time of day
    RB_HINT_RETRY_INFO,       // google.rpc.RetryInfo in the body
    RB_HINT_SHOULD_RETRY,     // x-should-retry
    RB_HINT_QUOTA_USED_UP,    // insufficient_quota in the body
    RB_HINT_SOURCES
};

enum rb_hint_verdict {
    RB_HINT_NO_VERDICT, // the policy decides by the status
    RB_HINT_THROTTLED,  // the request was refused because of a limit, under a status that has other meanings, too
    RB_HINT_RETRY,      // the server says that the request may be repeated, whatever its method
    RB_HINT_STOP,       // the server says that the request is not to be repeated
    RB_HINT_QUOTA,      // a quota is used up that waiting does not renew
};

// A wait of a field that may occur several times: the longest valid value. 0: none.
struct rb_hint_limit {
    uint32_t group;       // hash of the limit's name; 0: unused
    bool left, used_up;   // what the fields say that remains: something, nothing
    uint64_t relative_ms; // longest wait given as a number of seconds
    uint64_t reset_ms;    // latest time in milliseconds since 1970
};

enum { RB_HINT_LIMITS = 8 }; // limits that one response distinguishes; further ones are ignored

// The hints of one response. All zero: none. The members are private.
struct rb_hints {
    int64_t now_unix_s; // our clock when the fields were read
    int64_t date_s;     // the server's clock, by Date; 0: unknown
    uint64_t retry_after_ms, x_ms_retry_after_ms;
    uint64_t retry_after_delay_ms; // Retry-After as a number of seconds
    uint64_t retry_after_time_ms;  // Retry-After as a date, in milliseconds since 1970
    bool encoded;                  // the body has a content encoding
    bool aws;                      // the response has x-amzn-requestid
    bool aws_throttled;            // x-amzn-errortype names throttling
    bool should_retry, should_stop;
    struct rb_hint_limit limits[RB_HINT_LIMITS];
};

struct rb_hint {
    enum rb_hint_verdict verdict;
    enum rb_hint_source source; // of wait_ms; without a wait, that of the verdict
    uint64_t wait_ms;           // 0: no hint; saturating
};

// Adds one header field. Fields that say nothing about retries, and invalid values, change nothing.
//   name, value: without the colon; blanks around the value are skipped; borrowed for the call
//   now_unix_s: the current time in seconds since 1970
// Async-signal-safe, as the functions below.
void rb_hints_add(struct rb_hints *hints, struct rb_slice name, struct rb_slice value, int64_t now_unix_s);

// Combines the fields and the body of a response with the given status. A status below 400 has no hints.
//   use: RB_HINT_STANDARD considers Retry-After alone, RB_HINT_IGNORE nothing
//   body: what is known of it; {NULL, 0}: nothing. Of a body that ends too early, the complete members count. A body
//     that is not JSON says nothing.
//   decoded: whether the body was decoded if it has a content encoding; otherwise such a body is not read
struct rb_hint rb_hints_judge(const struct rb_hints *hints, unsigned status, enum rb_hint_use use, struct rb_slice body,
                              bool decoded);

// Returns true if only the body can show that the request was throttled: AWS says so in the body of a 400.
bool rb_hints_need_body(const struct rb_hints *hints, unsigned status);

// Returns the name of a source for the log, such as "retry-after-ms". Static; "none" for RB_HINT_NONE.
const char *rb_hint_source_name(enum rb_hint_source source);

#endif
