// SPDX-License-Identifier: MIT
// Queries about one socket, and single connects with a limit. Every function keeps the descriptor, its options and its
// epoll registrations.
#ifndef RB_NET_SOCKET_H
#define RB_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

// True when fd is a stream socket (SOCK_STREAM).
bool rb_socket_is_stream(int fd);

// True when fd is in blocking mode (O_NONBLOCK clear).
bool rb_socket_is_blocking(int fd);

// True when a signal reports events of fd (O_ASYNC).
bool rb_socket_is_signalled(int fd);

// The kernel's unique number of the socket (SO_COOKIE). 0 if fd is not a socket or the kernel is older than 4.12.
uint64_t rb_socket_identity(int fd);

// True when fd still refers to the socket with this identity. Also true when the kernel does not answer, for example in
// a sandbox.
bool rb_socket_is(int fd, uint64_t identity);

// True when connect(2) would start a connect: the socket is not connected, connecting or listening.
bool rb_socket_can_connect(int fd);

// Removes queued errors from a TCP socket. A connect that failed with EHOSTUNREACH leaves a queued error if IP_RECVERR
// is set, and always in Linux 6.18. A queued error makes poll(2) report POLLERR for all later connects on the socket,
// even for successful ones. Async-signal-safe.
void rb_socket_forget_errors(int fd);

// Disconnects a socket with connect(AF_UNSPEC) and removes its queued errors. Also aborts a handshake.
void rb_socket_disconnect(int fd);

// True when a TCP socket is connected to itself. Repeated connects to a closed port in the ephemeral range can do this
// by simultaneous open.
bool rb_socket_is_self_connected(int fd);

// SO_SNDTIMEO in milliseconds, rounded up. 0: none, or fd is not a socket.
uint64_t rb_socket_send_limit_ms(int fd);

// SO_RCVTIMEO in milliseconds, rounded up. 0: none, or fd is not a socket.
uint64_t rb_socket_receive_limit_ms(int fd);

// One blocking connect(2), a cancellation point.
//   limit_ms: the longest duration by the policy, 0 for none. Then the connect ends with -ETIMEDOUT.
//   own_left_ms: what is left of the program's SO_SNDTIMEO, 0 for all of it. Then the result is that of connect(2):
//                -EINPROGRESS, and the connect goes on in the kernel
// Returns 0 or a negative errno. Returns -EINTR only when connect(2) itself would: a signal handler without SA_RESTART
// is installed, or the program has set SO_SNDTIMEO.
int rb_socket_connect(int fd, const struct sockaddr *address, socklen_t length, uint64_t limit_ms,
                      uint64_t own_left_ms);

// Starts a connect that continues in the kernel, as a blocking connect does after a signal interrupts it. Returns
// -EINTR when the connect is in progress, or 0 or another negative errno when it ended at once.
int rb_socket_connect_behind(int fd, const struct sockaddr *address, socklen_t length);

// One connect(2) that never blocks and is not a cancellation point. If the socket is in blocking mode, O_NONBLOCK is
// set during the call. Returns 0 or a negative errno; -ECANCELED if the mode could not be read or set.
int rb_socket_dial(int fd, const struct sockaddr *address, socklen_t length);

// Makes the kernel refuse a connect on a non-blocking TCP socket, so that the program sees ECONNREFUSED. The connect
// goes to port 0 of the loopback address, where nothing can listen. If the socket is bound to an interface, the connect
// goes to the socket's own address. Returns -EINPROGRESS when the refusal is ready to be read. Otherwise the refusal is
// not possible, and the socket is not connecting.
//   peer: the address that the program connects to (AF_INET or AF_INET6)
int rb_socket_dial_refusal(int fd, const struct sockaddr *peer);

// The current poll events of a socket (POLLIN, POLLOUT, POLLRDHUP, POLLERR, POLLHUP), 0 for none.
int rb_socket_events(int fd);

// Waits for an event, at most ms milliseconds; -1 waits without limit. Returns 0 or -EINTR.
int rb_socket_wait(int fd, int ms);

// Reads and clears SO_ERROR. Returns an errno or 0.
int rb_socket_take_error(int fd);

// True when a TCP socket is or was connected: the peer has acknowledged the SYN.
bool rb_socket_was_connected(int fd);

#endif
