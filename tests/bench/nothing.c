// SPDX-License-Identifier: MIT
// Calls that do nothing, preloaded behind the library that is measured. A real system call takes about a thousand
// nanoseconds, which vary by more than the cost of a hook.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    (void) fds, (void) count, (void) timeout;
    return 0;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    (void) fds, (void) count, (void) timeout, (void) mask;
    return 0;
}

int select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout)
{
    (void) count, (void) reads, (void) writes, (void) excepts, (void) timeout;
    return 0;
}

int pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
            const sigset_t *mask)
{
    (void) count, (void) reads, (void) writes, (void) excepts, (void) timeout, (void) mask;
    return 0;
}

int epoll_wait(int epfd, struct epoll_event *events, int size, int timeout)
{
    (void) epfd, (void) events, (void) size, (void) timeout;
    return 0;
}

int epoll_pwait(int epfd, struct epoll_event *events, int size, int timeout, const sigset_t *mask)
{
    (void) epfd, (void) events, (void) size, (void) timeout, (void) mask;
    return 0;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    (void) epfd, (void) op, (void) fd, (void) event;
    return 0;
}

// What is asked when a connect begins is answered.
int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    return option == SO_ERROR ? 0 : (int) syscall(SYS_getsockopt, fd, level, option, value, length);
}

ssize_t read(int fd, void *buffer, size_t length)
{
    (void) fd, (void) buffer;
    return (ssize_t) length;
}

ssize_t write(int fd, const void *buffer, size_t length)
{
    (void) fd, (void) buffer;
    return (ssize_t) length;
}

ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    (void) fd, (void) buffer, (void) flags;
    return (ssize_t) length;
}

ssize_t send(int fd, const void *buffer, size_t length, int flags)
{
    (void) fd, (void) buffer, (void) flags;
    return (ssize_t) length;
}

int close(int fd)
{
    (void) fd;
    return 0;
}
