// SPDX-License-Identifier: MIT
// Tables of the transient results of libcurl, connect and getaddrinfo. Results without a row are permanent.
#define _GNU_SOURCE 1
#include "engine/classify.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>

enum { HTTP_REDIRECT = 300, HTTP_ERROR = 400, HTTP_PROXY_LOGIN = 407, HTTP_THROTTLED = 429, HTTP_SERVER_ERROR = 500 };

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// The default of every table: the caller's bug, trust, policy or local resources.
static const struct rb_outcome permanent = {
    .cause = RB_CAUSE_OTHER, .sent = RB_SENT_NEVER, .health = RB_HEALTH_IGNORED, .permanent = true};

static const struct rb_outcome success = {.cause = RB_CAUSE_NONE, .sent = RB_SENT_MAYBE, .health = RB_HEALTH_SUCCESS};

// ---- connect ----

// The transient errnos of connect. health is IGNORED for errors of the local host. For AF_UNIX, ENOENT means a daemon
// that does not run yet, and EAGAIN means its backlog is full.
struct errno_row {
    int err;
    enum rb_cause cause;
    enum rb_health health;
    enum rb_cause unix_cause; // the cause for AF_UNIX; RB_CAUSE_OTHER: same as `cause`
    bool absent;              // as in struct rb_outcome
};

static const struct errno_row errno_table[] = {
    {ECONNREFUSED, RB_CAUSE_REFUSED, RB_HEALTH_FAILURE, RB_CAUSE_OTHER, true},
    {ETIMEDOUT, RB_CAUSE_TIMEOUT, RB_HEALTH_FAILURE, RB_CAUSE_OTHER, false},
    {ENETUNREACH, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER, true},
    {EHOSTUNREACH, RB_CAUSE_UNREACHABLE, RB_HEALTH_FAILURE, RB_CAUSE_OTHER, true},
    {EHOSTDOWN, RB_CAUSE_UNREACHABLE, RB_HEALTH_FAILURE, RB_CAUSE_OTHER, true},
    {ECONNRESET, RB_CAUSE_RESET, RB_HEALTH_FAILURE, RB_CAUSE_OTHER, false},
    {ECONNABORTED, RB_CAUSE_RESET, RB_HEALTH_IGNORED, RB_CAUSE_OTHER, false},
    {ENETDOWN, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER, true},
    {EADDRNOTAVAIL, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER, false},
    {ENOBUFS, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_OTHER, false},
    {EAGAIN, RB_CAUSE_UNREACHABLE, RB_HEALTH_IGNORED, RB_CAUSE_REFUSED, false},
    {ENOENT, RB_CAUSE_OTHER, RB_HEALTH_IGNORED, RB_CAUSE_REFUSED, true},
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
        bool local = unix_socket && row->unix_cause != RB_CAUSE_OTHER;
        struct rb_outcome found =
            local ? passing(row->unix_cause, RB_HEALTH_FAILURE) : passing(row->cause, row->health);
        found.absent = row->absent && !found.permanent;
        return found;
    }
    struct rb_outcome outcome = permanent;
    if (is_pending(err))
        outcome.sent = RB_SENT_MAYBE; // the kernel continues the connect
    return outcome;
}

// ---- getaddrinfo ----

// A failed lookup says nothing about the peer's health: the peer was not contacted.
struct rb_outcome rb_classify_eai(int eai, int err)
{
    struct rb_outcome outcome = passing(RB_CAUSE_DNS, RB_HEALTH_IGNORED), of_errno;
    switch (eai) {
    case 0:
        return success;
    case EAI_AGAIN:
        outcome.absent = true;
        return outcome;
    case EAI_FAIL:
        outcome.once = true;
        return outcome;
    case EAI_SYSTEM:
        of_errno = rb_classify_errno(err, false);
        outcome.absent = true;
        return of_errno.permanent || of_errno.cause == RB_CAUSE_NONE ? permanent : outcome;
    case EAI_NONAME:
        outcome.absent = outcome.permanent = true;
        return outcome;
    case EAI_NODATA: // the name exists
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
    CURL_PLAIN,     // the row's cause and flags
    CURL_STATUS,    // by the HTTP status
    CURL_CONNECT,   // by errno of connect
    CURL_TIMEOUT,   // by how far the attempt got
    CURL_HANDSHAKE, // by errno; without a helpful errno, trust or configuration is the likely cause: one retry
    CURL_SEND,      // as CURL_HANDSHAKE if no byte was sent: a TLS peer that requires a certificate fails like this
    CURL_RECEIVE,   // over TLS without errno: a TLS alert
    CURL_REWIND,    // by what made libcurl send the request again
    CURL_MALFORMED  // a bad URL, or a reply that is not HTTP
};

enum {
    CURL_UNSENT = 1 << 0, // the code itself proves that nothing was sent
    CURL_BEGUN = 1 << 1,  // the code itself proves that a response began
    CURL_ONCE = 1 << 2,
    CURL_LOCAL = 1 << 3, // the resolver or the proxy failed: says nothing about the host
    CURL_ABSENT = 1 << 4 // the host has no name
};

struct curl_row {
    unsigned char kind;
    unsigned char cause;
    unsigned char flags;
};

// By CURLcode. libcurl-errors(3) has the names.
static const struct curl_row curl_table[] = {
    [0] = {CURL_STATUS, RB_CAUSE_NONE, 0},
    [1] = {CURL_MALFORMED, RB_CAUSE_RESET, 0},                                // UNSUPPORTED_PROTOCOL
    [5] = {CURL_PLAIN, RB_CAUSE_DNS, CURL_UNSENT | CURL_LOCAL},               // COULDNT_RESOLVE_PROXY
    [6] = {CURL_PLAIN, RB_CAUSE_DNS, CURL_UNSENT | CURL_LOCAL | CURL_ABSENT}, // COULDNT_RESOLVE_HOST
    [7] = {CURL_CONNECT, RB_CAUSE_REFUSED, CURL_UNSENT},                      // COULDNT_CONNECT
    [8] = {CURL_PLAIN, RB_CAUSE_RESET, CURL_BEGUN},                           // WEIRD_SERVER_REPLY
    [12] = {CURL_PLAIN, RB_CAUSE_TIMEOUT, 0},                                 // FTP_ACCEPT_TIMEOUT
    [16] = {CURL_PLAIN, RB_CAUSE_RESET, 0},                                   // HTTP2
    [18] = {CURL_PLAIN, RB_CAUSE_RESET, CURL_BEGUN},                          // PARTIAL_FILE
    [22] = {CURL_STATUS, RB_CAUSE_OTHER, 0},                                  // HTTP_RETURNED_ERROR
    [28] = {CURL_TIMEOUT, RB_CAUSE_TIMEOUT, 0},                               // OPERATION_TIMEDOUT
    [33] = {CURL_STATUS, RB_CAUSE_OTHER, 0},         // RANGE_ERROR: also where an error's body meets a resume
    [35] = {CURL_HANDSHAKE, RB_CAUSE_RESET, 0},      // SSL_CONNECT_ERROR
    [52] = {CURL_PLAIN, RB_CAUSE_RESET, 0},          // GOT_NOTHING
    [55] = {CURL_SEND, RB_CAUSE_RESET, 0},           // SEND_ERROR
    [56] = {CURL_RECEIVE, RB_CAUSE_RESET, 0},        // RECV_ERROR
    [61] = {CURL_PLAIN, RB_CAUSE_OTHER, CURL_BEGUN}, // BAD_CONTENT_ENCODING
    [65] = {CURL_REWIND, RB_CAUSE_RESET, 0},         // SEND_FAIL_REWIND
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

// Only HTTP statuses have the policy's meaning; for other schemes libcurl stores other numbers there.
static void set_status(struct rb_outcome *outcome, unsigned status)
{
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

static void judge_status(struct rb_outcome *outcome, const struct rb_curl_result *result)
{
    unsigned status = result->http ? result->status : 0;
    if (result->code != 0 && status < HTTP_ERROR)
        make_permanent(outcome);
    else
        set_status(outcome, status);
}

struct rb_outcome rb_classify_http(unsigned status)
{
    struct rb_outcome outcome = {0};
    set_status(&outcome, status);
    return outcome;
}

// ENOENT and EAGAIN come from CURLOPT_UNIX_SOCKET_PATH. A pending errno is left over from the start of the non-blocking
// connect. Without an errno libcurl did not call connect: it had no descriptor for a socket (EMFILE), or a callback of
// the program rejected the address.
static void judge_connect(struct rb_outcome *outcome, int err)
{
    struct rb_outcome detail = rb_classify_errno(err, true);
    if (detail.cause == RB_CAUSE_NONE)
        outcome->health = RB_HEALTH_IGNORED;
    outcome->absent = is_pending(err);
    if (detail.cause == RB_CAUSE_NONE || is_pending(err))
        return;
    outcome->cause = detail.cause;
    outcome->health = detail.health;
    outcome->permanent = detail.permanent;
    outcome->absent = detail.absent;
}

// A plain-text server resets or closes the connection when it receives a TLS handshake, and so does a failing TLS
// server. Only a timeout counts against the host.
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

// If bytes were sent, the URL was valid and the reply was not HTTP; a retry does not help. A client that uses the wrong
// port gets such a reply from a healthy server. If the last status is a redirect, the new location's scheme is not
// supported.
static void judge_malformed(struct rb_outcome *outcome, const struct rb_curl_result *result)
{
    bool redirect = result->status >= HTTP_REDIRECT && result->status < HTTP_ERROR;
    if (!result->http || result->request_size <= 0 || redirect)
        outcome->cause = RB_CAUSE_OTHER;
    outcome->health = RB_HEALTH_IGNORED;
    outcome->permanent = true;
}

static struct curl_row row_of(const struct rb_curl_result *result)
{
    static const struct curl_row cut = {CURL_PLAIN, RB_CAUSE_RESET, CURL_BEGUN};
    if (result->cut && result->code == 0)
        return cut;
    if (result->code >= 0 && (size_t) result->code < COUNT_OF(curl_table))
        return curl_table[result->code];
    return (struct curl_row){CURL_PERMANENT, RB_CAUSE_OTHER, 0};
}

// A proxy refused a CONNECT. The request was not sent, unless an earlier request of the same attempt was: one that was
// redirected, or one on a kept connection that had broken. The status says nothing about the host. Another attempt with
// a wrong password can lock the account, so 407 is permanent.
static struct rb_outcome judge_tunnel(const struct rb_curl_result *result)
{
    struct rb_outcome outcome = passing(RB_CAUSE_STATUS, RB_HEALTH_IGNORED);
    outcome.sent = curl_sent(result, 0);
    outcome.status = result->tunnel;
    outcome.tunnel = true;
    outcome.permanent = result->tunnel < HTTP_ERROR || result->tunnel == HTTP_PROXY_LOGIN;
    return outcome;
}

struct rb_outcome rb_classify_curl(const struct rb_curl_result *result)
{
    struct curl_row row = row_of(result);
    // If a proxy refuses a CONNECT, libcurl returns COULDNT_CONNECT from 8.20 on, and RECV_ERROR before. With
    // CURLOPT_FAILONERROR, it returns HTTP_RETURNED_ERROR.
    bool by_proxy = result->code == 7 || result->code == 22 || result->code == 56;
    if (result->http && by_proxy && result->tunnel >= HTTP_REDIRECT)
        return judge_tunnel(result);
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
        // During a name lookup the host was not contacted. A host that accepts a connection but does not answer the
        // handshake may be a plain-text server that waits for the rest of a line.
        if (result->reached == RB_REACHED_NOTHING || result->reached == RB_REACHED_PEER)
            outcome.health = RB_HEALTH_IGNORED;
        break;
    case CURL_HANDSHAKE:
        judge_handshake(&outcome, result->os_errno);
        break;
    case CURL_SEND:
        if (outcome.sent == RB_SENT_NEVER)
            judge_handshake(&outcome, result->os_errno);
        break;
    case CURL_RECEIVE:
        // A TLS 1.3 server refuses a client without the right certificate only after the client has sent its request.
        if (result->tls && result->os_errno == 0 && !result->answered)
            outcome.health = RB_HEALTH_IGNORED;
        break;
    case CURL_MALFORMED:
        judge_malformed(&outcome, result);
        break;
    case CURL_REWIND:
        // libcurl sends a request again if a kept connection breaks before an answer, which says nothing about the
        // host. After an answer (a redirect, an authentication round), or if nothing was sent (a form that an earlier
        // attempt has read), the body is at fault.
        outcome.health = RB_HEALTH_IGNORED;
        if (!result->http || result->request_size <= 0 || result->finished)
            make_permanent(&outcome);
        break;
    case CURL_PLAIN:
        break;
    }
    bool at_proxy = result->proxied && result->code != 0 && result->reached != RB_REACHED_UNKNOWN &&
                    result->reached != RB_REACHED_SERVER; // the proxy failed before it reached the host
    if ((row.flags & CURL_LOCAL) || at_proxy)
        outcome.health = RB_HEALTH_IGNORED;
    // A transfer through a proxy depends on the proxy, not on the host of the URL.
    outcome.absent = (outcome.absent || (row.flags & CURL_ABSENT)) && !result->proxied;
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
