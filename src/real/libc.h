// SPDX-License-Identifier: MIT
// The libc functions we stand in front of, found once in the next object after this library.
#ifndef RB_REAL_LIBC_H
#define RB_REAL_LIBC_H

#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

// Each is the function of the same name, untouched: parameters, result and errno are libc's (or the next preload's).
// A function that is not there answers as libc does for lack of support: connect by a raw system call, getaddrinfo with
// EAI_SYSTEM and ENOSYS, gethostbyname* with no result and NO_RECOVERY. Found on first use,
// without a lock; async-signal-safe.
int rb_libc_connect(int fd, const struct sockaddr *address, socklen_t length);
int rb_libc_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result);
struct hostent *rb_libc_gethostbyname(const char *name);
struct hostent *rb_libc_gethostbyname2(const char *name, int family);
int rb_libc_gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                            int *error);
int rb_libc_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                             struct hostent **result, int *error);

// Waits. A function that is not there is answered by the system call behind it.
int rb_libc_poll(struct pollfd *fds, nfds_t count, int timeout);
int rb_libc_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int rb_libc_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout);
int rb_libc_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask);
int rb_libc_epoll_wait(int epfd, struct epoll_event *events, int size, int timeout);
int rb_libc_epoll_pwait(int epfd, struct epoll_event *events, int size, int timeout, const sigset_t *mask);
int rb_libc_epoll_pwait2(int epfd, struct epoll_event *events, int size, const struct timespec *timeout,
                         const sigset_t *mask);
int rb_libc_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);

// glibc's checked twins: `size` is that of the buffer, and the program ends when it is too small.
int rb_libc_poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size);
int rb_libc_ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                      size_t size);
ssize_t rb_libc_read_chk(int fd, void *buffer, size_t length, size_t size);
ssize_t rb_libc_recv_chk(int fd, void *buffer, size_t length, size_t size, int flags);
ssize_t rb_libc_recvfrom_chk(int fd, void *buffer, size_t length, size_t size, int flags, struct sockaddr *address,
                             socklen_t *address_length);

// What is done to sockets, and descriptors.
ssize_t rb_libc_read(int fd, void *buffer, size_t length);
ssize_t rb_libc_readv(int fd, const struct iovec *parts, int count);
ssize_t rb_libc_recv(int fd, void *buffer, size_t length, int flags);
ssize_t rb_libc_recvfrom(int fd, void *buffer, size_t length, int flags, struct sockaddr *address,
                         socklen_t *address_length);
ssize_t rb_libc_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t rb_libc_write(int fd, const void *buffer, size_t length);
ssize_t rb_libc_writev(int fd, const struct iovec *parts, int count);
ssize_t rb_libc_send(int fd, const void *buffer, size_t length, int flags);
ssize_t rb_libc_sendto(int fd, const void *buffer, size_t length, int flags, const struct sockaddr *address,
                       socklen_t address_length);
ssize_t rb_libc_sendmsg(int fd, const struct msghdr *message, int flags);
int rb_libc_getsockopt(int fd, int level, int option, void *value, socklen_t *length);
int rb_libc_shutdown(int fd, int how);
int rb_libc_close(int fd);
int rb_libc_dup(int fd);
int rb_libc_dup2(int fd, int copy);
int rb_libc_dup3(int fd, int copy, int flags);
int rb_libc_fcntl(int fd, int command, void *argument);
int rb_libc_fcntl64(int fd, int command, void *argument);

// The namespaces of the calling thread.
int rb_libc_setns(int fd, int kinds);
int rb_libc_unshare(int kinds);

// Actions of signals. One that is not there fails with ENOSYS.
int rb_libc_sigaction(int number, const struct sigaction *action, struct sigaction *old);
sighandler_t rb_libc_signal(int number, sighandler_t handler);
sighandler_t rb_libc_bsd_signal(int number, sighandler_t handler);
sighandler_t rb_libc_ssignal(int number, sighandler_t handler);
sighandler_t rb_libc_sysv_signal(int number, sighandler_t handler);

// The user, the groups and the root directory. One that is not there fails with ENOSYS.
int rb_libc_chroot(const char *path);
int rb_libc_initgroups(const char *user, gid_t group);
int rb_libc_setegid(gid_t group);
int rb_libc_seteuid(uid_t user);
int rb_libc_setfsgid(gid_t group);
int rb_libc_setfsuid(uid_t user);
int rb_libc_setgid(gid_t group);
int rb_libc_setgroups(size_t count, const gid_t *groups);
int rb_libc_setregid(gid_t own, gid_t effective);
int rb_libc_setresgid(gid_t own, gid_t effective, gid_t saved);
int rb_libc_setresuid(uid_t own, uid_t effective, uid_t saved);
int rb_libc_setreuid(uid_t own, uid_t effective);
int rb_libc_setuid(uid_t user);
int rb_libc_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

// The loader's own functions. Both judge the caller by the return address, so a hook has to jump to them; NULL: there
// is none, as where nothing has loaded libdl.so.2 of a glibc before 2.34. May be called before anything else works.
typedef void *rb_dlopen_fn(const char *file, int flags);
typedef void *rb_dlsym_fn(void *handle, const char *name);
rb_dlopen_fn *rb_libc_dlopen(void);
rb_dlsym_fn *rb_libc_dlsym(void);
#endif
