// SPDX-License-Identifier: MIT
// The attempts of one connect(2).
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>

#include "base/arithmetic.h"
#include "net/connect.h"
#include "net/connection.h"
#include "net/park.h"
#include "net/socket.h"
#include "process/process.h"
#include "real/keepalive.h"
#include "real/libc.h"
#include "real/memory.h"
#include "real/pause.h"
#include "real/sandbox.h"
#include "real/system.h"

// Data to send with the handshake (TCP Fast Open). The server may have processed the data of a SYN even if the connect
// fails later. Only a refusal proves that the server did not.
struct first_data {
    const void *bytes;
    size_t length;
    int flags;
    ssize_t taken;
};

// One call of the program. The struct is large, so it is initialized only after a section has matched.
struct request {
    int fd;
    bool succeeded; // rb_connection_succeeded is to be called
    const struct sockaddr *address;
    socklen_t length;
    struct first_data *data; // NULL for a plain connect
    uint64_t total_until_ms; // the end of the call by the policy
    uint64_t tried_ms;       // when the last attempt began
    struct rb_connection c;
};

static const struct rb_peer *peer_of(const struct request *r)
{
    return r->c.peer;
}

static bool connect_is_pending(int result)
{
    return result == -EINPROGRESS || result == -EALREADY || result == -EINTR || result == -EISCONN;
}

// Non-blocking sockets and datagram sockets are not retried inside the call. These checks are system calls that cost
// more than the rest of a successful call. They run only when the answer matters: before an attempt with a limit,
// before a refusal and after a failure. So connecting a datagram socket to a covered host counts as a success. At
// worst, the breaker stays closed a little longer.
static bool is_blocking(const struct request *r)
{
    bool may_wait = !r->data || !(r->data->flags & MSG_DONTWAIT);
    return may_wait && rb_socket_is_stream(r->fd) && rb_socket_is_blocking(r->fd);
}

// limit_ms, own_left_ms: as for rb_socket_connect; data has no limits
static int dial(struct request *r, uint64_t limit_ms, uint64_t own_left_ms)
{
    struct first_data *data = r->data;
    if (!data)
        return rb_socket_connect(r->fd, r->address, r->length, limit_ms, own_left_ms);
    data->taken = rb_libc_sendto(r->fd, data->bytes, data->length, data->flags, r->address, r->length);
    return data->taken < 0 ? -errno : 0;
}

static int next_attempt(struct request *r, int previous)
{
    // After these errors, the kernel accepts another connect on the same socket. After other errors, the socket must be
    // disconnected first.
    bool connects_again =
        previous == -ECONNREFUSED || previous == -ENETUNREACH || previous == -EHOSTUNREACH || previous == -ETIMEDOUT;
    if (peer_of(r)->target.family != AF_UNIX && (r->data || !connects_again))
        rb_socket_disconnect(r->fd);
    else if (peer_of(r)->target.family != AF_UNIX)
        rb_socket_forget_errors(r->fd);
    uint64_t now_ms = rb_system_now_ms(), own_left_ms = 0;
    if (r->c.own_until_ms != UINT64_MAX)
        own_left_ms = r->c.own_until_ms > now_ms ? r->c.own_until_ms - now_ms : 1;
    r->tried_ms = now_ms;
    r->c.call.deadline_ms = r->total_until_ms;
    int result = dial(r, rb_connection_limit_ms(&r->c, now_ms), own_left_ms);
    if (result == 0 && !rb_sandbox_is_filtered() && rb_socket_is_self_connected(r->fd)) {
        rb_socket_disconnect(r->fd);
        return -ECONNREFUSED;
    }
    return result;
}

static void connect_report(const struct request *r, enum rb_verdict verdict, const struct rb_outcome *outcome,
                           uint64_t delay_ms, enum rb_reason reason)
{
    rb_connection_report(&r->c, verdict, outcome, delay_ms, reason);
}

// Waits, then makes the next attempt and returns its result. If *ended is set, no attempt was made, and the returned
// result is final: also if another thread has installed a seccomp filter during the wait. Another thread may close the
// socket during the wait to end the call. Then the descriptor may belong to another socket, which must not be
// connected.
//   identity: rb_socket_identity of the socket before the wait
static int connect_wait_and_retry(struct request *r, uint64_t delay_ms, uint64_t identity,
                                  const struct rb_outcome *outcome, int result, bool *ended)
{
    int waited = rb_pause_wait(delay_ms, RB_PAUSE_CANCELS | (r->c.own_until_ms == UINT64_MAX ? RB_PAUSE_RESTARTS : 0));
    *ended = true;
    if (rb_sandbox_is_filtered())
        return result;
    bool gone = rb_socket_identity(r->fd) != identity;
    if (waited == -EINTR || gone) {
        connect_report(r, RB_VERDICT_STOP, outcome, 0, RB_REASON_INTERRUPTED);
        if (gone)
            return waited == -EINTR ? -EINTR : result;
        return rb_socket_connect_behind(r->fd, r->address, r->length);
    }
    if (waited != 0) { // a blocking connect might have ended or might have gone on: the program gets the true error
        connect_report(r, RB_VERDICT_STOP, outcome, 0,
                       waited == -ECANCELED ? RB_REASON_INTERRUPTED : RB_REASON_RESOURCE);
        return result;
    }
    if (!rb_call_admit(&r->c.call, rb_system_now_ms(), NULL)) {
        connect_report(r, RB_VERDICT_STOP, outcome, 0, RB_REASON_BREAKER);
        return result;
    }
    *ended = false;
    return next_attempt(r, result);
}

// Retries a failed connect while the policy allows. Returns the last result.
//
// The program's SO_SNDTIMEO limits all attempts together, because it limits the single connect of the program alone.
// The program must see the true error before the limit is over. So another attempt is made only if it ends in time,
// assuming that it takes as long as the last one. No limit applies to an attempt that sends data (TCP Fast Open), so
// data is not sent again on a socket with SO_SNDTIMEO.
//
// Not inlined, so that only failed connects pay for the large stack frame.
//   begun_ms: when the first attempt began
__attribute__((noinline)) static int connect_repeat(struct request *r, int result, uint64_t begun_ms)
{
    uint64_t own_ms = rb_socket_send_limit_ms(r->fd);
    r->tried_ms = begun_ms;
    r->total_until_ms = r->c.call.deadline_ms;
    r->c.own_until_ms = own_ms ? begun_ms + (r->data ? 0 : own_ms) : UINT64_MAX;
    bool ended = false;
    while (!ended && result != 0) {
        struct rb_outcome outcome = rb_connection_outcome(&r->c, result);
        if (r->data && result != -ECONNREFUSED)
            outcome.sent = RB_SENT_MAYBE;
        uint64_t now_ms = rb_system_now_ms();
        r->c.call.deadline_ms =
            rb_arithmetic_min(r->total_until_ms, rb_arithmetic_sub(r->c.own_until_ms, now_ms - r->tried_ms));
        struct rb_decision decision = rb_connection_judge(&r->c, &outcome, !r->data, false);
        if (connect_is_pending(result))
            break;
        uint64_t identity = decision.retry ? rb_socket_identity(r->fd) : 0;
        if (decision.start)
            r->total_until_ms = rb_arithmetic_add(r->total_until_ms, now_ms - r->tried_ms + decision.delay_ms);
        else
            connect_report(r, decision.retry ? RB_VERDICT_RETRY : RB_VERDICT_STOP, &outcome, decision.delay_ms,
                           decision.reason);
        if (!decision.retry)
            break;
        result = connect_wait_and_retry(r, decision.delay_ms, identity, &outcome, result, &ended);
    }
    r->succeeded = result == 0 && !ended;
    return result;
}

// Gives the outcome of a call that has not succeeded and is not retried to the breaker.
__attribute__((noinline)) static void connect_settle(struct request *r, int result)
{
    struct rb_outcome outcome = rb_connection_outcome(&r->c, result);
    rb_call_judge(&r->c.call, &outcome, RB_REASON_NONE, true, NULL, rb_system_now_ms(), 0);
}

// The first attempt is in progress, or it failed and cannot be repeated inside the call. Tracks the connect if it can
// be parked. Returns the result for the program.
static int connect_track(struct request *r, int result)
{
    // These errors concern this address. Other errors may come from an earlier connect on the same socket.
    bool failed_here = result == -ENETUNREACH || result == -EHOSTUNREACH; // from the routing table
    if (peer_of(r)->target.family == AF_UNIX)
        failed_here = result == -ENOENT || result == -ECONNREFUSED || result == -EAGAIN;
    bool unfinished = result == -EINPROGRESS || (failed_here && peer_of(r)->last_candidate);
    bool parkable = unfinished && r->c.rules.nonblocking != RB_NONBLOCKING_OFF && rb_socket_is_stream(r->fd) &&
                    !rb_socket_is_blocking(r->fd);
    if (parkable)
        rb_connection_goes_on(&r->c);
    if (parkable && rb_park_begin(r->fd, r->address, r->length, &r->c, result))
        return -EINPROGRESS;
    connect_settle(r, -EINPROGRESS); // the outcome is unknown, so the breaker does not count it
    return result;
}

// The breaker refuses the call. A non-blocking TCP connect looks like a connect to a host that refuses: it starts, and
// the program's wait reports the failure. In other cases the call itself returns ECONNREFUSED. A socket that is already
// in use gets the kernel's answer.
static int connect_refuse(struct request *r)
{
    if (!rb_socket_can_connect(r->fd))
        return dial(r, 0, 0);
    connect_report(r, RB_VERDICT_REFUSED, NULL, 0, RB_REASON_BREAKER);
    bool pends = peer_of(r)->target.family != AF_UNIX && !rb_socket_is_blocking(r->fd) &&
                 rb_park_refuse(r->fd, r->address, r->length, &r->c);
    return pends ? -EINPROGRESS : -ECONNREFUSED;
}

// True for datagram sockets, and for non-blocking sockets if connect.nonblocking = off.
static bool passes_through(const struct request *r)
{
    return !rb_socket_is_stream(r->fd) ||
           (r->c.rules.nonblocking == RB_NONBLOCKING_OFF && !rb_socket_is_blocking(r->fd));
}

static int connect_run(struct request *r, const struct rb_breaker *breaker, uint64_t now_ms)
{
    bool closed = !breaker || rb_breaker_peek(breaker, NULL) == RB_BREAKER_CLOSED;
    if (!closed && passes_through(r))
        return dial(r, 0, 0);
    if (!rb_call_admit(&r->c.call, now_ms, NULL))
        return closed && passes_through(r) ? dial(r, 0, 0)
                                           : connect_refuse(r); // closed: the breaker opened after the check above
    uint64_t limit_ms = rb_connection_limit_ms(&r->c, 0);
    int result = dial(r, limit_ms && is_blocking(r) ? limit_ms : 0, 0);
    if (rb_sandbox_is_filtered()) // another thread has installed the filter meanwhile
        return result;
    if (result == 0 && r->data && !is_blocking(r)) // only the SYN has been sent
        connect_settle(r, -EINPROGRESS);
    else if (connect_is_pending(result) && result != -EINPROGRESS)
        connect_settle(r, result);
    else if (result != 0 && result != -EINPROGRESS && is_blocking(r))
        result = connect_repeat(r, result, now_ms);
    else if (result != 0)
        result = connect_track(r, result);
    else
        r->succeeded = true;
    return result;
}

static rb_net_opened_fn *connect_opened;

void rb_net_notify_opened(rb_net_opened_fn *opened)
{
    connect_opened = opened;
}

// The program's call ends. Returns its result.
__attribute__((noinline)) static int connect_end(struct request *r, int result, const struct rb_section *section)
{
    if (connect_opened && (result == 0 || result == -EINPROGRESS))
        connect_opened(r->fd, r->address, r->length, r->c.peer, section);
    if (r->succeeded && r->c.call.start && !rb_socket_is_stream(r->fd))
        r->c.call.start = NULL; // the connect of a datagram socket does not show that the host has started
    if (r->succeeded)
        rb_connection_succeeded(&r->c, r->fd);
    return result;
}

// Not inlined, so that only matched hosts pay for the large stack frame.
__attribute__((noinline)) static int connect_perform(int fd, const struct sockaddr *address, socklen_t length,
                                                     struct first_data *data, struct rb_peer *peer,
                                                     const struct rb_section *section)
{
    struct request r;
    uint64_t now_ms = rb_system_now_ms();
    r.fd = fd;
    r.address = address;
    r.length = length;
    r.data = data;
    r.succeeded = false;
    rb_connection_begin(&r.c, peer, section, now_ms);
    return connect_end(&r, connect_run(&r, r.c.call.breaker, now_ms), section);
}

// Finds the section for a connect, and sets its options on the socket. They stay there for all attempts.
static const struct rb_section *connect_match(struct rb_peer *peer, int fd, const struct sockaddr *address,
                                              socklen_t length, const struct rb_policy *policy)
{
    const struct rb_section *section = rb_peer_match(peer, fd, address, length, policy);
    if (section && rb_keepalive_is_on(&section->values.socket))
        rb_keepalive_set(fd, &section->values.socket);
    return section;
}

int rb_net_connect(int fd, const struct sockaddr *address, socklen_t length, const struct rb_policy *policy)
{
    struct rb_peer peer;
    int saved = errno, result;
    if (rb_park_on(fd) && !rb_memory_is_readable(address, length))
        return rb_libc_connect(fd, address, length);
    if (rb_park_on(fd) && rb_park_connect(fd, address, length, &result))
        return result;
    const struct rb_section *section = connect_match(&peer, fd, address, length, policy);
    if (!section)
        return rb_libc_connect(fd, address, length);
    result = connect_perform(fd, address, length, NULL, &peer, section);
    errno = result == 0 ? saved : -result;
    return result == 0 ? 0 : -1;
}

ssize_t rb_net_send_first(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *address,
                          socklen_t address_length, const struct rb_policy *policy)
{
    struct rb_peer peer;
    struct first_data data = {.bytes = bytes, .length = length, .flags = flags, .taken = -1};
    int saved = errno;
    const struct rb_section *section = connect_match(&peer, fd, address, address_length, policy);
    if (!section)
        return rb_libc_sendto(fd, bytes, length, flags, address, address_length);
    int result = connect_perform(fd, address, address_length, &data, &peer, section);
    errno = result == 0 ? saved : -result;
    return result == 0 ? data.taken : -1;
}
