// SPDX-License-Identifier: MIT
// The calls by which a program learns what became of a non-blocking connect, or does something else to its socket: each
// answers as it would for a connect that takes longer. For descriptors of rb_flight_on only where nothing else is said;
// errno as the call leaves it.
#ifndef RB_NET_LEARN_H
#define RB_NET_LEARN_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

// getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length).
int rb_learn_error(int fd, void *value, socklen_t *length);

// A further connect(2) on the socket. False: the descriptor means no connect of ours, this is a new one.
bool rb_learn_connect(int fd, const struct sockaddr *address, socklen_t length, int *result);

// Before a call that reads or writes. False: it must not be made: -1 and errno (EAGAIN, or EINTR on a blocking socket).
//   flags: of recv or send, 0 for read and write
bool rb_learn_before_io(int fd, int flags);

// After it. Returns its result, with the errno of the connect's failure in place of the one that the kernel was made to
// report.
ssize_t rb_learn_after_io(int fd, ssize_t result);

// shutdown(2).
int rb_learn_shutdown(int fd, int how);

// epoll_ctl(2), for every descriptor: what is watched is noted; what is parked gets its registration when it is no
// more.
int rb_learn_control(int epfd, int op, int fd, struct epoll_event *event);

#endif
