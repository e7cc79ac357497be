// SPDX-License-Identifier: MIT
// Non-blocking connects. A failed attempt is hidden from the program ("parked"), then the connect is attempted again,
// until it succeeds or is given up.
//
// No thread works in the background: the program's own calls make the attempts. A wait hides the events of parked
// connects and returns to make an attempt when one is due. Other calls on the socket first look at the connect.
//
// Giving up: the failed attempt's error was already read from the socket, so the program could not see it any more.
// Therefore the kernel is made to report a failure again, by a connect that it always refuses: to port 0 of the
// loopback address, where nothing can listen. Every way to learn about the failure then works, and the host gets no
// extra attempt. If the real errno was not ECONNREFUSED, or if such a connect is not possible (AF_UNIX), the call that
// reads the error returns the real errno.
#ifndef RB_NET_PARK_PARK_H
#define RB_NET_PARK_PARK_H

#include <sys/epoll.h>

#include "net/connection.h"
#include "net/park/flight.h"

// Starts to track a connect. Returns true when the program must see EINPROGRESS; false when it must see `result`, and
// nothing is kept. Copies the connection and its peer.
//   result: of the first attempt: -EINPROGRESS, or another negative errno if it failed at once; the policy then decides
//     here
bool rb_park_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result);

// Makes a connect that the breaker refuses look like a connect in progress that ends with ECONNREFUSED. For a
// non-blocking TCP socket that is not connected. Returns false when this is not possible, and then keeps nothing.
bool rb_park_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection);

// True when the descriptor's connect is tracked. False when the number now belongs to another socket.
bool rb_park_tracks(int fd);

// Checks the descriptor's connect and acts: decides about a failed attempt, makes an attempt that is due. If the policy
// has connect.nonblocking = settle, this call waits until the connect ends (FREE or FAILED) or a signal arrives.
// Keeps errno.
enum rb_flight_state rb_park_look(int fd);

// Waits until the connect ends, as calls on a blocking socket do. Returns FREE or FAILED at the end. Returns
// CONNECTING or PARKED if a signal interrupted the wait whose handler lacks SA_RESTART. Keeps errno.
enum rb_flight_state rb_park_settle(int fd);

// poll or select reported an event for the descriptor. Returns true when the event must be hidden: it announces a
// failure that is retried, or it is outdated because another thread has made an attempt since. The caller continues to
// wait; the kernel will report new events.
//   failed: the event includes an error or a hang-up
bool rb_park_holds(int fd, bool failed);

// The same for an event of epoll. An event that fits no tracked connect belongs to another descriptor with the same
// data, and is not hidden.
//   since: rb_clock_changes at the start of the wait that fetched the event
bool rb_park_holds_watched(int epfd, const struct epoll_event *event, uint64_t since);

// Call when a thread stops waiting after it received the one-shot event of a parked connect. Arms this event again, so
// that another waiting thread learns when the next attempt is due.
void rb_park_pass(int epfd);

// Gives up a parked connect because its registrations cannot be hidden. Requires the lock.
void rb_park_give_up_locked(struct rb_flight *flight);

// Makes all attempts that are due. Returns the time of the next one in milliseconds, or UINT64_MAX. Keeps errno.
uint64_t rb_park_tick(uint64_t now_ms);

// Returns the errno of a connect that was given up and stops tracking it. 0 if there is no such connect.
int rb_park_take_error(int fd);

// A call on the socket has read `error` from it. Returns EINPROGRESS when another attempt follows; otherwise the errno
// for the program, and the tracking ends.
int rb_park_failed(int fd, int error);

// Stops tracking without a log entry. Returns what the program saw until now.
enum rb_flight_state rb_park_drop(int fd);

// Call before the descriptor is closed. The socket may stay open through another descriptor or in another process.
void rb_park_closing(int fd);

// Call after fd was duplicated to `copy`.
void rb_park_copied(int fd, int copy);

#endif
