// SPDX-License-Identifier: MIT
// Results of libcurl, connect and getaddrinfo in the engine's terms, by tables of what may pass; all else is permanent.
#define _GNU_SOURCE 1
#include "engine/classify.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>

enum { HTTP_REDIRECT = 300, HTTP_ERROR = 400, HTTP_THROTTLED = 429, HTTP_SERVER_ERROR = 500 };

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// The default of every table: the caller's bug, trust, policy or local resources.
static const struct rb_outcome permanent = {
    .cause = RB_CAUSE_OTHER, .sent = RB_SENT_NEVER, .health = RB_HEALTH_IGNORED, .permanent = true};

static const struct rb_outcome success = {.cause = RB_CAUSE_NONE, .sent = RB_SENT_MAYBE, .health = RB_HEALTH_SUCCESS};

// ---- connect ----

// The errnos of connect that may pass. health: for a shared verdict on the peer; trouble of the own host says nothing
// about it. For AF_UNIX a missing path is a daemon that does not run yet, and EAGAIN is its full backlog.
struct errno_row {
    int err;
    enum rb_cause cause;
    enum rb_health health;
    enum rb_cause unix_cause; // RB_CAUSE_OTHER: as above
};

static const struct errno_row errno_table[] = {
    {ECONNREFUSED, RB_CAUSE_REFUSED, RB_HEALTH_FAILURE, RB_CAUSE_OTHER},
    {ETIMEDOUT, RB_CAUSE_TIMEOUT, RB_HEALTH_FAILURE, RB_CAUSE_OTHER},
    {ENETUNREACH, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER},
    {EHOSTUNREACH, RB_CAUSE_UNREACHABLE, RB_HEALTH_FAILURE, RB_CAUSE_OTHER},
    {EHOSTDOWN, RB_CAUSE_UNREACHABLE, RB_HEALTH_FAILURE, RB_CAUSE_OTHER},
    {ECONNRESET, RB_CAUSE_RESET, RB_HEALTH_FAILURE, RB_CAUSE_OTHER},
    {ECONNABORTED, RB_CAUSE_RESET, RB_HEALTH_IGNORED, RB_CAUSE_OTHER},
    {ENETDOWN, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER},
    {EADDRNOTAVAIL, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER},
    {ENOBUFS, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER},
    {EAGAIN, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_REFUSED},
    {ENOENT, RB_CAUSE_OTHER, RB_HEALTH_IGNORED, RB_CAUSE_REFUSED},
};

static struct rb_outcome passing(enum rb_cause cause, enum rb_health health)
{
    struct rb_outcome outcome = {.cause = cause, .sent = RB_SENT_NEVER, .health = health};
    outcome.permanent = cause == RB_CAUSE_OTHER;
    return outcome;
}

static bool is_pending(int err)
{
    return err == EINTR || err == EINPROGRESS || err == EALREADY;
}

struct rb_outcome rb_classify_errno(int err, bool unix_socket)
{
    if (err == 0 || err == EISCONN)
        return success;
    for (size_t i = 0; i < COUNT_OF(errno_table); i++) {
        const struct errno_row *row = &errno_table[i];
        if (row->err != err)
            continue;
        if (unix_socket && row->unix_cause != RB_CAUSE_OTHER)
            return passing(row->unix_cause, RB_HEALTH_FAILURE);
        return passing(row->cause, row->health);
    }
    struct rb_outcome outcome = permanent;
    if (is_pending(err))
        outcome.sent = RB_SENT_MAYBE; // the attempt goes on without us
    return outcome;
}

// ---- getaddrinfo ----

static struct rb_outcome eai_system(int err)
{
    struct rb_outcome outcome = err != 0 ? rb_classify_errno(err, false) : permanent;
    if (outcome.permanent || outcome.cause == RB_CAUSE_NONE)
        return permanent;
    return passing(RB_CAUSE_DNS, RB_HEALTH_IGNORED);
}

// The outcomes with cause DNS. A failed lookup says nothing about a peer's health: the peer was not asked.
struct rb_outcome rb_classify_eai(int eai, int err)
{
    struct rb_outcome outcome = passing(RB_CAUSE_DNS, RB_HEALTH_IGNORED);
    switch (eai) {
    case 0:
        return success;
    case EAI_AGAIN:
        return outcome;
    case EAI_FAIL:
        outcome.once = true;
        return outcome;
    case EAI_SYSTEM:
        return eai_system(err);
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        outcome.permanent = true;
        return outcome;
    default:
        return permanent;
    }
}

// ---- libcurl ----

enum curl_kind {
    CURL_PERMANENT, // every code without a row
    CURL_PLAIN,     // as the row says
    CURL_STATUS,    // by the HTTP status
    CURL_CONNECT,   // by errno where it is one of connect
    CURL_TIMEOUT,   // by what was reached when the time was over
    CURL_HANDSHAKE, // by errno; without one that explains it, trust or configuration is likely: worth one retry
    CURL_SEND,      // likewise when not one byte went out: a TLS peer that wants a certificate looks like this
    CURL_RECEIVE,   // without errno and over TLS: an alert
    CURL_MALFORMED  // a bad URL, or a reply that is not HTTP
};

enum {
    CURL_UNSENT = 1 << 0, // the code itself says so, also where request_size proves nothing
    CURL_BEGUN = 1 << 1,  // the code itself says that a response began
    CURL_ONCE = 1 << 2,
    CURL_LOCAL = 1 << 3 // the resolver or the proxy failed: says nothing about the host
};

struct curl_row {
    unsigned char kind;
    unsigned char cause;
    unsigned char flags;
};

// By CURLcode. libcurl-errors(3) has the names.
static const struct curl_row curl_table[] = {
    [0] = {CURL_STATUS, RB_CAUSE_NONE, 0},
    [1] = {CURL_MALFORMED, RB_CAUSE_RESET, 0},                  // UNSUPPORTED_PROTOCOL
    [5] = {CURL_PLAIN, RB_CAUSE_DNS, CURL_UNSENT | CURL_LOCAL}, // COULDNT_RESOLVE_PROXY
    [6] = {CURL_PLAIN, RB_CAUSE_DNS, CURL_UNSENT | CURL_LOCAL}, // COULDNT_RESOLVE_HOST
    [7] = {CURL_CONNECT, RB_CAUSE_REFUSED, CURL_UNSENT},        // COULDNT_CONNECT
    [8] = {CURL_PLAIN, RB_CAUSE_RESET, CURL_BEGUN},             // WEIRD_SERVER_REPLY
    [12] = {CURL_PLAIN, RB_CAUSE_TIMEOUT, 0},                   // FTP_ACCEPT_TIMEOUT
    [16] = {CURL_PLAIN, RB_CAUSE_RESET, 0},                     // HTTP2
    [18] = {CURL_PLAIN, RB_CAUSE_RESET, CURL_BEGUN},            // PARTIAL_FILE
    [22] = {CURL_STATUS, RB_CAUSE_OTHER, 0},                    // HTTP_RETURNED_ERROR
    [28] = {CURL_TIMEOUT, RB_CAUSE_TIMEOUT, 0},                 // OPERATION_TIMEDOUT
    [33] = {CURL_STATUS, RB_CAUSE_OTHER, 0},         // RANGE_ERROR: also where an error's body meets a resume
    [35] = {CURL_HANDSHAKE, RB_CAUSE_RESET, 0},      // SSL_CONNECT_ERROR
    [52] = {CURL_PLAIN, RB_CAUSE_RESET, 0},          // GOT_NOTHING
    [55] = {CURL_SEND, RB_CAUSE_RESET, 0},           // SEND_ERROR
    [56] = {CURL_RECEIVE, RB_CAUSE_RESET, 0},        // RECV_ERROR
    [61] = {CURL_PLAIN, RB_CAUSE_OTHER, CURL_BEGUN}, // BAD_CONTENT_ENCODING
    [92] = {CURL_PLAIN, RB_CAUSE_RESET, 0},          // HTTP2_STREAM
    [95] = {CURL_PLAIN, RB_CAUSE_RESET, 0},          // HTTP3
    [96] = {CURL_CONNECT, RB_CAUSE_REFUSED, 0},      // QUIC_CONNECT_ERROR
    [97] = {CURL_PLAIN, RB_CAUSE_REFUSED, CURL_ONCE | CURL_LOCAL}, // PROXY
};

static enum rb_sent curl_sent(const struct rb_curl_result *result, unsigned flags)
{
    if (result->answered || (flags & CURL_BEGUN))
        return RB_SENT_ANSWERED;
    if (result->http)
        return result->request_size == 0 ? RB_SENT_NEVER : RB_SENT_MAYBE;
    return flags & CURL_UNSENT ? RB_SENT_NEVER : RB_SENT_MAYBE;
}

static void make_permanent(struct rb_outcome *outcome)
{
    outcome->cause = RB_CAUSE_OTHER;
    outcome->health = RB_HEALTH_IGNORED;
    outcome->permanent = true;
}

// Only HTTP has statuses that mean what the policy means; other schemes leave their own numbers there.
static void judge_status(struct rb_outcome *outcome, const struct rb_curl_result *result)
{
    unsigned status = result->http ? result->status : 0;
    if (result->code != 0 && status < HTTP_ERROR) {
        make_permanent(outcome);
        return;
    }
    outcome->cause = status >= HTTP_ERROR ? RB_CAUSE_STATUS : RB_CAUSE_NONE;
    outcome->health = RB_HEALTH_SUCCESS;
    outcome->status = status;
    if (status > 0)
        outcome->sent = RB_SENT_ANSWERED;
    if (status >= HTTP_SERVER_ERROR)
        outcome->health = RB_HEALTH_FAILURE;
    if (status == HTTP_THROTTLED)
        outcome->health = RB_HEALTH_THROTTLED;
}

// ENOENT and EAGAIN come from CURLOPT_UNIX_SOCKET_PATH. A pending errno is left over from the non-blocking start.
// Without an errno libcurl did not get as far as connect: it had no descriptor for a socket (EMFILE), or a callback of
// the program refused the address.
static void judge_connect(struct rb_outcome *outcome, int err)
{
    struct rb_outcome detail = rb_classify_errno(err, true);
    if (detail.cause == RB_CAUSE_NONE)
        outcome->health = RB_HEALTH_IGNORED;
    if (detail.cause == RB_CAUSE_NONE || is_pending(err))
        return;
    outcome->cause = detail.cause;
    outcome->health = detail.health;
    outcome->permanent = detail.permanent;
}

// A host that answers nothing while a name is looked up was not asked. One that accepts a connection and does not
// answer the handshake may be a plain-text server that waits for the rest of a line.
static void judge_timeout(struct rb_outcome *outcome, enum rb_reached reached)
{
    if (reached == RB_REACHED_NOTHING || reached == RB_REACHED_PEER)
        outcome->health = RB_HEALTH_IGNORED;
}

// A plain-text server resets or closes the connection when it reads a TLS handshake. A failing TLS server does the
// same, so only a peer that has vanished counts against the host.
static void judge_handshake(struct rb_outcome *outcome, int err)
{
    if (err == ETIMEDOUT) {
        outcome->cause = RB_CAUSE_TIMEOUT;
        return;
    }
    outcome->health = RB_HEALTH_IGNORED;
    if (err != ECONNRESET && err != EPIPE && err != ECONNABORTED)
        outcome->once = true;
}

// A TLS 1.3 server refuses a client without the right certificate only after the client has sent its request.
static void judge_receive(struct rb_outcome *outcome, const struct rb_curl_result *result)
{
    if (result->tls && result->os_errno == 0 && !result->answered)
        outcome->health = RB_HEALTH_IGNORED;
}

// Sent bytes prove that the URL was fine and the reply was not HTTP, which no repetition makes better. A client that
// speaks to the wrong port gets such a reply from a server that is well. With a redirect as the last status it was the
// new location's scheme that is not supported.
static void judge_malformed(struct rb_outcome *outcome, const struct rb_curl_result *result)
{
    bool redirect = result->status >= HTTP_REDIRECT && result->status < HTTP_ERROR;
    if (!result->http || result->request_size <= 0 || redirect)
        outcome->cause = RB_CAUSE_OTHER;
    outcome->health = RB_HEALTH_IGNORED;
    outcome->permanent = true;
}

// The proxy failed before it had reached the host.
static bool failed_at_proxy(const struct rb_curl_result *result)
{
    return result->proxied && result->code != 0 && result->reached != RB_REACHED_UNKNOWN &&
           result->reached != RB_REACHED_SERVER;
}

static struct curl_row find_row(int code)
{
    static const struct curl_row none = {CURL_PERMANENT, RB_CAUSE_OTHER, 0};
    return code >= 0 && (size_t) code < COUNT_OF(curl_table) ? curl_table[code] : none;
}

struct rb_outcome rb_classify_curl(const struct rb_curl_result *result)
{
    struct curl_row row = find_row(result->code);
    struct rb_outcome outcome = passing((enum rb_cause) row.cause, RB_HEALTH_FAILURE);
    outcome.sent = curl_sent(result, row.flags);
    outcome.once = (row.flags & CURL_ONCE) != 0;
    switch ((enum curl_kind) row.kind) {
    case CURL_PERMANENT:
        make_permanent(&outcome);
        break;
    case CURL_STATUS:
        outcome.permanent = false;
        judge_status(&outcome, result);
        break;
    case CURL_CONNECT:
        judge_connect(&outcome, result->os_errno);
        break;
    case CURL_TIMEOUT:
        judge_timeout(&outcome, result->reached);
        break;
    case CURL_HANDSHAKE:
        judge_handshake(&outcome, result->os_errno);
        break;
    case CURL_SEND:
        if (outcome.sent == RB_SENT_NEVER)
            judge_handshake(&outcome, result->os_errno);
        break;
    case CURL_RECEIVE:
        judge_receive(&outcome, result);
        break;
    case CURL_MALFORMED:
        judge_malformed(&outcome, result);
        break;
    case CURL_PLAIN:
        break;
    }
    if ((row.flags & CURL_LOCAL) || failed_at_proxy(result))
        outcome.health = RB_HEALTH_IGNORED;
    return outcome;
}

const char *rb_cause_name(enum rb_cause cause)
{
    static const char *const names[RB_CAUSE_COUNT] = {
        [RB_CAUSE_NONE] = "none",     [RB_CAUSE_REFUSED] = "refused", [RB_CAUSE_UNREACHABLE] = "unreachable",
        [RB_CAUSE_RESET] = "reset",   [RB_CAUSE_TIMEOUT] = "timeout", [RB_CAUSE_DNS] = "dns",
        [RB_CAUSE_STATUS] = "status", [RB_CAUSE_OTHER] = "other",
    };
    return (unsigned) cause < RB_CAUSE_COUNT ? names[cause] : "other";
}
