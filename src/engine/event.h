// SPDX-License-Identifier: MIT
// Events: decisions on calls, as stored in the log, the counters and the ring of events.
#ifndef RB_ENGINE_EVENT_H
#define RB_ENGINE_EVENT_H

#include "base/slice.h"
#include "engine/hints.h"
#include "engine/rules.h"

// Why a call is not retried. The names are the reason codes of the log.
enum rb_reason {
    RB_REASON_NONE,        // it is retried
    RB_REASON_DONE,        // success, or a status that is not in retry.on
    RB_REASON_ATTEMPTS,    // retry.attempts made
    RB_REASON_CAUSE,       // the cause is not in retry.on
    RB_REASON_PERMANENT,   // a retry cannot help
    RB_REASON_METHOD,      // the request may have been sent, and retry.methods does not allow its method
    RB_REASON_TIME,        // the wait does not fit in the total time
    RB_REASON_AFTER,       // Retry-After exceeds retry.after_max
    RB_REASON_BUDGET,      // the retry budget is spent
    RB_REASON_BREAKER,     // the breaker is open
    RB_REASON_SWEEP,       // a first contact in a process whose targets all refuse (engine/sweep.h)
    RB_REASON_UPLOAD,      // an upload that cannot be rewound
    RB_REASON_DELIVERED,   // the program has already received bytes of the response
    RB_REASON_CANDIDATE,   // the program has further addresses to try
    RB_REASON_INTERRUPTED, // a signal or the program ended the wait, or the handle has another URL
    RB_REASON_CHANGED,     // the server's data did not continue the download
    RB_REASON_OVERFLOW,    // the held response exceeds its limit
    RB_REASON_RESOURCE,    // no memory for the retry, or a sandbox refuses the wait
    RB_REASON_UNKNOWN,     // options were set before the library saw the handle
    RB_REASON_SHARED,      // another process gets the socket, or a signal reports its events
    RB_REASON_BYPASSED,    // the library does not see how the process waits for the socket
    RB_REASON_FAILOVER,    // the program has its own list of servers (connect.failover)
    RB_REASON_SANDBOX,     // the program installs a seccomp filter
    RB_REASON_QUOTA,       // a quota is used up that waiting does not renew
    RB_REASON_HINT,        // the server says that the request is not to be repeated (x-should-retry)
    RB_REASON_STACK,       // the way in which the program speaks HTTP does not allow it
    RB_REASON_COUNT
};

// The decision, as written in the log's `decision`.
enum rb_verdict {
    RB_VERDICT_RETRY,     // another attempt follows after delay_ms
    RB_VERDICT_STOP,      // the program gets the failure; reason says why
    RB_VERDICT_RECOVERED, // an attempt after the first succeeded
    RB_VERDICT_REFUSED,   // the breaker was open, no attempt was made
    RB_VERDICT_RESENT,    // the first attempt succeeded after libcurl itself had sent the request again
    RB_VERDICT_STALE,     // a lookup failed, and the program got the last good answer
    RB_VERDICT_LOG,       // not about a call: the log cannot be written
    RB_VERDICT_WAITED,    // the process has waited for delay_ms until the host has started, or has given up
    RB_VERDICT_COUNT
};

// The kind of call.
enum rb_api { RB_API_CURL, RB_API_CONNECT, RB_API_DNS, RB_API_HTTP, RB_API_COUNT };

// The way in which a program speaks HTTP, as written in the log's `way`.
enum rb_way {
    RB_WAY_NONE,    // not known, or no HTTP
    RB_WAY_CURL,    // transfers of libcurl
    RB_WAY_SOCKET,  // a plain socket
    RB_WAY_OPENSSL, // OpenSSL with a descriptor
    RB_WAY_BIO,     // OpenSSL with memory BIOs
    RB_WAY_GNUTLS,  // GnuTLS
    RB_WAY_COUNT
};

// Why the way in which the program speaks HTTP does not allow a repetition (RB_REASON_STACK), as written in the log's
// `stack`.
enum rb_stack {
    RB_STACK_NONE,
    RB_STACK_LOOP,     // the program waits in an event loop, whose time limit is not visible
    RB_STACK_WAIT,     // the library has not seen how the program waits
    RB_STACK_CLOSED,   // the server has closed a connection that the library does not open again
    RB_STACK_REQUEST,  // the program waits for 100 (Continue), or for another protocol
    RB_STACK_RESPONSE, // the program has read a part, or the response is no complete HTTP/1.x response
    RB_STACK_TLS,      // the library only observes this way of TLS
    RB_STACK_COUNT
};

// When each phase of an attempt ended, in milliseconds from its beginning. 0: the phase was not reached or not needed.
struct rb_times {
    uint64_t lookup_ms, connect_ms, tls_ms, first_byte_ms, total_ms;
};

// What a log has of an HTTP request. Each slice is written unless it is empty.
struct rb_request_line {
    struct rb_slice method, path; // the path as rb_path_of returns it
};

// One decision. Strings are borrowed during the call; host is "host:port". Small fields share a word, because events
// lie on the program's stack.
struct rb_event {
    enum rb_verdict verdict;
    enum rb_api api : 8;
    enum rb_way way : 8;     // written unless RB_WAY_NONE
    enum rb_stack stack : 8; // with RB_REASON_STACK; written unless RB_STACK_NONE
    const char *policy;
    const char *host;
    const struct rb_request_line *request; // NULL: not known
    enum rb_cause cause;
    unsigned status;              // HTTP status, for RB_CAUSE_STATUS
    uint32_t attempt;             // the attempt that just ended, counted from 1
    unsigned resends;             // how often libcurl itself sent the request again in this attempt
    uint64_t delay_ms;            // RETRY and WAITED only
    enum rb_reason reason;        // written unless RB_REASON_NONE
    enum rb_hint_source hint;     // the server's hint that the decision follows; written unless RB_HINT_NONE
    const struct rb_times *times; // times of the attempt that just ended; NULL: unknown
};

// Why a log line was lost. The shared state stores these numbers, so new ones must be added at the end.
enum rb_loss {
    RB_LOSS_NONE,
    RB_LOSS_DENIED,   // no permission, or a read-only file system
    RB_LOSS_LINK,     // a symbolic link, or a directory in the path is a link of another user
    RB_LOSS_OWNER,    // the file belongs to another user
    RB_LOSS_NAMES,    // the file has several hard links
    RB_LOSS_TYPE,     // a directory, a socket or a block device
    RB_LOSS_ABSENT,   // the directory does not exist
    RB_LOSS_FULL,     // no space left, or a quota or limit is reached
    RB_LOSS_BUSY,     // a FIFO without a reader, or a full pipe
    RB_LOSS_REPLACED, // descriptor 2 is not the stderr that the process was started with
    RB_LOSS_FAILED,   // anything else: no free descriptor, no memory, an I/O error
    RB_LOSS_COUNT
};

// Returns the reason code of the log ("attempts", "budget", ...); never NULL.
const char *rb_reason_name(enum rb_reason reason);

// Returns "curl", "connect", "dns" or "http"; never NULL.
const char *rb_api_name(enum rb_api api);

// Returns "libcurl", "socket", "openssl", "bio" or "gnutls"; "none" for RB_WAY_NONE; never NULL.
const char *rb_way_name(enum rb_way way);

// Returns a word for the log ("event-loop") and a clause for people ("the program waits in an event loop"); never NULL.
const char *rb_stack_name(enum rb_stack stack);
const char *rb_stack_text(enum rb_stack stack);

// Returns "retry", "stop", "recovered", "refused", "resent", "stale", "log" or "waited"; never NULL.
const char *rb_verdict_name(enum rb_verdict verdict);

// Return a word for logs ("denied") and a clause for people ("permission denied"); never NULL.
const char *rb_loss_name(enum rb_loss error);
const char *rb_loss_text(enum rb_loss error);

#endif
