// SPDX-License-Identifier: MIT
// What happens to calls, in the terms of the log, the counters and the ring of events.
#ifndef RB_ENGINE_EVENT_H
#define RB_ENGINE_EVENT_H

#include "engine/rules.h"

// Why nothing is repeated (any more). The names are the reason codes of the log.
enum rb_reason {
    RB_REASON_NONE,        // it is repeated
    RB_REASON_DONE,        // success, or a status that is not in retry.on
    RB_REASON_ATTEMPTS,    // retry.attempts made
    RB_REASON_CAUSE,       // the cause is not in retry.on
    RB_REASON_PERMANENT,   // repeating cannot help
    RB_REASON_METHOD,      // may have been sent, and retry.methods does not allow it
    RB_REASON_TIME,        // the wait does not fit in the total time
    RB_REASON_AFTER,       // Retry-After is over retry.after_max
    RB_REASON_BUDGET,      // the retry budget is spent
    RB_REASON_BREAKER,     // the breaker is open
    RB_REASON_SWEEP,       // a first contact of a process that meets dead targets only (engine/sweep.h)
    RB_REASON_UPLOAD,      // an upload that cannot be rewound
    RB_REASON_DELIVERED,   // bytes of the response reached the program already
    RB_REASON_CANDIDATE,   // the program has further addresses to try
    RB_REASON_INTERRUPTED, // a signal or the program itself ended the waiting, or it has gone on to another URL
    RB_REASON_CHANGED,     // what the server sent did not continue the download
    RB_REASON_OVERFLOW,    // the held response is over the cap
    RB_REASON_RESOURCE,    // no timer, memory or other means to wait or repeat
    RB_REASON_UNKNOWN,     // options were set before the library saw the handle
    RB_REASON_COUNT
};

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

// Why a line was lost. The shared state holds these numbers, so new ones come at the end.
enum rb_sink_error {
    RB_SINK_OK,
    RB_SINK_DENIED,   // no permission, or a read-only file system
    RB_SINK_LINK,     // a symbolic link, or one of another user among the directories
    RB_SINK_OWNER,    // the file belongs to another user
    RB_SINK_NAMES,    // the file has several names
    RB_SINK_TYPE,     // a directory, a socket or a block device
    RB_SINK_ABSENT,   // the directory is not there
    RB_SINK_FULL,     // no space left, or over a quota or limit
    RB_SINK_BUSY,     // a FIFO that nobody reads, or a full pipe
    RB_SINK_REPLACED, // descriptor 2 is not the stderr that the process was started with
    RB_SINK_FAILED,   // anything else: no free descriptor, no memory, an I/O error
    RB_SINK_ERRORS
};

// The reason code as it stands in logs ("attempts", "budget", ...); never NULL.
const char *rb_reason_name(enum rb_reason reason);

// "curl", "connect", "dns"; never NULL.
const char *rb_api_name(enum rb_api api);

// "retry", "stop", "recovered", "refused", "resent", "stale", "log"; never NULL.
const char *rb_verdict_name(enum rb_verdict verdict);

// A word for logs ("denied"), and a clause for people ("permission denied"); never NULL.
const char *rb_sink_error_name(enum rb_sink_error error);
const char *rb_sink_error_text(enum rb_sink_error error);

#endif
