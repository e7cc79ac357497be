// SPDX-License-Identifier: MIT
// The log: one JSON line per decision, one write per line.
#ifndef RB_OBSERVE_LOG_H
#define RB_OBSERVE_LOG_H

#include "base/text.h"
#include "engine/call.h"
#include "policy/diagnostic.h"
#include "process/sink.h"

// What was decided, as it stands in the log's `decision`.
enum rb_verdict {
    RB_VERDICT_RETRY,     // another attempt follows after delay_ms
    RB_VERDICT_STOP,      // the failure is handed to the program; reason says why
    RB_VERDICT_RECOVERED, // an attempt after the first succeeded
    RB_VERDICT_REFUSED,   // the breaker was open, no attempt was made
    RB_VERDICT_RESENT,    // a call that succeeded at once for us, after libcurl had repeated the request by itself
    RB_VERDICT_STALE,     // the program got the last good answer to a lookup that failed
    RB_VERDICT_LOG,       // no decision on a call: the log cannot be written
    RB_VERDICT_COUNT
};

// The kind of call.
enum rb_api { RB_API_CURL, RB_API_CONNECT, RB_API_DNS, RB_API_COUNT };

// How long an attempt took, in milliseconds from its beginning; 0: it did not come to that, or there was nothing to do.
struct rb_times {
    uint64_t lookup_ms, connect_ms, tls_ms, first_byte_ms, total_ms;
};

// One decision. Strings are borrowed for the call; host is "host:port".
struct rb_event {
    enum rb_verdict verdict;
    const char *policy;
    const char *host;
    enum rb_api api;
    enum rb_cause cause;
    unsigned status;              // HTTP status, for RB_CAUSE_STATUS
    uint32_t attempt;             // the attempt just ended, counted from 1
    uint64_t delay_ms;            // RETRY only
    enum rb_reason reason;        // written unless RB_REASON_NONE
    const struct rb_times *times; // of the attempt just ended; NULL: not known
    unsigned resends;             // how often libcurl sent the request again by itself in it
};

// Writes an event to `destination` ("off", "stderr" or a path), as rb_sink_write does: it never waits and keeps errno.
// A line that cannot be written is lost.
//   program: the executable's name
// Returns why it is lost, or RB_SINK_OK, also without a log.
enum rb_sink_error rb_log_event(const char *destination, const char *program, const struct rb_event *event);

// Appends the same line, without its newline, for an event of another process at another time.
void rb_log_format(struct rb_text *line, uint64_t unix_ms, int pid, const char *program, const struct rb_event *event);

// Appends a line, without its newline, about a log that cannot be written.
//   destination: "stderr" or a path; user: the effective one of the process that could not write
void rb_log_format_trouble(struct rb_text *line, uint64_t unix_ms, int pid, const char *program,
                           const char *destination, enum rb_sink_error error, uint32_t user);

// Writes a line of the same fields about this process, whose next lines will be lost, while it still can. The line is
// left out while it stands among the last ones of the log: each worker of a daemon comes here. Uses 8 KiB of stack,
// keeps errno.
//   error, user: as the process will meet and have them
void rb_log_leave(const char *destination, const char *program, enum rb_sink_error error, uint32_t user);

// Writes what happened to the policy: "loaded", "reloaded", "invalid", "unreadable" or "untrusted" as `what`, with the
// first error. Its place is left out for line 0.
//   diagnostic: may be NULL; error: negative errno or 0
enum rb_sink_error rb_log_policy(const char *destination, const char *program, const char *what, const char *path,
                                 const struct rb_diagnostic *diagnostic, int error);

// The same for what happened to the state: its file and why it is not used.
enum rb_sink_error rb_log_state(const char *destination, const char *program, const char *what, const char *path);

// "curl", "connect", "dns"; never NULL.
const char *rb_api_name(enum rb_api api);

// "retry", "stop", "recovered", "refused", "resent", "stale", "log"; never NULL.
const char *rb_verdict_name(enum rb_verdict verdict);

#endif
