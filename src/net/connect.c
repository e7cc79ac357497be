// SPDX-License-Identifier: MIT
// The loop of attempts around the real connect.
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "net/connect.h"
#include "net/names.h"
#include "net/socket.h"
#include "real/libc.h"
#include "real/system.h"
#include "state/cells.h"
#include "state/process.h"

// Whom the call is for.
struct peer {
    struct rb_target target; // its name may point to `name`
    bool last_candidate;
    char name[RB_NAME_SIZE];
};

// One call of the program. It is large, and most calls are of hosts that no section covers: set up after the match
// only.
struct connection {
    int fd;
    const struct sockaddr *address;
    socklen_t length;
    const struct peer *peer;
    struct rb_rules rules; // a copy, as far as it is used: the policy may be replaced while we wait
    char policy[RB_SECTION_NAME_SIZE];
    struct rb_call call;
};

static void report(const struct connection *c, enum rb_verdict verdict, const struct rb_outcome *outcome,
                   uint64_t delay_ms, enum rb_reason reason)
{
    char host[RB_LABEL_SIZE];
    rb_target_format(&c->peer->target, host, sizeof host);
    struct rb_event event = {
        .verdict = verdict,
        .policy = c->policy,
        .host = host,
        .api = "connect",
        .cause = outcome ? outcome->cause : RB_CAUSE_NONE,
        .attempt = c->call.attempt,
        .delay_ms = delay_ms,
        .reason = reason,
    };
    rb_process_event(&event);
}

// What no program maps: the kernel answers EFAULT where reading it here would crash. Other bad pointers are not worth a
// system call for each connect.
static bool is_wild(const struct sockaddr *address)
{
    enum { PAGE = 4096 };
    return (uintptr_t) address < PAGE || (uintptr_t) address > UINTPTR_MAX - PAGE;
}

// Finds the section of the address, by the name of the program's own lookup first. NULL: not ours.
static const struct rb_section *match(struct peer *peer, const struct sockaddr *address, socklen_t length,
                                      const struct rb_policy *policy)
{
    if (is_wild(address) || rb_target_from_sockaddr(&peer->target, address, length) != 0)
        return NULL;
    peer->last_candidate = true;
    if (peer->target.family != AF_UNIX && rb_names_find(&peer->target, peer->name, &peer->last_candidate) &&
        peer->name[0]) {
        peer->target.name = peer->name;
        peer->target.name_length = strlen(peer->name);
    }
    const struct rb_section *section = rb_policy_match(policy, &peer->target, NULL);
    return section && (section->rules.intercept & RB_INTERCEPT_CONNECT) ? section : NULL;
}

// Returns the breaker of the call, NULL where there is none.
static struct rb_breaker *begin(struct connection *c, const struct rb_section *section, uint64_t now_ms)
{
    struct rb_cell *cell = rb_cell_get(rb_cell_key(section, &c->peer->target), now_ms);
    memcpy(&c->rules, &section->rules, offsetof(struct rb_rules, methods)); // no method here
    memcpy(c->policy, section->name, strnlen(section->name, sizeof c->policy - 1) + 1);
    c->policy[sizeof c->policy - 1] = '\0';
    struct rb_breaker *breaker = cell && c->rules.breaker_on ? &cell->breaker : NULL;
    rb_call_begin(&c->call, &c->rules, breaker, cell ? &cell->budget : NULL, c->rules.total_ms, now_ms);
    rb_process_count_call(c->policy);
    return breaker;
}

static bool is_pending(int result)
{
    return result == -EINPROGRESS || result == -EALREADY || result == -EINTR || result == -EISCONN;
}

// The limit of this attempt: timeout.connect, and after the first attempt also what is left of the total time.
static uint64_t limit_ms(const struct connection *c)
{
    uint64_t limit = c->rules.connect_ms, attempt = c->rules.attempt_ms;
    if (attempt && (limit == 0 || attempt < limit))
        limit = attempt;
    if (c->call.attempt <= 1)
        return limit;
    uint64_t now_ms = rb_system_now_ms();
    uint64_t left = c->call.deadline_ms > now_ms ? c->call.deadline_ms - now_ms : 1;
    return limit && limit < left ? limit : left;
}

// Datagram and non-blocking sockets pass through. Asking costs more than all the rest of a call that succeeds, so it is
// asked where the answer matters: before a limit or a refusal, and after a failure. A datagram socket that is connected
// to a covered host counts as a success there; that can only keep the breaker closed a little longer.
static bool is_ours(const struct connection *c)
{
    return rb_socket_is_stream(c->fd) && rb_socket_is_blocking(c->fd);
}

static int first_attempt(struct connection *c)
{
    uint64_t limit = limit_ms(c);
    return rb_socket_connect(c->fd, c->address, c->length, limit && is_ours(c) ? limit : 0);
}

// After these the kernel takes another connect on the same socket as it is; after others it must be reset first.
static bool connects_again(int result)
{
    return result == -ECONNREFUSED || result == -ENETUNREACH || result == -EHOSTUNREACH || result == -ETIMEDOUT;
}

static int next_attempt(struct connection *c, int previous)
{
    if (c->peer->target.family != AF_UNIX && !connects_again(previous))
        rb_socket_disconnect(c->fd);
    int result = rb_socket_connect(c->fd, c->address, c->length, limit_ms(c));
    if (result == 0 && rb_socket_is_self_connected(c->fd)) {
        rb_socket_disconnect(c->fd);
        return -ECONNREFUSED;
    }
    return result;
}

// Why this failure cannot be repeated here, whatever the policy says.
static enum rb_reason blocked(const struct connection *c)
{
    return c->peer->last_candidate ? RB_REASON_NONE : RB_REASON_CANDIDATE;
}

// A candidate that is not the last says nothing about the host: with ::1 refused and 127.0.0.1 alive the host is well.
static struct rb_outcome judged(const struct connection *c, int result)
{
    struct rb_outcome outcome = rb_classify_errno(-result, c->peer->target.family == AF_UNIX);
    if (result != 0 && !c->peer->last_candidate)
        outcome.health = RB_HEALTH_IGNORED;
    return outcome;
}

// Waits and begins the next attempt. Returns its result; *ended: there was none, hand this result on. Another thread
// may have closed the socket meanwhile, as a way to end the call: what has its number now is not ours to connect.
//   identity: the socket's, as it was before anybody could know of the wait
static int again(struct connection *c, uint64_t delay_ms, uint64_t identity, const struct rb_outcome *outcome,
                 int result, bool *ended)
{
    int waited = rb_system_wait_restartable(delay_ms);
    bool gone = rb_socket_identity(c->fd) != identity;
    *ended = true;
    if (waited == -EINTR || gone) {
        report(c, RB_VERDICT_STOP, outcome, 0, RB_REASON_INTERRUPTED);
        if (gone)
            return waited == -EINTR ? -EINTR : result;
        return rb_socket_connect_behind(c->fd, c->address, c->length);
    }
    if (waited != 0) {
        report(c, RB_VERDICT_STOP, outcome, 0, RB_REASON_RESOURCE);
        return result;
    }
    if (!rb_call_admit(&c->call, rb_system_now_ms(), NULL)) {
        report(c, RB_VERDICT_STOP, outcome, 0, RB_REASON_BREAKER);
        return result;
    }
    *ended = false;
    return next_attempt(c, result);
}

// Repeats a failed connect as long as the policy allows. Returns the last result.
static int repeat(struct connection *c, int result)
{
    for (bool ended = false; !ended;) {
        struct rb_outcome outcome = judged(c, result);
        struct rb_decision decision =
            rb_call_judge(&c->call, &outcome, blocked(c), true, NULL, rb_system_now_ms(), rb_system_random());
        if (result == 0)
            report(c, RB_VERDICT_RECOVERED, &outcome, 0, RB_REASON_NONE);
        if (result == 0 || is_pending(result))
            break;
        uint64_t identity = decision.retry ? rb_socket_identity(c->fd) : 0;
        report(c, decision.retry ? RB_VERDICT_RETRY : RB_VERDICT_STOP, &outcome, decision.delay_ms, decision.reason);
        if (!decision.retry)
            break;
        result = again(c, decision.delay_ms, identity, &outcome, result, &ended);
    }
    return result;
}

// Tells the breaker how a call ended that is not repeated.
static void settle(struct connection *c, int result)
{
    struct rb_outcome outcome = judged(c, result);
    rb_call_judge(&c->call, &outcome, RB_REASON_NONE, true, NULL, rb_system_now_ms(), 0);
}

static int run(struct connection *c, const struct rb_breaker *breaker, uint64_t now_ms)
{
    bool closed = !breaker || rb_breaker_peek(breaker, NULL) == RB_BREAKER_CLOSED;
    if (!closed && !is_ours(c))
        return rb_socket_connect(c->fd, c->address, c->length, 0);
    if (!rb_call_admit(&c->call, now_ms, NULL)) {
        if (closed && !is_ours(c)) // it opened just now
            return rb_socket_connect(c->fd, c->address, c->length, 0);
        report(c, RB_VERDICT_REFUSED, NULL, 0, RB_REASON_BREAKER);
        return -ECONNREFUSED;
    }
    int result = first_attempt(c);
    if (result == 0 || is_pending(result))
        settle(c, result);
    else if (is_ours(c))
        result = repeat(c, result);
    else
        settle(c, -EINPROGRESS); // not ours to judge
    return result;
}

// Not inlined: the frame is for matched hosts.
__attribute__((noinline)) static int perform(int fd, const struct sockaddr *address, socklen_t length,
                                             const struct peer *peer, const struct rb_section *section)
{
    struct connection c;
    uint64_t now_ms = rb_system_now_ms();
    c.fd = fd;
    c.address = address;
    c.length = length;
    c.peer = peer;
    const struct rb_breaker *breaker = begin(&c, section, now_ms);
    return run(&c, breaker, now_ms);
}

int rb_net_connect(int fd, const struct sockaddr *address, socklen_t length, const struct rb_policy *policy)
{
    struct peer peer;
    int saved = errno;
    const struct rb_section *section = match(&peer, address, length, policy);
    if (!section)
        return rb_libc_connect(fd, address, length);
    int result = perform(fd, address, length, &peer, section);
    errno = result == 0 ? saved : -result;
    return result == 0 ? 0 : -1;
}
