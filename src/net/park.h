// SPDX-License-Identifier: MIT
// Connects in flight: non-blocking connects that have failed and are attempted again. This is the only header of
// net/park/ for other directories.
//
// A failed attempt is hidden from the program ("parked"), then the connect is attempted again,
// until it succeeds or is given up.
//
// No thread works in the background: the program's own calls make the attempts. A wait hides the events of parked
// connects and returns to make an attempt when one is due. Other calls on the socket first look at the connect.
//
// Parking and giving up: the failed attempt's error was already read from the socket, so the program could not see it
// any more. Therefore the kernel is made to report a failure again, by a connect that it always refuses: to port 0 of
// the loopback address, where nothing can listen. Every way to learn about the failure then works, also calls past the
// library on a parked socket, and the host gets no extra attempt. If the real errno was not ECONNREFUSED, or if such a
// connect is not possible (AF_UNIX), the call that reads the error returns the real errno.
#ifndef RB_NET_PARK_H
#define RB_NET_PARK_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include "net/connection.h"
#include "net/park/change.h"
#include "net/park/descriptor.h"
#include "net/park/due.h"
#include "real/sandbox.h"
#include "real/system.h"

// True when this process has connects in flight. One atomic load, because every hook calls this first.
static inline bool rb_park_any(void)
{
    return __builtin_expect(atomic_load_explicit(&rb_descriptor_flights, memory_order_acquire) > 0, false);
}

// True when a descriptor may belong to a connect in flight.
static inline bool rb_park_on(int fd)
{
    const struct rb_descriptor *descriptor = rb_park_any() ? rb_descriptor_of(fd) : NULL;
    return descriptor && atomic_load_explicit(&descriptor->slot, memory_order_acquire) != 0;
}

// Registers the handlers of forks. Call this when the library is loaded. Further calls do nothing.
void rb_park_start(void);

// Call after socket(2). fd: the new descriptor, or -1 if the call failed. Returns fd. Only connects on such descriptors
// are parked: other processes may have a socket that was inherited or received.
int rb_park_made(int fd);

// Call for a descriptor that was sent to another process or received from there (SCM_RIGHTS).
void rb_park_shared(int fd);

// Starts to track a connect. Returns true when the program must see EINPROGRESS; false when it must see `result`, and
// nothing is kept. Copies the connection and its peer.
//   result: of the first attempt: -EINPROGRESS, or another negative errno if it failed at once; the policy then decides
//     here
bool rb_park_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result);

// Makes a connect that the breaker refuses look like a connect in progress that ends with ECONNREFUSED. For a
// non-blocking TCP socket that is not connected. Returns false when this is not possible, and then keeps nothing.
bool rb_park_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection);

// --- Calls on the socket. They read the result of the connect or use the socket. Each call answers as the kernel would
// if the connect merely took longer. Call these functions only for descriptors of rb_park_on. errno is set as by the
// intercepted call.

// Replaces getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length). In a sandbox, may be called for any descriptor.
int rb_park_error(int fd, void *value, socklen_t *length);

// Replaces a further connect(2) on the socket. Returns false when the descriptor has no connect in flight, so that the
// call is a new connect.
bool rb_park_connect(int fd, const struct sockaddr *address, socklen_t length, int *result);

// Call before reading or writing. False: do not make the call; return -1 with errno as set (EAGAIN, or EINTR on a
// blocking socket).
//   flags: of recv or send; 0 for read and write
bool rb_park_before_io(int fd, int flags);

// Call after reading or writing. Returns the result. If the kernel reported the refusal that we caused, errno becomes
// the errno of the real failure.
ssize_t rb_park_after_io(int fd, ssize_t result);

// Replaces shutdown(2).
int rb_park_shutdown(int fd, int how);

// --- Calls on any descriptor.

// Replaces epoll_ctl(2), for every descriptor. Records the registration. The registration of a parked connect takes
// effect when the connect is no longer parked.
int rb_park_control(int epfd, int op, int fd, struct epoll_event *event);

// This function and the next four take no lock, so their answer may be outdated. They are async-signal-safe.
//
// Reads the recorded registration of a descriptor. Returns false unless exactly one epoll watches the descriptor.
//   epfd: receives the epoll
//   event: receives the registration as the program made it
bool rb_park_registered(int fd, int *epfd, struct epoll_event *event);

// Returns true if another descriptor than fd is registered in the epoll with the same data. Looks at all descriptors.
bool rb_park_shares(int epfd, uint64_t data, int fd);

// Arms a registration again if it is one-shot. Call after an event that the program does not see.
void rb_park_rearm(int epfd, int fd);

// Returns true if an epoll watches this descriptor.
bool rb_park_is_watched(int fd);

// Returns true if the descriptor is an epoll that watches, or has watched, a descriptor.
bool rb_park_is_epoll(int fd);

// Call before a descriptor is closed, for every descriptor. Does nothing in a vfork child, which has its own
// descriptors. Keeps errno.
void rb_park_closing(int fd);

// Call before the descriptors from `first` to `last` are closed (close_range, closefrom). Does the same as
// rb_park_closing for each. A parked connect is given up first, because the call may fail and close nothing.
void rb_park_closing_range(unsigned first, unsigned last);

// Call before fd is duplicated to the number `copy`. If `copy` is open, dup2 closes it, so this does the same as
// rb_park_closing(copy).
void rb_park_replacing(int fd, int copy);

// Call after fd was duplicated. copy: the new descriptor, or -1 if the call failed. Returns copy. Keeps errno.
int rb_park_copied(int fd, int copy);

// --- Loss of sight. Call one of these before the library can no longer follow a connect. Parked connects are given up,
// so that the kernel reports the real error to every process, and no further attempt is made. All of these functions
// keep errno and do nothing in a vfork child. Async-signal-safe.

// One descriptor goes to another process (SCM_RIGHTS), or its events are delivered in a way that is not intercepted
// (F_SETOWN, F_SETOWN_EX, F_SETSIG, O_ASYNC, FIOASYNC, FIOSETOWN, SIOCSPGRP). A connect on this descriptor is not
// parked from now on.
void rb_park_leave(int fd);

enum rb_park_descriptors {
    RB_PARK_ALL,      // clone and similar calls, if the child gets copies of all descriptors
    RB_PARK_INHERITED // only those without FD_CLOEXEC: exec*, posix_spawn*, system, popen, vfork
};

// Another process gets these descriptors.
void rb_park_leave_all(enum rb_park_descriptors which);

// The program is about to install a seccomp filter: makes the state of the sandbox RB_SANDBOX_SECCOMP (real/sandbox.h),
// and ends all flights. From now on no function of this header makes a system call of its own or takes a lock.
//   before: the state until now
// Returns false, and changes nothing, if the state is another one.
bool rb_park_enter_filter(enum rb_sandbox_state before);

// The process waits for its sockets past the library (io_uring_setup has succeeded). No connect is parked from now on.
void rb_park_stop(void);

// Call before a fork that the C library does not announce to us (_Fork), and after it in parent and child. fork(3)
// needs no call. The lock is held and signals are blocked in between.
void rb_park_forking(void);
void rb_park_forked(void);

// Call these before and after a call that changes O_NONBLOCK: the library changes it for a moment, too, to make an
// attempt on a blocking socket. rb_park_hold returns false if no connect is in flight on fd; then do not call
// rb_park_release. All signals are blocked in between. Both keep errno.
bool rb_park_hold(int fd, sigset_t *saved);
void rb_park_release(const sigset_t *saved);

extern _Atomic bool rb_park_waited; // the program has waited for descriptors by a call that is intercepted

// Records that the program waits for `count` descriptors.
static inline void rb_park_waits(unsigned long count)
{
    if (count && !atomic_load_explicit(&rb_park_waited, memory_order_relaxed))
        atomic_store_explicit(&rb_park_waited, true, memory_order_relaxed);
}

// --- The program's waits while connects are in flight. Events of parked connects are hidden, and no wait lasts longer
// than until the next attempt is due. Other descriptors are not affected. Results, errno, signals, cancellation and
// remaining timeouts are as in the intercepted calls.

// True when a wait with this timeout can last until next_ms. Accurate to some milliseconds; in doubt true.
bool rb_wait_reaches(uint64_t next_ms, const struct timespec *timeout);

// True when an attempt becomes due before the wait ends, so the wait must be split. Otherwise the program's call is
// made unchanged, and only its events are filtered.
static inline bool rb_park_splits(const struct timespec *timeout)
{
    uint64_t next_ms = atomic_load_explicit(&rb_due_next_ms, memory_order_acquire);
    return next_ms != UINT64_MAX && rb_wait_reaches(next_ms, timeout);
}

// Converts a timeout in milliseconds. A negative one, which waits without limit, becomes NULL.
static inline struct timespec *rb_park_of_ms(int ms, struct timespec *out)
{
    *out = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    return ms < 0 ? NULL : out;
}

// Replace poll and ppoll. timeout: NULL waits without limit; mask: NULL keeps the signal mask.
int rb_wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int rb_wait_poll_ms(struct pollfd *fds, nfds_t count, int timeout);

// Replace select, which writes the remaining time to *timeout, and pselect, which does not.
int rb_select_wait(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout);
int rb_select_wait_precise(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                           const sigset_t *mask);

// The start of an unchanged wait on an epoll.
struct rb_park_start {
    uint64_t change; // rb_change_count
    uint64_t ms;     // rb_system_coarse_ms; 0 for a wait without a timeout
};

static inline struct rb_park_start rb_park_starts(const struct timespec *timeout)
{
    return (struct rb_park_start){.change = rb_change_now(), .ms = timeout ? rb_system_coarse_ms() : 0};
}

// True when the events of an unchanged wait must be filtered: this process has or had a connect in flight.
static inline bool rb_park_sifts(void)
{
    return rb_change_now() != 0;
}

// The call by which the program waits on an epoll. Only epoll_pwait2 waits in nanoseconds.
enum rb_epoll_kind { RB_EPOLL_WAIT, RB_EPOLL_PWAIT, RB_EPOLL_PWAIT2 };

// Replaces epoll_wait, epoll_pwait and epoll_pwait2 when an attempt is due.
int rb_wait_epoll(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  enum rb_epoll_kind kind);

// Waits on an epoll like the call of this kind, and removes the events of parked connects. Returns the number of
// events, or -1 with errno.
//   timeout: valid; NULL: no limit
//   mask: signals that are blocked during the wait; NULL: those that are blocked now
int rb_wait_epoll_or_fetch(int epfd, struct epoll_event *events, int size, const struct timespec *timeout,
                           const sigset_t *mask, enum rb_epoll_kind kind);

// Filters the events of an unchanged epoll_wait, which may have started before any connect was in flight. If all events
// were hidden, waits again for the remaining time. Returns the number of remaining events, or the result of that wait.
int rb_wait_fetched(int epfd, struct epoll_event *events, int size, int ready, const struct timespec *timeout,
                    const struct rb_park_start *start, const sigset_t *mask, enum rb_epoll_kind kind);

#endif
