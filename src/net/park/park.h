// SPDX-License-Identifier: MIT
// The life of a non-blocking connect: it flies, fails, is parked out of the program's sight, flies again, and ends well
// or is given up.
//
// Nobody has a thread for it: whatever the program calls moves it on. Waits hold its event back and last no longer than
// until its next attempt; other calls look at it first.
//
// Given up: the error was read from the socket to be judged, so it is put there again, by a connect that the kernel is
// certain to refuse: to port 0 of the loopback address, where nothing can listen. So every way to learn of the failure
// works as ever, and the host gets no attempt that the policy does not allow. Where the errno was another than
// ECONNREFUSED, or the socket cannot be told so (AF_UNIX), the call that learns of it says the right one.
#ifndef RB_NET_PARK_H
#define RB_NET_PARK_H

#include <sys/epoll.h>

#include "net/connection.h"

struct rb_flight;

// What a descriptor is to the program now.
enum rb_park_view {
    RB_PARK_UNTRACKED, // no connect of ours: the kernel's word is the last
    RB_PARK_PENDING,   // still connecting, whatever the kernel says of it
    RB_PARK_PARKED,    // the same, and the kernel has nothing under way
    RB_PARK_FAILED     // given up: the kernel reports it, rb_park_take_error has the errno
};

// Takes over a connect whose first attempt ended with `result` (-EINPROGRESS: it is under way; another negative errno:
// it failed at once and is judged here). True: the program is to see EINPROGRESS. False: nothing is kept, it sees
// `result`. The connection's peer and the connection are copied.
bool rb_park_begin(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection,
                   int result);

// Begins a connect that the breaker refuses: what the program sees is a connect under way, and then ECONNREFUSED. For a
// non-blocking TCP socket that is not connected. False: this cannot be done, nothing is kept.
bool rb_park_refuse(int fd, const struct sockaddr *address, socklen_t length, const struct rb_connection *connection);

// True when the descriptor means a connect that is tracked, and not one whose number was given to another socket.
bool rb_park_tracks(int fd);

// Looks what has become of the descriptor's connect and acts on it: judges a failure, makes an attempt that is due.
// With connect.nonblocking = settle a failure is waited out here, until the end (PLAIN or TOLD) or a signal. errno is
// kept.
enum rb_park_view rb_park_look(int fd);

// Waits for the end of the descriptor's connect, as a call on a socket in blocking mode does: PLAIN or TOLD; else a
// signal came, whose handler was not installed with SA_RESTART. errno is kept.
enum rb_park_view rb_park_settle(int fd);

// The descriptor reported an event to poll or select. True: it is not for the program, or it is past (another thread
// has made an attempt since); what is to be seen will be reported anew, so the wait goes on.
//   failed: the event has an error or hang-up in it
bool rb_park_holds(int fd, bool failed);

// The same for what an epoll has reported. An event that no connect explains is another descriptor's, with the same
// data, and is not held.
//   since: when the wait began that fetched the event, by rb_flight_clock
bool rb_park_holds_watched(int epfd, const struct epoll_event *event, uint64_t since);

// A thread that may have seen the events left to what is hidden in this epoll waits no more: one comes again, for
// another thread to know when the next attempt is due.
void rb_park_pass(int epfd);

// Gives a parked connect up, as the program does something that cannot go on behind its back. With the lock held.
void rb_park_give_up(struct rb_flight *flight);

// Makes all attempts that are due. Returns the time of the next one, UINT64_MAX: there is none. errno is kept.
uint64_t rb_park_tick(uint64_t now_ms);

// The errno of a connect that was given up; the program has learnt of it, and the tracking ends. 0: no such connect.
int rb_park_take_error(int fd);

// A call on the socket has read `error` from it. Returns what the program is to see: EINPROGRESS: another attempt
// follows; else an errno, and the tracking ends.
int rb_park_failed(int fd, int error);

// Ends the tracking without a word. Returns what the program was being shown.
enum rb_park_view rb_park_drop(int fd);

// The descriptor is about to be closed; another one, or another process, may mean the same socket.
void rb_park_closing(int fd);

// Two descriptors mean the same socket: `copy` was made by dup or its like.
void rb_park_copied(int fd, int copy);

#endif
