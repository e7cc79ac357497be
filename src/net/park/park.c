// SPDX-License-Identifier: MIT
// State changes of tracked connects: decide, park, connect again, give up.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "net/park/due.h"
#include "net/park/flight.h"
#include "net/park/lock.h"
#include "net/park/park.h"
#include "net/park/watch.h"
#include "net/socket.h"
#include "real/libc.h"
#include "real/system.h"
#include "state/record.h"

enum { LOCK_RETRY_MS = 10 }; // delay until the next try when the lock was not available

static int family(const struct rb_flight *flight)
{
    return flight->address.ss_family;
}

static enum rb_flight_state park_state_of(const struct rb_flight *flight)
{
    return atomic_load_explicit(&flight->state, memory_order_relaxed);
}

static void park_report(struct rb_flight *flight, enum rb_verdict verdict, const struct rb_outcome *outcome,
                        uint64_t delay_ms, enum rb_reason reason)
{
    rb_connection_report(&flight->connection, verdict, outcome, delay_ms, reason);
}

static void show_locked(struct rb_flight *flight)
{
    for (unsigned i = 0; i < RB_FLIGHT_FDS && flight->fds[i] >= 0; i++)
        rb_watch_show_locked(flight->fds[i]);
}

// Makes the kernel refuse a connect. If that is not possible (no loopback interface), connects to the host once more.
static void park_refuse_locked(const struct rb_flight *flight)
{
    int fd = flight->fds[0];
    if (rb_socket_dial_refusal(fd, (const struct sockaddr *) &flight->address) == -EINPROGRESS)
        return;
    rb_socket_disconnect(fd);
    rb_socket_dial(fd, (const struct sockaddr *) &flight->address, flight->length);
}

static void park_give_up_locked(struct rb_flight *flight, int error)
{
    if (family(flight) != AF_UNIX)
        park_refuse_locked(flight);
    flight->error = error;
    rb_flight_enter_locked(flight, RB_FLIGHT_FAILED);
    show_locked(flight);
}

static void end_with_success_locked(struct rb_flight *flight)
{
    struct rb_outcome outcome = rb_connection_outcome(&flight->connection, 0);
    struct rb_call *call = &flight->connection.call;
    rb_call_judge(call, &outcome, RB_REASON_NONE, true, NULL, rb_system_now_ms(), 0);
    if (call->attempt > 1)
        park_report(flight, RB_VERDICT_RECOVERED, &outcome, 0, RB_REASON_NONE);
    else
        rb_record_success(call, flight->connection.policy, RB_API_CONNECT);
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
}

// Parks the connect. One EPOLLONESHOT event stays armed. The thread that receives it computes the next deadline, so the
// due time is set before the descriptor is hidden. Events that were fetched earlier count as outdated.
static bool hide_until_due_locked(struct rb_flight *flight, uint64_t delay_ms)
{
    bool hidden = true;
    rb_due_set_locked(flight->slot, rb_system_now_ms() + delay_ms);
    for (unsigned i = 0; i < RB_FLIGHT_FDS && flight->fds[i] >= 0; i++)
        hidden = rb_watch_hide_locked(flight->fds[i]) && hidden;
    rb_flight_enter_locked(flight, RB_FLIGHT_PARKED);
    if (!hidden)
        rb_due_set_locked(flight->slot, UINT64_MAX);
    return hidden;
}

// Decides about a failed attempt whose error was read from the socket. Returns true when the connect is parked, false
// when the caller must give it up.
static bool park_or_stop_locked(struct rb_flight *flight, int error)
{
    struct rb_outcome outcome = rb_connection_outcome(&flight->connection, -error);
    enum rb_reason blocked = flight->peer.last_candidate ? RB_REASON_NONE : RB_REASON_CANDIDATE;
    struct rb_decision decision =
        rb_call_judge(&flight->connection.call, &outcome, blocked, true, NULL, rb_system_now_ms(), rb_system_random());
    if (decision.retry && !hide_until_due_locked(flight, decision.delay_ms))
        decision = (struct rb_decision){.reason = RB_REASON_RESOURCE};
    park_report(flight, decision.retry ? RB_VERDICT_RETRY : RB_VERDICT_STOP, &outcome, decision.delay_ms,
                decision.reason);
    if (!decision.retry)
        return false;
    flight->error = error;
    return true;
}

static void park_fail_locked(struct rb_flight *flight, int error)
{
    if (!park_or_stop_locked(flight, error))
        park_give_up_locked(flight, error);
}

static void start_attempt_locked(struct rb_flight *flight)
{
    uint64_t now_ms = rb_system_now_ms(), limit = rb_connection_limit_ms(&flight->connection, now_ms);
    rb_flight_enter_locked(flight, RB_FLIGHT_CONNECTING);
    rb_due_set_locked(flight->slot, limit ? now_ms + limit : UINT64_MAX);
}

// The kernel's result of the current attempt: -EINPROGRESS, 0 or another negative errno. Reads the error from the
// socket, unless the program must see it. A reset after the handshake counts as connected. POLLERR without POLLHUP only
// means that errors are queued (IP_RECVERR); a failed connect also reports POLLHUP.
static int park_outcome_of_locked(const struct rb_flight *flight)
{
    int fd = flight->fds[0], events = rb_socket_events(fd);
    if (events == 0 || events == POLLERR)
        return -EINPROGRESS;
    if (!(events & (POLLERR | POLLHUP)) || rb_socket_was_connected(fd)) {
        bool self_connected = flight->connection.call.attempt > 1 && rb_socket_is_self_connected(fd);
        return self_connected ? -ECONNREFUSED : 0;
    }
    return flight->peer.last_candidate ? -rb_socket_take_error(fd) : -ECONNREFUSED;
}

static void check_attempt_locked(struct rb_flight *flight)
{
    int result = park_outcome_of_locked(flight);
    if (result == -EINPROGRESS)
        return;
    if (result == 0) { // also when another call has read the error first: then the program knows the result
        end_with_success_locked(flight);
    } else if (flight->peer.last_candidate) {
        park_fail_locked(flight, -result);
    } else { // the error is still in the socket, so the program sees it
        park_report(flight, RB_VERDICT_STOP, NULL, 0, RB_REASON_CANDIDATE);
        rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    }
}

static void begin_next_attempt_locked(struct rb_flight *flight)
{
    struct rb_outcome outcome = rb_connection_outcome(&flight->connection, -flight->error);
    if (!rb_call_admit(&flight->connection.call, rb_system_now_ms(), NULL)) {
        park_report(flight, RB_VERDICT_STOP, &outcome, 0, RB_REASON_BREAKER);
        park_give_up_locked(flight, flight->error);
        return;
    }
    if (family(flight) != AF_UNIX)
        rb_socket_disconnect(flight->fds[0]);
    int result = rb_socket_dial(flight->fds[0], (const struct sockaddr *) &flight->address, flight->length);
    if (result != 0 && result != -EINPROGRESS) {
        park_fail_locked(flight, -result);
        return;
    }
    start_attempt_locked(flight);
    show_locked(flight);
    if (result == 0)
        end_with_success_locked(flight);
    else
        check_attempt_locked(flight); // a host nearby may have refused already
}

// due: the flight's due time has passed
static void advance_locked(struct rb_flight *flight, bool due)
{
    switch (park_state_of(flight)) {
    case RB_FLIGHT_PARKED:
        if (due)
            begin_next_attempt_locked(flight);
        break;
    case RB_FLIGHT_CONNECTING:
        check_attempt_locked(flight);
        if (due && park_state_of(flight) == RB_FLIGHT_CONNECTING) { // the attempt has reached its limit
            rb_socket_disconnect(flight->fds[0]);
            park_fail_locked(flight, ETIMEDOUT);
        }
        break;
    default:
        break;
    }
}

// The first attempt failed at once. Returns true when the connect is parked, so it looks like a connect in progress.
// Returns false when the program must see the failure.
static bool begin_failed_locked(struct rb_flight *flight, int error)
{
    if (park_or_stop_locked(flight, error))
        return true;
    show_locked(flight);
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    return false;
}

static void park_remember_locked(struct rb_flight *flight, const struct sockaddr *address, socklen_t length,
                                 const struct rb_connection *connection)
{
    memcpy(&flight->address, address, length);
    flight->length = length;
    rb_connection_move(&flight->connection, &flight->peer, connection);
    if (family(flight) == AF_UNIX) // the name of an AF_UNIX target is the path in the address
        rb_target_from_sockaddr(&flight->peer.target, (const struct sockaddr *) &flight->address, length);
}

bool rb_park_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result)
{
    sigset_t saved;
    if (length > sizeof(struct sockaddr_storage) || !rb_lock_take(&saved))
        return false;
    struct rb_flight *flight = rb_flight_new_locked(fd);
    bool begun = flight != NULL;
    if (begun) {
        park_remember_locked(flight, address, length, connection);
        if (result == -EINPROGRESS)
            start_attempt_locked(flight);
        else
            begun = begin_failed_locked(flight, -result);
    }
    rb_lock_give(&saved);
    return begun;
}

bool rb_park_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection)
{
    sigset_t saved;
    if (length > sizeof(struct sockaddr_storage) || !rb_lock_take(&saved))
        return false;
    struct rb_flight *flight = rb_flight_new_locked(fd);
    bool begun = false;
    if (flight) {
        park_remember_locked(flight, address, length, connection);
        flight->error = ECONNREFUSED;
        begun = rb_socket_dial_refusal(fd, address) == -EINPROGRESS;
        if (begun)
            rb_flight_enter_locked(flight, RB_FLIGHT_FAILED);
        else
            rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    }
    rb_lock_give(&saved);
    return begun;
}

// Returns the flight of a descriptor and holds the lock; the caller calls rb_lock_give. Returns NULL, without the
// lock, when there is none or the lock is not available.
static struct rb_flight *park_claim(int fd, sigset_t *saved)
{
    if (!rb_lock_take(saved))
        return NULL;
    struct rb_flight *flight = rb_flight_find_locked(fd);
    if (!flight)
        rb_lock_give(saved);
    return flight;
}

// Checks the connect once. *wait receives the time until the next check, in milliseconds; -1 for none.
static enum rb_flight_state park_look(int fd, bool *settles, int *wait)
{
    sigset_t saved;
    struct rb_flight *flight = park_claim(fd, &saved);
    if (!flight)
        return RB_FLIGHT_FREE;
    advance_locked(flight, rb_due_take_locked(flight->slot, rb_system_now_ms()));
    enum rb_flight_state state = park_state_of(flight);
    uint64_t due_ms = rb_due_at_locked(flight->slot), now_ms = rb_system_now_ms();
    *wait = -1;
    if (due_ms != UINT64_MAX)
        *wait = due_ms > now_ms ? (int) (due_ms - now_ms) : 0;
    *settles = flight->connection.rules.nonblocking == RB_NONBLOCKING_SETTLE;
    rb_lock_give(&saved);
    return state;
}

// Waits until the connect ends. A signal ends the wait early, and the connect stays parked.
static enum rb_flight_state park_settle(int fd, enum rb_flight_state state, int wait)
{
    bool settles, undisturbed = true;
    while (undisturbed && (state == RB_FLIGHT_CONNECTING || state == RB_FLIGHT_PARKED)) {
        int waited = state == RB_FLIGHT_PARKED ? rb_system_wait_restartable((uint64_t) wait) : rb_socket_wait(fd, wait);
        if (waited != 0 && waited != -EINTR) // no timer: every signal ends the wait, even if its handler has SA_RESTART
            waited = rb_socket_wait(-1, wait);
        undisturbed = waited == 0;
        state = park_look(fd, &settles, &wait);
    }
    return state;
}

enum rb_flight_state rb_park_look(int fd)
{
    int wait = 0, saved = errno;
    bool settles = false;
    enum rb_flight_state state = park_look(fd, &settles, &wait);
    if (state == RB_FLIGHT_PARKED && settles)
        state = park_settle(fd, state, wait);
    errno = saved;
    return state;
}

enum rb_flight_state rb_park_settle(int fd)
{
    int wait = 0, saved = errno;
    bool settles = false;
    enum rb_flight_state state = park_settle(fd, park_look(fd, &settles, &wait), wait);
    errno = saved;
    return state;
}

bool rb_park_tracks(int fd)
{
    sigset_t saved;
    if (!park_claim(fd, &saved))
        return false;
    rb_lock_give(&saved);
    return true;
}

bool rb_park_holds(int fd, bool failed)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return false;
    const struct rb_flight *flight = rb_flight_find_locked(fd);
    bool ours = flight != NULL, was_given_up = ours && park_state_of(flight) == RB_FLIGHT_FAILED;
    rb_lock_give(&saved);
    if (was_given_up)
        return false;
    if (ours && rb_park_look(fd) != RB_FLIGHT_FREE)
        return true;
    return failed && !(rb_socket_events(fd) & (POLLERR | POLLHUP)); // the failure is outdated
}

// The tracked connects that an epoll event can belong to.
struct matches {
    int fds[8];
    bool was_connecting[8]; // the connect was not known to have failed when the event was fetched
    unsigned count;
    bool ended; // another connect with the same data ended after the event was fetched
};

static bool find_matches(int epfd, uint64_t data, uint64_t since, struct matches *out)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return false;
    out->count = rb_watch_find_locked(epfd, data, out->fds, sizeof(out->fds) / sizeof(out->fds[0]));
    for (unsigned i = 0; i < out->count; i++) {
        const struct rb_flight *flight = rb_flight_find_locked(out->fds[i]);
        out->was_connecting[i] = flight && park_state_of(flight) == RB_FLIGHT_CONNECTING;
    }
    out->ended = rb_watch_ended_locked(epfd, data, since);
    rb_lock_give(&saved);
    return true;
}

// What an epoll event means for one connect. The greatest value among all connects decides.
enum event_meaning {
    EVENT_UNRELATED, // this connect cannot have caused the event
    EVENT_OUTDATED,  // caused before a later change, or by another descriptor
    EVENT_HIDDEN,    // caused by this connect, and the program must not see it
    EVENT_VISIBLE    // the program must see the event
};

// For a connect that was given up. With an edge-triggered registration, an event that was fetched before the refusal is
// outdated: the refusal causes a new edge.
static enum event_meaning meaning_given_up_locked(int epfd, int fd, bool recent)
{
    if (!rb_watch_may_report_locked(epfd, fd))
        return EVENT_OUTDATED;
    if (recent && rb_watch_is_edge_locked(epfd, fd)) {
        rb_watch_show_again_locked(epfd, fd);
        return EVENT_OUTDATED;
    }
    rb_watch_mark_reported_locked(epfd, fd, true);
    return EVENT_VISIBLE;
}

// For an event with an error or a hang-up, after rb_park_look.
static enum event_meaning meaning_of_failure(int epfd, uint64_t data, int fd, bool was_connecting, uint64_t since)
{
    sigset_t saved;
    enum event_meaning meaning = EVENT_UNRELATED;
    if (!rb_lock_take(&saved))
        return EVENT_VISIBLE;
    const struct rb_flight *flight = rb_flight_find_locked(fd);
    bool recent = flight && flight->changed > since;
    if (!flight)
        meaning = rb_watch_fails_there_locked(epfd, data, fd) ? EVENT_VISIBLE : EVENT_OUTDATED;
    else if (park_state_of(flight) == RB_FLIGHT_FAILED)
        meaning = meaning_given_up_locked(epfd, fd, recent);
    else if (recent)
        meaning = was_connecting && park_state_of(flight) == RB_FLIGHT_PARKED ? EVENT_HIDDEN : EVENT_OUTDATED;
    rb_lock_give(&saved);
    return meaning;
}

// Returns true when an event without an error must be hidden: a socket had connected to itself.
static bool holds_success(const struct matches *matches, int epfd, uint32_t events)
{
    bool self_connected = false;
    for (unsigned i = 0; i < matches->count; i++) {
        if (rb_park_look(matches->fds[i]) == RB_FLIGHT_FREE)
            rb_watch_mark_reported_locked(epfd, matches->fds[i], false);
        self_connected = self_connected || (matches->was_connecting[i] && rb_flight_parked(matches->fds[i]));
    }
    return self_connected && !(events & (EPOLLIN | EPOLLPRI));
}

static bool holds_failure(const struct matches *matches, int epfd, uint64_t data, uint64_t since)
{
    enum event_meaning most = matches->ended ? EVENT_OUTDATED : EVENT_UNRELATED;
    for (unsigned i = 0; i < matches->count && most != EVENT_VISIBLE; i++) {
        rb_park_look(matches->fds[i]);
        enum event_meaning meaning = meaning_of_failure(epfd, data, matches->fds[i], matches->was_connecting[i], since);
        most = meaning > most ? meaning : most;
    }
    return most == EVENT_HIDDEN || (most == EVENT_OUTDATED && !rb_watch_fails_locked(epfd, data));
}

bool rb_park_holds_watched(int epfd, const struct epoll_event *event, uint64_t since)
{
    struct matches matches;
    if (!find_matches(epfd, event->data.u64, since, &matches))
        return false;
    return event->events & (EPOLLERR | EPOLLHUP) ? holds_failure(&matches, epfd, event->data.u64, since)
                                                 : holds_success(&matches, epfd, event->events);
}

static bool hide_again_locked(int epfd, int fd)
{
    const struct rb_flight *flight = rb_flight_find_locked(fd);
    bool parked = flight && park_state_of(flight) == RB_FLIGHT_PARKED;
    if (parked)
        rb_watch_hide_again_locked(epfd, fd);
    return parked;
}

void rb_park_pass(int epfd)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return;
    rb_watch_each_locked(epfd, hide_again_locked);
    rb_lock_give(&saved);
}

uint64_t rb_park_tick(uint64_t now_ms)
{
    int error = errno;
    sigset_t saved;
    struct rb_flight *flight = NULL;
    unsigned slot = 0;
    if (atomic_load_explicit(&rb_clock_next_ms, memory_order_acquire) > now_ms)
        return atomic_load_explicit(&rb_clock_next_ms, memory_order_relaxed);
    do {
        if (!rb_lock_take(&saved))
            return rb_lock_is_ours() ? now_ms + LOCK_RETRY_MS : UINT64_MAX;
        flight = rb_flight_next_due_locked(&slot, now_ms);
        if (flight)
            advance_locked(flight, true);
        rb_lock_give(&saved);
    } while (flight);
    errno = error;
    return atomic_load_explicit(&rb_clock_next_ms, memory_order_acquire);
}

int rb_park_take_error(int fd)
{
    sigset_t saved;
    int error = 0;
    struct rb_flight *flight = park_claim(fd, &saved);
    if (!flight)
        return 0;
    if (park_state_of(flight) == RB_FLIGHT_FAILED) {
        error = flight->error;
        rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    }
    rb_lock_give(&saved);
    return error;
}

// The caller has read the socket's error, so the kernel cannot report it again.
static int fail_with_read_error_locked(struct rb_flight *flight, int error)
{
    if (park_state_of(flight) == RB_FLIGHT_CONNECTING && park_or_stop_locked(flight, error))
        return EINPROGRESS;
    if (park_state_of(flight) == RB_FLIGHT_FAILED)
        error = flight->error;
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    return error;
}

int rb_park_failed(int fd, int error)
{
    sigset_t saved;
    struct rb_flight *flight = park_claim(fd, &saved);
    if (!flight)
        return error;
    int seen = fail_with_read_error_locked(flight, error);
    rb_lock_give(&saved);
    return seen;
}

enum rb_flight_state rb_park_drop(int fd)
{
    sigset_t saved;
    struct rb_flight *flight = park_claim(fd, &saved);
    if (!flight)
        return RB_FLIGHT_FREE;
    enum rb_flight_state state = park_state_of(flight);
    if (state == RB_FLIGHT_PARKED)
        show_locked(flight);
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    rb_lock_give(&saved);
    return state;
}

void rb_park_give_up_locked(struct rb_flight *flight)
{
    park_give_up_locked(flight, flight->error);
}

void rb_park_closing(int fd)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return;
    struct rb_flight *flight = rb_flight_find_locked(fd);
    if (flight && park_state_of(flight) == RB_FLIGHT_PARKED) {
        // A forked child may still wait for the socket. A thread may wait on an epoll: while another descriptor of the
        // socket is open, the epoll keeps this registration, and nobody can change it. Such waits must end without
        // further attempts.
        bool only_descriptor = flight->fds[1] < 0;
        if (only_descriptor ? rb_flight_is_shared_locked(flight) : rb_watch_is_watched_locked(fd))
            park_give_up_locked(flight, flight->error);
    }
    rb_flight_close_locked(fd);
    rb_lock_give(&saved);
}

void rb_park_copied(int fd, int copy)
{
    sigset_t saved;
    struct rb_flight *flight = park_claim(fd, &saved);
    if (!flight)
        return;
    rb_flight_add_fd_locked(flight, copy);
    rb_lock_give(&saved);
}
