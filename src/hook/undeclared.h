// SPDX-License-Identifier: MIT
// Functions that no header declares: glibc's checked twins of some, which programs built with _FORTIFY_SOURCE call, and
// names of signal(3) by older standards.
#ifndef RB_HOOK_UNDECLARED_H
#define RB_HOOK_UNDECLARED_H

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

// As the plain functions; `size` is the buffer's. One that is too small ends the program.
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size);
ssize_t __read_chk(int fd, void *buffer, size_t length, size_t size);
ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *restrict buffer, size_t length, size_t size, int flags,
                       struct sockaddr *restrict address, socklen_t *restrict address_length);

// As signal(3).
void (*bsd_signal(int number, void (*handler)(int)))(int);

#endif
