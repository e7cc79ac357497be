// SPDX-License-Identifier: MIT
// Private to net/park. State changes of connects in flight.
#ifndef RB_NET_PARK_LIFE_H
#define RB_NET_PARK_LIFE_H

#include "net/park/flight.h"

// Starts to track a connect. Returns true when the program must see EINPROGRESS; false when it must see `result`, and
// nothing is kept. Copies the connection and its peer.
//   result: of the first attempt: -EINPROGRESS, or another negative errno if it failed at once; the policy then decides
//     here
bool rb_life_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result);

// Makes a connect that the breaker refuses look like a connect in progress that ends with ECONNREFUSED. For a
// non-blocking TCP socket that is not connected. Returns false when this is not possible, and then keeps nothing.
bool rb_life_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection);

// Checks the descriptor's connect and acts: decides about a failed attempt, makes an attempt that is due. If the policy
// has connect.nonblocking = settle, this call waits until the connect ends (FREE or FAILED) or a signal arrives.
// Keeps errno.
enum rb_flight_state rb_life_look(int fd);

// Waits until the connect ends, as calls on a blocking socket do. Returns FREE or FAILED at the end. Returns
// CONNECTING or PARKED if a signal interrupted the wait whose handler lacks SA_RESTART. A cancellation point, as
// those calls are. Keeps errno.
enum rb_flight_state rb_life_settle(int fd);

// Gives up a parked connect because its registrations cannot be hidden. Requires the lock.
void rb_life_give_up_locked(struct rb_flight *flight);

// Stops to follow a connect, because the library loses sight of the socket. The kernel then reports the real state of
// the connect to every process: a parked connect is given up.
void rb_life_leave_locked(struct rb_flight *flight, enum rb_reason reason);

// The program waits for this descriptor alone, and the wait ends in left_ms. If it ends before the next attempt of a
// parked connect is due, the program must see the true error, and not its own limit. So the connect is given up in the
// last milliseconds of the wait. At the end of the wait (0), a connect is also given up if an earlier attempt has
// failed and the current one has no result. Returns 0 if the connect was given up now; otherwise how long to wait until
// this function must be called again, UINT64_MAX for never. Keeps errno.
uint64_t rb_life_before_end(int fd, uint64_t left_ms);

// Makes all attempts that are due. Returns the time of the next one in milliseconds, or UINT64_MAX. Keeps errno.
uint64_t rb_life_tick(uint64_t now_ms);

// Stops tracking a connect that was given up. Returns the errno for the program.
//   error: what the kernel has reported for SO_ERROR. 0 for a TCP socket that another process has too: that process has
//     read the error, and this one reads 0
int rb_life_take_error(int fd, int error);

// A call on the socket has read `error` from it. Returns EINPROGRESS when another attempt follows; otherwise the errno
// for the program, and the tracking ends.
int rb_life_failed(int fd, int error);

// Stops tracking without a log entry. Returns what the program saw until now.
enum rb_flight_state rb_life_drop(int fd);

#endif
