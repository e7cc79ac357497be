// SPDX-License-Identifier: MIT
// The parts that blocking and parked connects share.
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "base/arithmetic.h"
#include "net/connection.h"
#include "net/failover.h"
#include "net/lookup/names.h"
#include "process/process.h"
#include "process/starting.h"
#include "real/checker.h"
#include "real/memory.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "state/cells.h"

// Returns how many bytes of the address decide where it leads. The rest may be uninitialised.
static size_t decisive(const struct sockaddr *address, size_t size)
{
    const char *bytes = (const char *) address;
    sa_family_t family;
    size_t least = sizeof(family);
    if (size < least || !rb_memory_is_initialised(address, least))
        return size < least ? size : least;
    memcpy(&family, bytes, sizeof(family));
    switch (family) {
    case AF_INET:
        least = offsetof(struct sockaddr_in, sin_zero);
        break;
    case AF_INET6:
        least = offsetof(struct sockaddr_in6, sin6_scope_id);
        break;
    case AF_UNIX:
        least = offsetof(struct sockaddr_un, sun_path);
        while (least < size && rb_memory_is_initialised(bytes + least, 1) && bytes[least])
            least++;
        least++;
        break;
    default:
        break;
    }
    return least < size ? least : size;
}

// False for an address that the kernel refuses, or for which valgrind reports a mistake of the program. Then the
// program's own call must be the only one that uses the address.
static bool can_read_address(const struct sockaddr *address, socklen_t length)
{
    size_t longest = sizeof(struct sockaddr_storage); // the kernel refuses longer ones
    size_t size = length < longest ? length : longest;
    if (!rb_memory_is_readable_fast(address, size))
        return false;
    return !rb_checker_is_valgrind() || rb_memory_is_initialised(address, decisive(address, size));
}

const struct rb_section *rb_peer_match(struct rb_peer *peer, int fd, const struct sockaddr *address, socklen_t length,
                                       const struct rb_policy *policy)
{
    if (!can_read_address(address, length) || rb_target_from_sockaddr(&peer->target, address, length) != 0)
        return NULL;
    if (rb_failover_waits())
        rb_failover_dials(fd, &peer->target, rb_system_now_ms());
    peer->last_candidate = true;
    if (peer->target.family != AF_UNIX && rb_names_find(&peer->target, peer->name, &peer->last_candidate) &&
        peer->name[0]) {
        peer->target.name = peer->name;
        peer->target.name_length = strlen(peer->name);
    }
    return rb_process_match(policy, &peer->target, RB_INTERCEPT_CONNECT);
}

void rb_connection_begin(struct rb_connection *c, struct rb_peer *peer, const struct rb_section *section,
                         uint64_t now_ms)
{
    c->peer = peer;
    c->candidate = (struct rb_candidate){0};
    c->own_until_ms = UINT64_MAX;
    c->rules = section->rules;
    memcpy(c->policy, section->name, strnlen(section->name, sizeof(c->policy) - 1) + 1);
    c->policy[sizeof(c->policy) - 1] = '\0';
    struct rb_cell *cell =
        rb_cell_get(rb_cell_key(section, &peer->target, 0), c->policy, &c->rules, &peer->target, now_ms);
    rb_cell_begin(cell, &c->call, &c->rules, c->rules.total_ms, now_ms);
    rb_starting_begin(&c->call, section, &peer->target);
    rb_process_count_call(c->policy);
}

void rb_connection_move(struct rb_connection *to, struct rb_peer *peer, const struct rb_connection *from)
{
    memcpy(peer, from->peer, sizeof(*peer));
    to->rules = from->rules;
    memcpy(to->policy, from->policy, sizeof(to->policy));
    to->call = from->call;
    to->call.rules = &to->rules;
    to->own_until_ms = from->own_until_ms;
    to->candidate = from->candidate;
    to->peer = peer;
    if (from->peer->target.name == from->peer->name)
        peer->target.name = peer->name;
}

struct rb_outcome rb_connection_outcome(const struct rb_connection *c, int result)
{
    struct rb_outcome outcome = rb_classify_errno(-result, c->peer->target.family == AF_UNIX);
    if (result != 0 && !c->peer->last_candidate)
        outcome.health = RB_HEALTH_IGNORED;
    return outcome;
}

// True for an address that the program did not look up by name.
static bool is_literal(const struct rb_connection *c)
{
    return c->peer->target.family != AF_UNIX && !c->peer->target.name;
}

void rb_connection_goes_on(struct rb_connection *c)
{
    if (is_literal(c) && c->rules.failover == RB_FAILOVER_AUTO)
        c->candidate = rb_candidates_begin(&c->peer->target, c->call.begun_ms);
}

bool rb_connection_fails_last(struct rb_connection *c)
{
    rb_candidates_failed(&c->candidate);
    if (rb_candidates_is_followed(&c->candidate, rb_system_now_ms()))
        c->peer->last_candidate = false;
    return c->peer->last_candidate;
}

struct rb_decision rb_connection_judge(struct rb_connection *c, const struct rb_outcome *outcome, bool may_repeat,
                                       bool parks)
{
    uint64_t now_ms = rb_system_now_ms();
    bool literal = is_literal(c), learns = literal && c->rules.failover == RB_FAILOVER_AUTO;
    bool fails_over = literal && (c->rules.failover == RB_FAILOVER_PROGRAM || (learns && rb_failover_is_known()));
    enum rb_reason blocked = fails_over ? RB_REASON_FAILOVER : RB_REASON_NONE;
    if (!c->peer->last_candidate)
        blocked = RB_REASON_CANDIDATE;
    if (rb_sandbox_is_filtered())
        blocked = RB_REASON_SANDBOX;
    // A further try is assumed to take as long as this one.
    uint64_t took_ms = now_ms - c->call.attempt_started_ms;
    if (blocked == RB_REASON_NONE && may_repeat &&
        rb_call_awaits_start(&c->call, outcome, rb_arithmetic_sub(c->own_until_ms, took_ms), now_ms)) {
        rb_process_begin_wait(&c->peer->target, &c->call);
        return (struct rb_decision){.retry = true, .start = true, .delay_ms = RB_ABSENT_EVERY_MS};
    }
    struct rb_decision decision =
        rb_call_judge(&c->call, outcome, blocked, may_repeat, NULL, now_ms, rb_system_random());
    bool failed = outcome->cause == RB_CAUSE_REFUSED || outcome->cause == RB_CAUSE_UNREACHABLE ||
                  outcome->cause == RB_CAUSE_TIMEOUT;
    if (learns && failed && !decision.retry)
        rb_failover_gave_up(&c->peer->target, parks, now_ms);
    return decision;
}

void rb_connection_gives_up(const struct rb_connection *c)
{
    if (is_literal(c) && c->rules.failover == RB_FAILOVER_AUTO)
        rb_failover_gave_up(&c->peer->target, true, rb_system_now_ms());
}

uint64_t rb_connection_limit_ms(const struct rb_connection *c, uint64_t now_ms)
{
    uint64_t limit = c->rules.connect_ms, attempt = c->rules.attempt_ms;
    if (attempt && (limit == 0 || attempt < limit))
        limit = attempt;
    if (c->call.attempt <= 1)
        return limit;
    uint64_t left = c->call.deadline_ms > now_ms ? c->call.deadline_ms - now_ms : 1;
    return limit && limit < left ? limit : left;
}

void rb_connection_report(const struct rb_connection *c, enum rb_verdict verdict, const struct rb_outcome *outcome,
                          uint64_t delay_ms, enum rb_reason reason)
{
    struct rb_event event = {
        .verdict = verdict,
        .policy = c->policy,
        .api = RB_API_CONNECT,
        .cause = outcome ? outcome->cause : RB_CAUSE_NONE,
        .delay_ms = delay_ms,
        .reason = reason,
    };
    rb_process_report(&event, &c->peer->target, &c->call);
}

static rb_connection_made_fn *connection_made;

void rb_connection_notify(rb_connection_made_fn *made)
{
    connection_made = made;
}

void rb_connection_succeeded(struct rb_connection *c, int fd)
{
    struct rb_outcome outcome = rb_connection_outcome(c, 0);
    uint64_t now_ms = rb_system_now_ms();
    bool recovered = rb_call_attempts(&c->call) > 1;
    rb_call_connected(&c->call, now_ms);
    bool later = connection_made && connection_made(fd, &c->call, recovered);
    if (!later)
        rb_call_judge(&c->call, &outcome, RB_REASON_NONE, true, NULL, now_ms, 0);
    if (recovered)
        rb_connection_report(c, RB_VERDICT_RECOVERED, &outcome, 0, RB_REASON_NONE);
    else if (later)
        rb_process_started(&c->call, c->policy, RB_API_CONNECT, &c->peer->target);
    else
        rb_process_success(&c->call, c->policy, RB_API_CONNECT, &c->peer->target);
}
