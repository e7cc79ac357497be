// SPDX-License-Identifier: MIT
// State changes of connects in flight: decide, park, connect again, give up.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#include "net/park/due.h"
#include "net/park/flight.h"
#include "net/park/life.h"
#include "net/park/lock.h"
#include "net/park/watch.h"
#include "net/socket.h"
#include "process/process.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/pause.h"
#include "real/system.h"

_Atomic bool rb_life_stopped;

static int family(const struct rb_flight *flight)
{
    return flight->address.ss_family;
}

static void life_report(struct rb_flight *flight, enum rb_verdict verdict, const struct rb_outcome *outcome,
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
static void refuse_locked(const struct rb_flight *flight)
{
    int fd = flight->fds[0];
    if (rb_socket_dial_refusal(fd, (const struct sockaddr *) &flight->address) == -EINPROGRESS)
        return;
    rb_socket_disconnect(fd);
    rb_socket_dial(fd, (const struct sockaddr *) &flight->address, flight->length);
}

static void give_up_locked(struct rb_flight *flight, int error)
{
    if (family(flight) != AF_UNIX)
        refuse_locked(flight);
    flight->error = error;
    rb_flight_enter_locked(flight, RB_FLIGHT_FAILED);
    show_locked(flight);
}

static void end_with_success_locked(struct rb_flight *flight)
{
    rb_connection_succeeded(&flight->connection, flight->fds[0]);
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
}

// The error of the failed attempt was read from the socket. Makes the kernel report a refusal instead while the connect
// is parked: a call past the library then gets an error and does not take the socket for connected.
static void refuse_while_parked_locked(struct rb_flight *flight)
{
    int fd = flight->fds[0];
    if (family(flight) == AF_UNIX || flight->unrefused || !rb_socket_is(fd, flight->identity))
        return;
    int result = rb_socket_dial_refusal(fd, (const struct sockaddr *) &flight->address);
    flight->unrefused = result != -EINPROGRESS;
}

// Parks the connect. One EPOLLONESHOT event stays armed. The thread that receives it computes the next deadline, so the
// due time is set before the descriptor is hidden. Events that were fetched earlier count as outdated.
static bool hide_until_due_locked(struct rb_flight *flight, uint64_t delay_ms)
{
    bool hidden = true;
    rb_due_set_locked(flight->slot, rb_system_now_ms() + delay_ms);
    for (unsigned i = 0; i < RB_FLIGHT_FDS && flight->fds[i] >= 0; i++)
        hidden = rb_watch_hide_locked(flight->fds[i]) && hidden;
    if (hidden)
        refuse_while_parked_locked(flight);
    rb_flight_enter_locked(flight, RB_FLIGHT_PARKED);
    if (!hidden)
        rb_due_set_locked(flight->slot, UINT64_MAX);
    return hidden;
}

// Decides about a failed attempt whose error was read from the socket. Returns true when the connect is parked, false
// when the caller must give it up.
static bool park_or_stop_locked(struct rb_flight *flight, int error)
{
    rb_connection_fails_last(&flight->connection);
    struct rb_outcome outcome = rb_connection_outcome(&flight->connection, -error);
    struct rb_decision decision = rb_connection_judge(&flight->connection, &outcome, true, true);
    if (decision.retry && !hide_until_due_locked(flight, decision.delay_ms))
        decision = (struct rb_decision){.reason = RB_REASON_RESOURCE};
    if (!decision.start)
        life_report(flight, decision.retry ? RB_VERDICT_RETRY : RB_VERDICT_STOP, &outcome, decision.delay_ms,
                    decision.reason);
    if (!decision.retry)
        return false;
    flight->error = error;
    return true;
}

static void fail_locked(struct rb_flight *flight, int error)
{
    if (!park_or_stop_locked(flight, error))
        give_up_locked(flight, error);
}

static void start_attempt_locked(struct rb_flight *flight)
{
    uint64_t now_ms = rb_system_now_ms(), limit = rb_connection_limit_ms(&flight->connection, now_ms);
    flight->limit_ms = limit ? now_ms + limit : UINT64_MAX;
    rb_flight_enter_locked(flight, RB_FLIGHT_CONNECTING);
    rb_due_set_locked(flight->slot, flight->awaited ? flight->limit_ms : UINT64_MAX);
}

void rb_life_await_locked(struct rb_flight *flight)
{
    rb_flight_await_locked(flight);
    if (rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING)
        rb_due_set_locked(flight->slot, flight->limit_ms);
}

// The kernel's result of the current attempt: -EINPROGRESS, 0, or -ECONNREFUSED for any failure. Leaves the error in
// the socket. A reset after the handshake counts as connected. POLLERR without POLLHUP only means that errors are
// queued (IP_RECVERR); a failed connect also reports POLLHUP.
static int attempt_peek_locked(const struct rb_flight *flight)
{
    int fd = flight->fds[0], events = rb_socket_events(fd);
    if (events == 0 || events == POLLERR)
        return -EINPROGRESS;
    if (!(events & (POLLERR | POLLHUP)) || rb_socket_was_connected(fd)) {
        bool self_connected = flight->connection.call.attempt > 1 && rb_socket_is_self_connected(fd);
        return self_connected ? -ECONNREFUSED : 0;
    }
    return -ECONNREFUSED;
}

// Decides about the current attempt if the kernel has its result.
static void check_attempt_locked(struct rb_flight *flight)
{
    int result = attempt_peek_locked(flight);
    if (result == -EINPROGRESS)
        return;
    if (result != 0 && rb_connection_fails_last(&flight->connection))
        result = -rb_socket_take_error(flight->fds[0]);
    if (result == 0) { // also when another call has read the error first: then the program knows the result
        end_with_success_locked(flight);
    } else if (flight->peer.last_candidate) {
        fail_locked(flight, -result);
    } else { // the error is still in the socket, so the program sees it
        life_report(flight, RB_VERDICT_STOP, NULL, 0, RB_REASON_CANDIDATE);
        rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    }
}

static void begin_next_attempt_locked(struct rb_flight *flight)
{
    struct rb_outcome outcome = rb_connection_outcome(&flight->connection, -flight->error);
    bool last = rb_connection_fails_last(&flight->connection);
    if (!last || !rb_call_admit(&flight->connection.call, rb_system_now_ms(), NULL)) {
        life_report(flight, RB_VERDICT_STOP, &outcome, 0, last ? RB_REASON_BREAKER : RB_REASON_CANDIDATE);
        give_up_locked(flight, flight->error);
        return;
    }
    if (family(flight) != AF_UNIX)
        rb_socket_disconnect(flight->fds[0]);
    int result = rb_socket_dial(flight->fds[0], (const struct sockaddr *) &flight->address, flight->length);
    if (result == -ECANCELED) {
        life_report(flight, RB_VERDICT_STOP, &outcome, 0, RB_REASON_RESOURCE);
        give_up_locked(flight, flight->error);
        return;
    }
    if (result != 0 && result != -EINPROGRESS) {
        fail_locked(flight, -result);
        return;
    }
    start_attempt_locked(flight);
    show_locked(flight);
    if (result == 0)
        end_with_success_locked(flight);
    else
        check_attempt_locked(flight); // a host nearby may have refused already
}

static void advance_due_locked(struct rb_flight *flight)
{
    if (flight->lost)
        rb_life_leave_locked(flight, RB_REASON_SHARED);
    else if (rb_flight_state_of(flight) == RB_FLIGHT_PARKED)
        begin_next_attempt_locked(flight);
    else if (rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING && attempt_peek_locked(flight) == -EINPROGRESS) {
        rb_socket_disconnect(flight->fds[0]); // the attempt has taken too long
        fail_locked(flight, ETIMEDOUT);
    }
}

// Does what is due without a result of the kernel.
static void advance_locked(struct rb_flight *flight)
{
    bool due = rb_due_take_locked(flight->slot, rb_system_now_ms());
    if (due || flight->lost)
        advance_due_locked(flight);
}

// True when the program has not seen a failure that it would have seen without the library.
static bool hides_failure_locked(const struct rb_flight *flight)
{
    enum rb_flight_state state = rb_flight_state_of(flight);
    return state == RB_FLIGHT_PARKED || (state == RB_FLIGHT_CONNECTING && flight->connection.call.attempt > 1);
}

static void remember_locked(struct rb_flight *flight, const struct sockaddr *address, socklen_t length,
                            const struct rb_connection *connection)
{
    memcpy(&flight->address, address, length);
    flight->length = length;
    rb_connection_move(&flight->connection, &flight->peer, connection);
    if (family(flight) == AF_UNIX) // the name of an AF_UNIX target is the path in the address
        rb_target_from_sockaddr(&flight->peer.target, (const struct sockaddr *) &flight->address, length);
}

// Returns whether the program must see a connect in progress.
static bool begin_locked(struct rb_flight *flight, int result, bool waited)
{
    if (rb_watch_is_watched(flight->fds[0]))
        rb_flight_await_locked(flight);
    if (result == -EINPROGRESS) {
        start_attempt_locked(flight);
        return true;
    }
    if (!waited && !flight->awaited) {
        struct rb_outcome outcome = rb_connection_outcome(&flight->connection, result);
        struct rb_decision decision =
            rb_call_judge(&flight->connection.call, &outcome, RB_REASON_BYPASSED, true, NULL, rb_system_now_ms(), 0);
        life_report(flight, RB_VERDICT_STOP, &outcome, 0, decision.reason);
    } else if (park_or_stop_locked(flight, -result)) {
        return true;
    }
    show_locked(flight);
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    return false;
}

bool rb_life_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result, bool waited)
{
    sigset_t saved;
    if (length > sizeof(struct sockaddr_storage) || !rb_lock_take(&saved))
        return false;
    struct rb_flight *flight = rb_flight_new_locked(fd);
    bool begun = false;
    if (flight) {
        remember_locked(flight, address, length, connection);
        begun = begin_locked(flight, result, waited);
    }
    rb_lock_give(&saved);
    return begun;
}

bool rb_life_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection)
{
    sigset_t saved;
    if (length > sizeof(struct sockaddr_storage) || !rb_lock_take(&saved))
        return false;
    struct rb_flight *flight = rb_flight_new_locked(fd);
    bool begun = false;
    if (flight) {
        remember_locked(flight, address, length, connection);
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

// Returns the state, and in *wait the time until the flight is due, in milliseconds; -1 for never.
static enum rb_flight_state life_state_and_wait_locked(const struct rb_flight *flight, int *wait)
{
    uint64_t due_ms = rb_due_at_locked(flight->slot), now_ms = rb_system_now_ms();
    *wait = -1;
    if (due_ms != UINT64_MAX)
        *wait = due_ms > now_ms ? (int) (due_ms - now_ms) : 0;
    return rb_flight_state_of(flight);
}

static bool settles_by_policy(const struct rb_flight *flight)
{
    return flight->connection.rules.nonblocking == RB_NONBLOCKING_SETTLE;
}

// Advances the connect and decides about a failed attempt. *settles receives whether the policy has
// connect.nonblocking = settle.
static enum rb_flight_state notice_once(int fd, int *wait, bool *settles)
{
    sigset_t saved;
    struct rb_flight *flight = rb_flight_claim(fd, &saved);
    if (!flight)
        return RB_FLIGHT_FREE;
    rb_life_await_locked(flight);
    advance_locked(flight);
    if (rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING)
        check_attempt_locked(flight);
    *settles = settles_by_policy(flight);
    enum rb_flight_state state = life_state_and_wait_locked(flight, wait);
    rb_lock_give(&saved);
    return state;
}

// Waits until the connect ends. A signal ends the wait early, and the connect stays parked.
//   how: RB_PAUSE_RESTARTS, and RB_PAUSE_CANCELS if the call of the program is a cancellation point
static enum rb_flight_state life_wait(int fd, enum rb_flight_state state, int wait, unsigned how)
{
    bool settles, undisturbed = true;
    while (undisturbed && (state == RB_FLIGHT_CONNECTING || state == RB_FLIGHT_PARKED)) {
        struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
        int waited;
        if (state == RB_FLIGHT_PARKED)
            waited = rb_pause_wait((uint64_t) wait, how);
        else if (how & RB_PAUSE_CANCELS)
            waited = rb_libc_poll(&p, 1, wait) < 0 ? -errno : 0; // a cancellation point
        else
            waited = rb_socket_wait(fd, wait);
        undisturbed = waited == 0;
        state = notice_once(fd, &wait, &settles);
    }
    return state;
}

enum rb_flight_state rb_life_notice(int fd)
{
    int wait = 0, saved = errno;
    bool settles = false;
    enum rb_flight_state state = notice_once(fd, &wait, &settles);
    if (state == RB_FLIGHT_PARKED && settles)
        state = life_wait(fd, state, wait, RB_PAUSE_RESTARTS);
    errno = saved;
    return state;
}

// A failure that no intercepted wait has reported was reported by a wait that is not intercepted. The error is still in
// the socket.
static void leave_failed_locked(struct rb_flight *flight)
{
    int result = attempt_peek_locked(flight);
    if (result == 0)
        end_with_success_locked(flight);
    else if (result != -EINPROGRESS)
        rb_life_leave_locked(flight, RB_REASON_INTERRUPTED);
}

// The first step of rb_life_ask. Sets *waits if the call must wait for the end of the connect.
static enum rb_flight_state ask_once(int fd, bool *waits, int *wait)
{
    sigset_t saved;
    struct rb_flight *flight = rb_flight_claim(fd, &saved);
    if (!flight)
        return RB_FLIGHT_FREE;
    bool settles = *waits || !flight->awaited || settles_by_policy(flight);
    advance_locked(flight);
    if (rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING && settles)
        check_attempt_locked(flight);
    else if (rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING)
        leave_failed_locked(flight);
    *waits = *waits || (settles && hides_failure_locked(flight));
    if (*waits)
        rb_life_await_locked(flight);
    enum rb_flight_state state = life_state_and_wait_locked(flight, wait);
    rb_lock_give(&saved);
    return state;
}

enum rb_flight_state rb_life_ask(int fd, bool waits)
{
    int wait = 0, saved = errno;
    unsigned how = waits ? RB_PAUSE_RESTARTS | RB_PAUSE_CANCELS : RB_PAUSE_RESTARTS;
    enum rb_flight_state state = ask_once(fd, &waits, &wait);
    if (waits)
        state = life_wait(fd, state, wait, how);
    errno = saved;
    return state;
}

void rb_life_await(int fd)
{
    sigset_t saved;
    int error = errno;
    struct rb_flight *flight = rb_flight_unawaited(fd) ? rb_flight_claim(fd, &saved) : NULL;
    if (flight) {
        rb_life_await_locked(flight);
        rb_lock_give(&saved);
    }
    errno = error;
}

uint64_t rb_life_before_end(int fd, uint64_t left_ms)
{
    enum { LAST_MS = 30 }; // the program may compare the clock with its limit after the wait
    int saved_errno = errno;
    sigset_t saved;
    struct rb_flight *flight = rb_flight_claim(fd, &saved);
    uint64_t wait_ms = UINT64_MAX;
    if (!flight)
        return wait_ms;
    uint64_t now_ms = rb_system_now_ms();
    if (left_ms == 0)
        advance_locked(flight);
    uint64_t due_ms = rb_due_at_locked(flight->slot);
    enum rb_flight_state state = rb_flight_state_of(flight);
    bool ends_first = state == RB_FLIGHT_PARKED && now_ms + left_ms <= due_ms;
    bool unanswered = state == RB_FLIGHT_CONNECTING && left_ms == 0 && flight->error != 0;
    if (ends_first && left_ms > LAST_MS) {
        wait_ms = left_ms - LAST_MS;
    } else if (ends_first || unanswered) {
        struct rb_outcome outcome = rb_connection_outcome(&flight->connection, -flight->error);
        life_report(flight, RB_VERDICT_STOP, &outcome, 0, RB_REASON_TIME);
        rb_connection_gives_up(&flight->connection);
        give_up_locked(flight, flight->error);
        wait_ms = 0;
    }
    rb_lock_give(&saved);
    errno = saved_errno;
    return wait_ms;
}

uint64_t rb_life_tick(uint64_t now_ms)
{
    int error = errno;
    sigset_t saved;
    struct rb_flight *flight = NULL;
    if (atomic_load_explicit(&rb_due_next_ms, memory_order_acquire) > now_ms)
        return atomic_load_explicit(&rb_due_next_ms, memory_order_relaxed);
    do {
        if (!rb_lock_take(&saved))
            return UINT64_MAX;
        flight = rb_flight_next_due_locked(now_ms);
        if (flight)
            advance_due_locked(flight);
        rb_lock_give(&saved);
    } while (flight);
    errno = error;
    return atomic_load_explicit(&rb_due_next_ms, memory_order_acquire);
}

// The program gets the last failure, and no further attempt is made.
static int end_hidden_failure_locked(struct rb_flight *flight)
{
    int error = flight->error;
    struct rb_outcome outcome = rb_connection_outcome(&flight->connection, -error);
    life_report(flight, RB_VERDICT_STOP, &outcome, 0, RB_REASON_INTERRUPTED);
    if (rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING && family(flight) != AF_UNIX)
        rb_socket_disconnect(flight->fds[0]);
    show_locked(flight);
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    return error;
}

// error: what the kernel has reported
static int take_error_locked(struct rb_flight *flight, int error)
{
    enum rb_flight_state state = rb_flight_state_of(flight);
    if (state == RB_FLIGHT_PARKED || (!error && hides_failure_locked(flight)))
        return end_hidden_failure_locked(flight);
    if (state == RB_FLIGHT_FAILED && (error || !flight->shared || family(flight) == AF_UNIX))
        error = flight->error;
    if (error || state == RB_FLIGHT_FAILED)
        rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    return error;
}

int rb_life_take_error(int fd, int error)
{
    sigset_t saved;
    struct rb_flight *flight = rb_flight_claim(fd, &saved);
    if (!flight)
        return error;
    error = take_error_locked(flight, error);
    rb_lock_give(&saved);
    return error;
}

int rb_life_failed(int fd, int error)
{
    sigset_t saved;
    struct rb_flight *flight = rb_flight_claim(fd, &saved);
    if (!flight)
        return error;
    error = rb_flight_state_of(flight) == RB_FLIGHT_PARKED ? EINPROGRESS : take_error_locked(flight, error);
    rb_lock_give(&saved);
    return error;
}

enum rb_flight_state rb_life_drop(int fd)
{
    sigset_t saved;
    struct rb_flight *flight = rb_flight_claim(fd, &saved);
    if (!flight)
        return RB_FLIGHT_FREE;
    enum rb_flight_state state = rb_flight_state_of(flight);
    if (state == RB_FLIGHT_PARKED)
        show_locked(flight);
    rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    rb_lock_give(&saved);
    return state;
}

void rb_life_leave_locked(struct rb_flight *flight, enum rb_reason reason)
{
    enum rb_flight_state state = rb_flight_state_of(flight);
    if (hides_failure_locked(flight)) {
        struct rb_outcome outcome = rb_connection_outcome(&flight->connection, -flight->error);
        life_report(flight, RB_VERDICT_STOP, &outcome, 0, reason);
    }
    flight->shared = true;
    if (state == RB_FLIGHT_PARKED)
        give_up_locked(flight, flight->error);
    else if (state == RB_FLIGHT_CONNECTING)
        rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
}

void rb_life_leave_all_locked(bool inherited, enum rb_reason reason)
{
    struct rb_flight *flight;
    for (unsigned slot = 0; (flight = rb_flight_next_locked(&slot));) {
        bool leaves = !inherited;
        for (unsigned i = 0; !leaves && i < RB_FLIGHT_FDS && flight->fds[i] >= 0; i++)
            leaves = !(rb_kernel(SYS_fcntl, flight->fds[i], F_GETFD, 0) & FD_CLOEXEC);
        if (leaves)
            rb_life_leave_locked(flight, reason);
    }
}

void rb_life_end_all_locked(void)
{
    struct rb_flight *flight;
    rb_life_leave_all_locked(false, RB_REASON_SANDBOX);
    for (unsigned slot = 0; (flight = rb_flight_next_locked(&slot));) { // only those that were given up are left
        int kept = family(flight) == AF_UNIX ? -flight->error : flight->error == ECONNREFUSED ? 0 : flight->error;
        for (unsigned i = 0; i < RB_FLIGHT_FDS && flight->fds[i] >= 0; i++)
            atomic_store_explicit(&rb_descriptor_of(flight->fds[i])->left, kept, memory_order_relaxed);
        rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
    }
}

int rb_life_take_left(int fd, int error)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    int left = descriptor ? atomic_exchange_explicit(&descriptor->left, 0, memory_order_relaxed) : 0;
    if (left > 0 && error == ECONNREFUSED)
        error = left;
    else if (left < 0 && error == 0)
        error = -left;
    return error;
}

void rb_life_stop(void)
{
    sigset_t saved;
    atomic_store_explicit(&rb_life_stopped, true, memory_order_relaxed);
    if (!rb_lock_take(&saved))
        return;
    rb_life_leave_all_locked(false, RB_REASON_BYPASSED);
    rb_lock_give(&saved);
}

// A connect that fails in the kernel while the program waits for it in no way that the library has seen.
static struct rb_flight *find_bypassed_locked(void)
{
    struct rb_flight *flight;
    for (unsigned slot = 0; (flight = rb_flight_next_locked(&slot));) {
        bool suspect = !flight->awaited && rb_flight_state_of(flight) == RB_FLIGHT_CONNECTING;
        if (suspect && rb_socket_events(flight->fds[0]) & POLLHUP)
            return flight;
    }
    return NULL;
}

bool rb_life_stop_if_bypassed_locked(void)
{
    struct rb_flight *flight = find_bypassed_locked();
    if (!flight)
        return false;
    life_report(flight, RB_VERDICT_STOP, NULL, 0, RB_REASON_BYPASSED);
    atomic_store_explicit(&rb_life_stopped, true, memory_order_relaxed);
    rb_life_leave_all_locked(false, RB_REASON_BYPASSED);
    return true;
}

void rb_life_give_up_locked(struct rb_flight *flight)
{
    give_up_locked(flight, flight->error);
}
