// SPDX-License-Identifier: MIT
// Private to net/park. State changes of connects in flight.
#ifndef RB_NET_PARK_LIFE_H
#define RB_NET_PARK_LIFE_H

#include "net/park/flight.h"

// Starts to track a connect. Returns true when the program must see EINPROGRESS; false when it must see `result`, and
// nothing is kept. Copies the connection and its peer.
//   result: of the first attempt: -EINPROGRESS, or another negative errno if it failed at once; the policy then decides
//     here
//   waited: the program is known to wait by calls that are intercepted. If it is not, and the socket is not registered
//   in
//     an epoll, the program must see that the first attempt failed at once
bool rb_life_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result, bool waited);

// Makes a connect that the breaker refuses look like a connect in progress that ends with ECONNREFUSED. For a
// non-blocking TCP socket that is not connected. Returns false when this is not possible, and then keeps nothing.
bool rb_life_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection);

// The program begins to wait for the descriptor by poll or select. From now on an attempt ends at its limit. Keeps
// errno.
void rb_life_await(int fd);

// The same for a flight that gets a registration in an epoll.
void rb_life_await_locked(struct rb_flight *flight);

// A wait that we intercept got an event for the descriptor. Decides about a failed attempt, and makes an attempt that
// is due. Only this function parks a connect after its first attempt. If the policy has connect.nonblocking = settle,
// waits until the connect ends (FREE or FAILED) or a signal arrives. Keeps errno.
enum rb_flight_state rb_life_notice(int fd);

// The program asks for the result of the connect, or uses the socket.
//
// If no intercepted wait or registration is known for this connect, the program waits in another way, or does not wait.
// Then a failure is repeated inside this call until the connect ends: RB_FLIGHT_FREE or RB_FLIGHT_FAILED. If such a
// wait is known, but has not reported the failure, another wait has reported it. Then the error is left in the socket,
// and the result is RB_FLIGHT_FREE. CONNECTING: the kernel is connecting. PARKED: an intercepted wait has hidden a
// failure.
//
// Keeps errno.
//   waits: wait until the connect ends, as calls on a blocking socket do; then this is a cancellation point, as they
//   are.
//     The result is CONNECTING or PARKED only if a signal interrupted the wait whose handler lacks SA_RESTART
enum rb_flight_state rb_life_ask(int fd, bool waits);

// Gives up a parked connect because its registrations cannot be hidden. Requires the lock.
void rb_life_give_up_locked(struct rb_flight *flight);

// Stops to follow a connect, because the library loses sight of the socket. The kernel then reports the real state of
// the connect to every process: a parked connect is given up.
void rb_life_leave_locked(struct rb_flight *flight, enum rb_reason reason);

// The same for all connects. inherited: only those that a program executed by this process would inherit.
void rb_life_leave_all_locked(bool inherited, enum rb_reason reason);

// Ends all flights before the program installs a seccomp filter. A hidden failure becomes visible in the kernel. If the
// kernel cannot report the real errno, it is kept for the next SO_ERROR on each descriptor: as a positive number to
// replace an ECONNREFUSED, or as a negative number to replace 0 (AF_UNIX).
void rb_life_end_all_locked(void);

// The program has read SO_ERROR in a sandbox. Returns the errno for the program. Makes no system call, takes no lock.
//   error: what the kernel has reported
int rb_life_take_left(int fd, int error);

// Leaves all connects, and parks none from now on.
void rb_life_stop(void);
extern _Atomic bool rb_life_stopped;

// Call when an epoll reported an error that fits no registration we know. If a connect fails at this moment for which
// no wait and no registration is known, then the program waits past the library: as rb_life_stop, with a line in the
// log. Returns whether it was so.
bool rb_life_stop_if_bypassed_locked(void);

// The program waits for this descriptor alone, and the wait ends in left_ms. If it ends before the next attempt of a
// parked connect is due, the program must see the true error, and not its own limit. So the connect is given up in the
// last milliseconds of the wait. At the end of the wait (0), a connect is also given up if an earlier attempt has
// failed and the current one has no result. Returns 0 if the connect was given up now; otherwise how long to wait until
// this function must be called again, UINT64_MAX for never. Keeps errno.
uint64_t rb_life_before_end(int fd, uint64_t left_ms);

// Makes all attempts that are due. Returns the time of the next one in milliseconds, or UINT64_MAX. Keeps errno.
uint64_t rb_life_tick(uint64_t now_ms);

// The program has read SO_ERROR after rb_life_ask. Returns the errno for the program. If a failure is hidden from the
// program, it gets this failure, and no further attempt is made: it must not read 0 after a failure. If the result is
// not 0, or if the connect was given up, the tracking ends.
//   error: what the kernel has reported. 0 for a TCP socket that was given up and that another process has too: that
//     process has read the error, and this one reads 0
int rb_life_take_error(int fd, int error);

// A call other than SO_ERROR has read `error` from the socket. Returns the errno for the program, and the tracking
// ends. Returns EINPROGRESS if another thread has parked the connect meanwhile.
int rb_life_failed(int fd, int error);

// Stops tracking without a log entry. Returns what the program saw until now.
enum rb_flight_state rb_life_drop(int fd);

#endif
