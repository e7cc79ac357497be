// SPDX-License-Identifier: MIT
// Calls on sockets whose connect is in flight: what the program learns, and what becomes of its descriptors.
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "net/park.h"

#include "net/park/flight.h"
#include "net/park/life.h"
#include "net/park/lock.h"
#include "net/park/origin.h"
#include "net/park/watch.h"
#include "net/socket.h"
#include "process/process.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/memory.h"
#include "real/system.h"

_Atomic bool rb_park_waited;

static _Atomic bool announced; // forks are announced to rb_park_forking

// Of the thread that forks: it holds the lock, and its signal mask. A vfork child must not see the fork of another
// thread.
static __thread bool fork_locked;
static sigset_t fork_signals;

void rb_park_leave(int fd)
{
    sigset_t saved;
    int error = errno;
    rb_park_shared(fd);
    struct rb_flight *flight = rb_park_on(fd) ? rb_flight_claim(fd, &saved) : NULL;
    if (flight) {
        rb_life_leave_locked(flight, RB_REASON_SHARED);
        rb_lock_give(&saved);
    }
    errno = error;
}

bool rb_park_registered(int fd, int *epfd, struct epoll_event *event)
{
    return rb_watch_only(fd, epfd, event);
}

bool rb_park_shares(int epfd, uint64_t data, int fd)
{
    return rb_watch_shares(epfd, data, fd);
}

void rb_park_rearm(int epfd, int fd)
{
    rb_watch_rearm(epfd, fd);
}

bool rb_park_is_watched(int fd)
{
    return rb_watch_is_watched(fd);
}

bool rb_park_is_epoll(int fd)
{
    const struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    return descriptor && (atomic_load_explicit(&descriptor->epoch, memory_order_relaxed) & 1);
}

void rb_park_leave_all(enum rb_park_descriptors which)
{
    sigset_t saved;
    int error = errno;
    if (rb_process_is_off() || !rb_lock_is_ours())
        return;
    if (which == RB_PARK_INHERITED)
        rb_origin_starting();
    else
        rb_origin_forking();
    if (rb_park_any() && rb_lock_take(&saved)) {
        rb_life_leave_all_locked(which == RB_PARK_INHERITED, RB_REASON_SHARED);
        rb_lock_give(&saved);
    }
    errno = error;
}

bool rb_park_enter_filter(enum rb_sandbox_state before)
{
    sigset_t saved;
    int error = errno;
    bool taken = !rb_process_is_off() && rb_lock_take(&saved);
    if (taken)
        rb_life_end_all_locked();
    bool entered = rb_sandbox_enter(before, RB_SANDBOX_SECCOMP);
    if (taken)
        rb_lock_give(&saved);
    errno = error;
    return entered;
}

void rb_park_stop(void)
{
    int error = errno;
    if (rb_lock_is_ours())
        rb_life_stop();
    errno = error;
}

void rb_park_forking(void)
{
    sigset_t saved;
    int error = errno;
    if (rb_process_is_off() || !rb_lock_take(&saved))
        return;
    rb_origin_forking();
    rb_life_leave_all_locked(false, RB_REASON_SHARED);
    fork_signals = saved;
    fork_locked = true;
    errno = error;
}

void rb_park_forked(void)
{
    sigset_t saved = fork_signals;
    if (!fork_locked)
        return;
    fork_locked = false;
    rb_lock_give(&saved);
}

void rb_park_start(void)
{
    if (!atomic_exchange_explicit(&announced, true, memory_order_relaxed))
        rb_fork_notify(rb_park_forking, rb_park_forked, rb_park_forked);
}

int rb_park_made(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    if (fd >= 0 && !rb_process_is_off())
        rb_origin_made(fd);
    else if (descriptor)
        atomic_store_explicit(&descriptor->left, 0, memory_order_relaxed);
    return fd;
}

void rb_park_shared(int fd)
{
    if (rb_origin_is_own(fd) && rb_lock_is_ours())
        rb_origin_left(fd);
}

bool rb_park_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result)
{
    rb_park_start();
    if (atomic_load_explicit(&rb_life_stopped, memory_order_relaxed) || !rb_origin_is_private(fd) ||
        rb_socket_is_signalled(fd))
        return false;
    bool waited = atomic_load_explicit(&rb_park_waited, memory_order_relaxed);
    return rb_life_begin(fd, address, length, connection, result, waited);
}

bool rb_park_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection)
{
    return rb_life_refuse(fd, address, length, connection);
}

int rb_park_error(int fd, void *value, socklen_t *length)
{
    bool filtered = rb_sandbox_is_filtered();
    enum rb_flight_state state = filtered ? RB_FLIGHT_FREE : rb_life_ask(fd, false);
    int result = rb_libc_getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length), error = 0;
    if (result != 0 || (state == RB_FLIGHT_FREE && !filtered))
        return result;
    size_t size = *length < sizeof(error) ? *length : sizeof(error);
    memcpy(&error, value, size);
    error = filtered ? rb_life_take_left(fd, error) : rb_life_take_error(fd, error);
    memcpy(value, &error, size);
    return result;
}

// Corrects errno after a call that failed with the socket's error. If the connect was given up, the kernel reported an
// ECONNREFUSED that the library caused (see net/park.h), and errno becomes the errno of the last attempt. If the
// attempt failed after rb_life_ask, the program gets the error that this call has taken from the socket.
//   nonblocking: the errno for the program if another thread has parked the connect meanwhile
static int correct_error(int fd, int result, int nonblocking)
{
    bool undecided = errno == EINTR || errno == EAGAIN || errno == EALREADY || errno == EINPROGRESS || errno == EISCONN;
    if (result >= 0 || undecided)
        return result;
    int error = rb_life_failed(fd, errno);
    errno = error == EINPROGRESS ? nonblocking : error;
    return result;
}

// Checks the state of the connect. If the intercepted call would block, waits until the connect ends or a
// signal arrives.
//   flags: of recv or send; 0 for other calls
static enum rb_flight_state learn_look(int fd, int flags)
{
    bool waits = !(flags & MSG_DONTWAIT) && rb_socket_is_blocking(fd);
    return rb_life_ask(fd, waits);
}

// Sets errno for a call on a connecting socket and returns -1. For a call that waits, errno is EINTR, because a signal
// ended the wait in learn_look. For a call that does not wait, errno is `nonblocking`.
//   flags: of the call; with MSG_DONTWAIT it does not wait on a blocking socket either
static int report_pending(int fd, int flags, int nonblocking)
{
    bool waits = !(flags & MSG_DONTWAIT) && rb_socket_is_blocking(fd);
    errno = waits ? EINTR : nonblocking;
    return -1;
}

bool rb_park_connect(int fd, const struct sockaddr *address, socklen_t length, int *result)
{
    if (!rb_flight_tracks(fd))
        return false;
    if (length >= sizeof(address->sa_family) && address->sa_family == AF_UNSPEC)
        rb_life_drop(fd);
    else if (learn_look(fd, 0) == RB_FLIGHT_PARKED) {
        *result = report_pending(fd, 0, EALREADY);
        return true;
    }
    *result = correct_error(fd, rb_libc_connect(fd, address, length), EALREADY);
    return true;
}

bool rb_park_before_io(int fd, int flags)
{
    if (learn_look(fd, flags) != RB_FLIGHT_PARKED)
        return true;
    report_pending(fd, flags, EAGAIN);
    return false;
}

ssize_t rb_park_after_io(int fd, ssize_t result)
{
    return result < 0 ? correct_error(fd, -1, EAGAIN) : result;
}

// shutdown(2) on a connecting socket ends the connect and returns 0. If the connect is parked, no connect is running in
// the kernel, so the kernel returns ENOTCONN. The program must get 0 in this case too.
int rb_park_shutdown(int fd, int how)
{
    bool parked = rb_life_drop(fd) == RB_FLIGHT_PARKED;
    int result = rb_libc_shutdown(fd, how);
    return parked && result < 0 && errno == ENOTCONN ? 0 : result;
}

// Calls epoll_ctl for a socket whose connect is tracked. If the connect is parked, the new registration is hidden. If
// it cannot be hidden, the connect is given up. Requires the flight lock, because the index of registrations changes.
static int control_flight_locked(int epfd, int op, int fd, struct epoll_event *event)
{
    struct rb_flight *flight = rb_flight_find_locked(fd);
    bool parked = flight && rb_flight_parked(fd);
    if (parked && rb_watch_can_hide_locked(epfd, op, fd, event)) {
        rb_life_await_locked(flight);
        return rb_watch_control_locked(epfd, op, fd, event, true);
    }
    int result = rb_watch_control_locked(epfd, op, fd, event, false), error = errno;
    if (parked && result == 0)
        rb_life_give_up_locked(flight);
    else if (flight && result == 0 && op != EPOLL_CTL_DEL)
        rb_life_await_locked(flight);
    errno = error;
    return result;
}

int rb_park_control(int epfd, int op, int fd, struct epoll_event *event)
{
    sigset_t saved;
    // If `event` points to memory that cannot be read, the kernel is called below and returns EFAULT.
    bool tracked = rb_park_on(fd) && (op == EPOLL_CTL_DEL || rb_memory_is_readable(event, sizeof(*event)));
    if (tracked && rb_lock_take(&saved)) {
        int result = control_flight_locked(epfd, op, fd, event);
        rb_lock_give(&saved);
        return result;
    }
    int result = rb_libc_epoll_ctl(epfd, op, fd, event);
    if (result == 0 && !rb_watch_note(epfd, op, fd, event))
        rb_park_stop(); // events of this descriptor could not be told from events that the library caused
    return result;
}

// While another descriptor of the socket is open, an epoll keeps the registration of a closed descriptor, and nobody
// can change it. Such a registration must report the real state of the connect.
static void park_close(int fd)
{
    sigset_t saved;
    if (!rb_lock_take(&saved))
        return;
    struct rb_flight *flight = rb_flight_find_locked(fd);
    if (flight && flight->fds[1] >= 0 && rb_watch_is_watched(fd))
        rb_life_leave_locked(flight, RB_REASON_SHARED);
    else if (flight && flight->fds[1] < 0 && rb_flight_parked(fd))
        rb_life_give_up_locked(flight);
    rb_flight_close_locked(fd);
    rb_lock_give(&saved);
}

void rb_park_closing(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    if (descriptor && rb_sandbox_is_filtered())
        atomic_store_explicit(&descriptor->left, 0, memory_order_relaxed);
    if (!descriptor || !rb_watch_known(descriptor) || !rb_lock_is_ours())
        return;
    if (rb_park_on(fd))
        park_close(fd);
    rb_watch_close(fd);
}

void rb_park_closing_range(unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= last && fd < RB_DESCRIPTORS; fd++) {
        if (!rb_descriptor_of((int) fd)) {
            fd |= RB_DESCRIPTOR_PAGE - 1; // no record in this page
            continue;
        }
        rb_park_leave((int) fd);
        rb_park_closing((int) fd);
    }
}

static bool mean_the_same(int fd, int copy)
{
    const struct rb_descriptor *one = rb_descriptor_of(fd), *other = rb_descriptor_of(copy);
    return one && other && rb_park_on(fd) && atomic_load(&one->slot) == atomic_load(&other->slot);
}

void rb_park_replacing(int fd, int copy)
{
    bool replaces = copy != fd && rb_park_on(copy) && !mean_the_same(fd, copy);
    if (replaces && rb_kernel(SYS_fcntl, fd, F_GETFD, 0) >= 0) // otherwise dup2 fails and closes nothing
        rb_park_closing(copy);
}

static void park_copy(int fd, int copy)
{
    sigset_t saved;
    struct rb_flight *flight = rb_flight_claim(fd, &saved);
    if (!flight)
        return;
    if (!rb_flight_add_fd_locked(flight, copy))
        rb_life_leave_locked(flight, RB_REASON_RESOURCE);
    rb_lock_give(&saved);
}

int rb_park_copied(int fd, int copy)
{
    if (copy < 0 || copy == fd || mean_the_same(fd, copy))
        return copy;
    rb_park_closing(copy); // the number was free, so old records of it come from a close that we did not see
    if (rb_origin_is_own(fd) && rb_lock_is_ours())
        rb_origin_copied(fd, copy);
    if (rb_park_on(fd))
        park_copy(fd, copy);
    return copy;
}

bool rb_park_hold(int fd, sigset_t *saved)
{
    return rb_park_on(fd) && rb_lock_take(saved);
}

void rb_park_release(const sigset_t *saved)
{
    rb_lock_give(saved);
}
