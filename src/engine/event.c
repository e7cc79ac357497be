// SPDX-License-Identifier: MIT
// The words for what happens to calls.
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
    };
    return (unsigned) reason < RB_REASON_COUNT ? names[reason] : "unknown";
}

static const char *const verdicts[] = {
    [RB_VERDICT_RETRY] = "retry",     [RB_VERDICT_STOP] = "stop",     [RB_VERDICT_RECOVERED] = "recovered",
    [RB_VERDICT_REFUSED] = "refused", [RB_VERDICT_RESENT] = "resent", [RB_VERDICT_STALE] = "stale",
    [RB_VERDICT_LOG] = "log",
};

const char *rb_verdict_name(enum rb_verdict verdict)
{
    return verdicts[verdict];
}

const char *rb_api_name(enum rb_api api)
{
    static const char *const names[RB_API_COUNT] = {
        [RB_API_CURL] = "curl", [RB_API_CONNECT] = "connect", [RB_API_DNS] = "dns"};
    return names[api];
}

const char *rb_sink_error_name(enum rb_sink_error error)
{
    static const char *const names[RB_SINK_ERRORS] = {
        [RB_SINK_OK] = "ok",         [RB_SINK_DENIED] = "denied",
        [RB_SINK_LINK] = "link",     [RB_SINK_OWNER] = "owner",
        [RB_SINK_NAMES] = "names",   [RB_SINK_TYPE] = "type",
        [RB_SINK_ABSENT] = "absent", [RB_SINK_FULL] = "full",
        [RB_SINK_BUSY] = "busy",     [RB_SINK_REPLACED] = "replaced",
        [RB_SINK_FAILED] = "failed",
    };
    return (unsigned) error < RB_SINK_ERRORS ? names[error] : "unknown";
}

const char *rb_sink_error_text(enum rb_sink_error error)
{
    static const char *const texts[RB_SINK_ERRORS] = {
        [RB_SINK_OK] = "it can be written",
        [RB_SINK_DENIED] = "permission denied",
        [RB_SINK_LINK] = "a symbolic link is not followed",
        [RB_SINK_OWNER] = "it belongs to another user",
        [RB_SINK_NAMES] = "it has more than one name (hard links)",
        [RB_SINK_TYPE] = "it is no file, FIFO or character device",
        [RB_SINK_ABSENT] = "its directory does not exist",
        [RB_SINK_FULL] = "no space left, or over a limit",
        [RB_SINK_BUSY] = "nobody reads it",
        [RB_SINK_REPLACED] = "the program has closed or replaced it",
        [RB_SINK_FAILED] = "it cannot be opened or written",
    };
    return (unsigned) error < RB_SINK_ERRORS ? texts[error] : "it cannot be written";
}
