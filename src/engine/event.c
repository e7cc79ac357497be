// SPDX-License-Identifier: MIT
// The words of events in the log.
#include "engine/event.h"

const char *rb_reason_name(enum rb_reason reason)
{
    static const char *const names[RB_REASON_COUNT] = {
        [RB_REASON_NONE] = "none",
        [RB_REASON_DONE] = "done",
        [RB_REASON_ATTEMPTS] = "attempts",
        [RB_REASON_CAUSE] = "cause",
        [RB_REASON_PERMANENT] = "permanent",
        [RB_REASON_METHOD] = "method",
        [RB_REASON_TIME] = "time",
        [RB_REASON_AFTER] = "retry-after",
        [RB_REASON_BUDGET] = "budget",
        [RB_REASON_BREAKER] = "breaker",
        [RB_REASON_SWEEP] = "sweep",
        [RB_REASON_UPLOAD] = "upload",
        [RB_REASON_DELIVERED] = "delivered",
        [RB_REASON_CANDIDATE] = "next-candidate",
        [RB_REASON_INTERRUPTED] = "interrupted",
        [RB_REASON_CHANGED] = "changed",
        [RB_REASON_OVERFLOW] = "overflow",
        [RB_REASON_RESOURCE] = "resource",
        [RB_REASON_UNKNOWN] = "unknown-options",
        [RB_REASON_SHARED] = "shared",
        [RB_REASON_BYPASSED] = "bypassed",
        [RB_REASON_FAILOVER] = "failover",
        [RB_REASON_SANDBOX] = "sandbox",
        [RB_REASON_QUOTA] = "quota",
        [RB_REASON_HINT] = "hint",
        [RB_REASON_STACK] = "stack",
    };
    return (unsigned) reason < RB_REASON_COUNT ? names[reason] : "unknown";
}

static const char *const verdicts[] = {
    [RB_VERDICT_RETRY] = "retry",     [RB_VERDICT_STOP] = "stop",     [RB_VERDICT_RECOVERED] = "recovered",
    [RB_VERDICT_REFUSED] = "refused", [RB_VERDICT_RESENT] = "resent", [RB_VERDICT_STALE] = "stale",
    [RB_VERDICT_LOG] = "log",         [RB_VERDICT_WAITED] = "waited",
};

const char *rb_verdict_name(enum rb_verdict verdict)
{
    return verdicts[verdict];
}

const char *rb_api_name(enum rb_api api)
{
    static const char *const names[RB_API_COUNT] = {
        [RB_API_CURL] = "curl", [RB_API_CONNECT] = "connect", [RB_API_DNS] = "dns", [RB_API_HTTP] = "http"};
    return names[api];
}

const char *rb_way_name(enum rb_way way)
{
    static const char *const names[RB_WAY_COUNT] = {
        [RB_WAY_NONE] = "none",       [RB_WAY_CURL] = "libcurl", [RB_WAY_SOCKET] = "socket",
        [RB_WAY_OPENSSL] = "openssl", [RB_WAY_BIO] = "bio",      [RB_WAY_GNUTLS] = "gnutls",
    };
    return (unsigned) way < RB_WAY_COUNT ? names[way] : "unknown";
}

const char *rb_stack_name(enum rb_stack stack)
{
    static const char *const names[RB_STACK_COUNT] = {
        [RB_STACK_NONE] = "none",     [RB_STACK_LOOP] = "event-loop", [RB_STACK_WAIT] = "wait",
        [RB_STACK_CLOSED] = "closed", [RB_STACK_REQUEST] = "request", [RB_STACK_RESPONSE] = "response",
        [RB_STACK_TLS] = "tls",
    };
    return (unsigned) stack < RB_STACK_COUNT ? names[stack] : "unknown";
}

const char *rb_stack_text(enum rb_stack stack)
{
    static const char *const texts[RB_STACK_COUNT] = {
        [RB_STACK_NONE] = "the reason is not known",
        [RB_STACK_LOOP] = "the program waits in an event loop",
        [RB_STACK_WAIT] = "the program waits in a way that is not seen",
        [RB_STACK_CLOSED] = "the server closed a TLS connection",
        [RB_STACK_REQUEST] = "the request asked for 100 (Continue) or for another protocol",
        [RB_STACK_RESPONSE] = "the response was not complete or not HTTP/1.x, or the program had read a part",
        [RB_STACK_TLS] = "the TLS of the program is only observed",
    };
    return (unsigned) stack < RB_STACK_COUNT ? texts[stack] : "the reason is not known";
}

const char *rb_loss_name(enum rb_loss error)
{
    static const char *const names[RB_LOSS_COUNT] = {
        [RB_LOSS_NONE] = "ok",           [RB_LOSS_DENIED] = "denied", [RB_LOSS_LINK] = "link",
        [RB_LOSS_OWNER] = "owner",       [RB_LOSS_NAMES] = "names",   [RB_LOSS_TYPE] = "type",
        [RB_LOSS_ABSENT] = "absent",     [RB_LOSS_FULL] = "full",     [RB_LOSS_BUSY] = "busy",
        [RB_LOSS_REPLACED] = "replaced", [RB_LOSS_FAILED] = "failed",
    };
    return (unsigned) error < RB_LOSS_COUNT ? names[error] : "unknown";
}

const char *rb_loss_text(enum rb_loss error)
{
    static const char *const texts[RB_LOSS_COUNT] = {
        [RB_LOSS_NONE] = "it can be written",
        [RB_LOSS_DENIED] = "permission denied",
        [RB_LOSS_LINK] = "a symbolic link is not followed",
        [RB_LOSS_OWNER] = "it belongs to another user",
        [RB_LOSS_NAMES] = "it has more than one name (hard links)",
        [RB_LOSS_TYPE] = "it is no file, FIFO or character device",
        [RB_LOSS_ABSENT] = "its directory does not exist",
        [RB_LOSS_FULL] = "no space left, or over a limit",
        [RB_LOSS_BUSY] = "nobody reads it",
        [RB_LOSS_REPLACED] = "the program has closed or replaced it",
        [RB_LOSS_FAILED] = "it cannot be opened or written",
    };
    return (unsigned) error < RB_LOSS_COUNT ? texts[error] : "it cannot be written";
}
