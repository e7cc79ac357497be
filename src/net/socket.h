// SPDX-License-Identifier: MIT
// Questions to a socket, and one connect on it with a limit. All keep the descriptor, its options and its epoll
// entries.
#ifndef RB_NET_SOCKET_H
#define RB_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

// True when fd is a stream socket (SOCK_STREAM).
bool rb_socket_is_stream(int fd);

// True when fd is in blocking mode (O_NONBLOCK clear).
bool rb_socket_is_blocking(int fd);

// A number that no other socket of this machine has (SO_COOKIE). 0: fd is no socket, or the kernel is older than 4.12.
uint64_t rb_socket_identity(int fd);

// True when fd still is the socket of this identity. Also when that cannot be asked any more, as in a sandbox.
bool rb_socket_is(int fd, uint64_t identity);

// True when a connect on fd would begin something: the socket is not connected, connecting or listening.
bool rb_socket_can_connect(int fd);

// Takes queued errors off a TCP socket. With IP_RECVERR, and in Linux 6.18 always, a connect that failed by
// EHOSTUNREACH leaves one. It makes poll(2) report POLLERR for all later connects of the socket, also for those that
// succeed. Async-signal-safe.
void rb_socket_forget_errors(int fd);

// Takes a socket back to the unconnected state, without queued errors: connect(AF_UNSPEC), which also aborts a
// handshake in flight.
void rb_socket_disconnect(int fd);

// True when a connected TCP socket is its own peer: a repeated connect to a closed port of the ephemeral range can
// connect to itself by simultaneous open.
bool rb_socket_is_self_connected(int fd);

// One blocking connect(2) that ends after limit_ms with ETIMEDOUT; 0: no limit. Returns 0 or a negative errno, -EINTR
// as the bare call would give it: only when a handler without SA_RESTART is installed.
int rb_socket_connect(int fd, const struct sockaddr *address, socklen_t length, uint64_t limit_ms);

// Begins a connect that goes on in the kernel: what a blocking connect leaves behind when a signal interrupts it.
// Returns -EINTR when it is under way, 0 or another negative errno when it ended at once.
int rb_socket_connect_behind(int fd, const struct sockaddr *address, socklen_t length);

// One connect(2) that is no cancellation point. Returns 0 or a negative errno.
int rb_socket_dial(int fd, const struct sockaddr *address, socklen_t length);

// A connect that is certain to be refused, on a non-blocking TCP socket that is to be, or was, connected to `peer`
// (AF_INET or AF_INET6): to port 0 of the loopback address, or of its own one where it is bound to an interface.
// -EINPROGRESS: the refusal is there. Else it cannot be had, and the socket is not connecting.
int rb_socket_dial_refusal(int fd, const struct sockaddr *peer);

// The events of a socket now (POLLIN, POLLOUT, POLLERR, POLLHUP); 0: none.
int rb_socket_events(int fd);

// Waits for an event or the end of ms milliseconds, -1: no end. Returns 0 or -EINTR.
int rb_socket_wait(int fd, int ms);

// Reads SO_ERROR, which is cleared thereby. Returns an errno or 0.
int rb_socket_take_error(int fd);

// True when a TCP socket was connected, though it may be so no more: the peer has acknowledged its SYN.
bool rb_socket_was_connected(int fd);

#endif
