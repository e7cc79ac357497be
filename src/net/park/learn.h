// SPDX-License-Identifier: MIT
// Calls on the socket of a non-blocking connect: they read its result or use the socket. Each call answers as the
// kernel would if the connect merely took longer. Call these functions only for descriptors of rb_flight_on, unless
// stated otherwise. errno is set as by the intercepted call.
#ifndef RB_NET_PARK_LEARN_H
#define RB_NET_PARK_LEARN_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

// Replaces getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length).
int rb_learn_error(int fd, void *value, socklen_t *length);

// Replaces a further connect(2) on the socket. Returns false when the descriptor has no connect in flight, so that the
// call is a new connect.
bool rb_learn_connect(int fd, const struct sockaddr *address, socklen_t length, int *result);

// Call before reading or writing. False: do not make the call; return -1 with errno as set (EAGAIN, or EINTR on a
// blocking socket).
//   flags: of recv or send; 0 for read and write
bool rb_learn_before_io(int fd, int flags);

// Call after reading or writing. Returns the result. If the kernel reported the refusal that we caused, errno becomes
// the errno of the real failure.
ssize_t rb_learn_after_io(int fd, ssize_t result);

// Replaces shutdown(2).
int rb_learn_shutdown(int fd, int how);

// Replaces epoll_ctl(2), for every descriptor. Records the registration. The registration of a parked connect takes
// effect when the connect is no longer parked.
int rb_learn_control(int epfd, int op, int fd, struct epoll_event *event);

#endif
