// SPDX-License-Identifier: MIT
// Next definitions of the hooked libc functions.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "real/elf.h"
#include "real/kernel.h"
#include "real/libc.h"

enum {
    CONNECT,
    GETADDRINFO,
    GETHOSTBYNAME,
    GETHOSTBYNAME2,
    GETHOSTBYNAME_R,
    GETHOSTBYNAME2_R,
    POLL,
    PPOLL,
    SELECT,
    PSELECT,
    EPOLL_WAIT,
    EPOLL_PWAIT,
    EPOLL_PWAIT2,
    EPOLL_CTL,
    POLL_CHK,
    PPOLL_CHK,
    READ_CHK,
    RECV_CHK,
    RECVFROM_CHK,
    READ,
    READV,
    RECV,
    RECVFROM,
    RECVMSG,
    WRITE,
    WRITEV,
    SEND,
    SENDTO,
    SENDMSG,
    GETSOCKOPT,
    SHUTDOWN,
    CLOSE,
    DUP,
    DUP2,
    DUP3,
    FCNTL,
    FCNTL64,
    SIGACTION,
    SIGNAL,
    BSD_SIGNAL,
    SSIGNAL,
    SYSV_SIGNAL,
    SETNS,
    UNSHARE,
    CHROOT,
    INITGROUPS,
    PRCTL,
    SETEGID,
    SETEUID,
    SETFSGID,
    SETFSUID,
    SETGID,
    SETGROUPS,
    SETREGID,
    SETRESGID,
    SETRESUID,
    SETREUID,
    SETUID,
    DLOPEN,
    DLSYM,
    FUNCTIONS
};

static const char *const names[FUNCTIONS] = {
    [CONNECT] = "connect",
    [GETADDRINFO] = "getaddrinfo",
    [GETHOSTBYNAME] = "gethostbyname",
    [GETHOSTBYNAME2] = "gethostbyname2",
    [GETHOSTBYNAME_R] = "gethostbyname_r",
    [GETHOSTBYNAME2_R] = "gethostbyname2_r",
    [POLL] = "poll",
    [PPOLL] = "ppoll",
    [SELECT] = "select",
    [PSELECT] = "pselect",
    [EPOLL_WAIT] = "epoll_wait",
    [EPOLL_PWAIT] = "epoll_pwait",
    [EPOLL_PWAIT2] = "epoll_pwait2",
    [EPOLL_CTL] = "epoll_ctl",
    [POLL_CHK] = "__poll_chk",
    [PPOLL_CHK] = "__ppoll_chk",
    [READ_CHK] = "__read_chk",
    [RECV_CHK] = "__recv_chk",
    [RECVFROM_CHK] = "__recvfrom_chk",
    [READ] = "read",
    [READV] = "readv",
    [RECV] = "recv",
    [RECVFROM] = "recvfrom",
    [RECVMSG] = "recvmsg",
    [WRITE] = "write",
    [WRITEV] = "writev",
    [SEND] = "send",
    [SENDTO] = "sendto",
    [SENDMSG] = "sendmsg",
    [GETSOCKOPT] = "getsockopt",
    [SHUTDOWN] = "shutdown",
    [CLOSE] = "close",
    [DUP] = "dup",
    [DUP2] = "dup2",
    [DUP3] = "dup3",
    [FCNTL] = "fcntl",
    [FCNTL64] = "fcntl64",
    [SIGACTION] = "sigaction",
    [SIGNAL] = "signal",
    [BSD_SIGNAL] = "bsd_signal",
    [SSIGNAL] = "ssignal",
    [SYSV_SIGNAL] = "__sysv_signal",
    [SETNS] = "setns",
    [UNSHARE] = "unshare",
    [CHROOT] = "chroot",
    [INITGROUPS] = "initgroups",
    [PRCTL] = "prctl",
    [SETEGID] = "setegid",
    [SETEUID] = "seteuid",
    [SETFSGID] = "setfsgid",
    [SETFSUID] = "setfsuid",
    [SETGID] = "setgid",
    [SETGROUPS] = "setgroups",
    [SETREGID] = "setregid",
    [SETRESGID] = "setresgid",
    [SETRESUID] = "setresuid",
    [SETREUID] = "setreuid",
    [SETUID] = "setuid",
    [DLOPEN] = "dlopen",
    [DLSYM] = "dlsym",
};

static _Atomic(void *) found[FUNCTIONS];

// Two threads may both look; they find the same.
static void *look_up(unsigned which)
{
    void *address = rb_elf_next(names[which]);
    atomic_store_explicit(&found[which], address, memory_order_release);
    return address;
}

// The answer of a system call in libc's form: -1 and errno.
static long as_libc(long result)
{
    if (result >= 0)
        return result;
    errno = (int) -result;
    return -1;
}

#define SYSTEM(...) as_libc(rb_kernel(__VA_ARGS__))

// NOLINTBEGIN(bugprone-macro-parentheses): they are types and parameter lists
// What stands behind a hook: the function found, to which it is only a jump, or `otherwise` where there is none.
// Looking for it stands apart, or it would cost each call a frame.
#define FORWARD_AS(result, name, type, which, parameters, arguments, otherwise)                                        \
    static __attribute__((cold, noinline)) result first_##name parameters                                              \
    {                                                                                                                  \
        type *real = (type *) look_up(which);                                                                          \
        return real ? real arguments : (result) (otherwise);                                                           \
    }                                                                                                                  \
    result rb_libc_##name parameters                                                                                   \
    {                                                                                                                  \
        type *real = (type *) atomic_load_explicit(&found[which], memory_order_acquire);                               \
        return real ? real arguments : first_##name arguments;                                                         \
    }

#define FORWARD(result, name, which, parameters, arguments, otherwise)                                                 \
    typedef result name##_fn parameters;                                                                               \
    FORWARD_AS(result, name, name##_fn, which, parameters, arguments, otherwise)

FORWARD(int, connect, CONNECT, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length),
        SYSTEM(SYS_connect, fd, address, length))
FORWARD(int, getaddrinfo, GETADDRINFO,
        (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result),
        (node, service, hints, result), (errno = ENOSYS, EAI_SYSTEM))
FORWARD(struct hostent *, gethostbyname, GETHOSTBYNAME, (const char *name), (name), NULL)
FORWARD(struct hostent *, gethostbyname2, GETHOSTBYNAME2, (const char *name, int family), (name, family), NULL)
FORWARD(int, gethostbyname_r, GETHOSTBYNAME_R,
        (const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result, int *error),
        (name, entry, buffer, size, result, error), (*result = NULL, *error = NO_RECOVERY, ENOSYS))
FORWARD(int, gethostbyname2_r, GETHOSTBYNAME2_R,
        (const char *name, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
         int *error),
        (name, family, entry, buffer, size, result, error), (*result = NULL, *error = NO_RECOVERY, ENOSYS))

static struct rb_kernel_time as_kernel_time(const struct timespec *time)
{
    return time ? (struct rb_kernel_time){(long) time->tv_sec, (long) time->tv_nsec} : (struct rb_kernel_time){0};
}

static long sys_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct rb_kernel_time left = as_kernel_time(timeout); // the kernel writes it
    return SYSTEM(SYS_ppoll, fds, count, timeout ? &left : NULL, mask, RB_KERNEL_SIGNALS);
}

static long sys_poll(struct pollfd *fds, nfds_t count, int ms)
{
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    return sys_ppoll(fds, count, ms < 0 ? NULL : &timeout, NULL);
}

static long sys_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                        const sigset_t *mask)
{
    struct rb_kernel_time left = as_kernel_time(timeout);
    uintptr_t packed[2] = {(uintptr_t) mask, RB_KERNEL_SIGNALS};
    return SYSTEM(SYS_pselect6, count, reads, writes, excepts, timeout ? &left : NULL, packed);
}

static long sys_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timeval *timeout)
{
    struct timespec limit = {.tv_sec = timeout ? timeout->tv_sec : 0,
                             .tv_nsec = timeout ? (long) timeout->tv_usec * 1000 : 0};
    return sys_pselect(count, reads, writes, excepts, timeout ? &limit : NULL, NULL);
}

FORWARD(int, poll, POLL, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout),
        sys_poll(fds, count, timeout))
FORWARD(int, ppoll, PPOLL, (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
        (fds, count, timeout, mask), sys_ppoll(fds, count, timeout, mask))
FORWARD(int, select, SELECT, (int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout),
        (count, reads, writes, excepts, timeout), sys_select(count, reads, writes, excepts, timeout))
FORWARD(int, pselect, PSELECT,
        (int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
         const sigset_t *mask),
        (count, reads, writes, excepts, timeout, mask), sys_pselect(count, reads, writes, excepts, timeout, mask))
FORWARD(int, epoll_pwait, EPOLL_PWAIT,
        (int epfd, struct epoll_event *events, int size, int timeout, const sigset_t *mask),
        (epfd, events, size, timeout, mask),
        SYSTEM(SYS_epoll_pwait, epfd, events, size, timeout, mask, RB_KERNEL_SIGNALS))
FORWARD(int, epoll_wait, EPOLL_WAIT, (int epfd, struct epoll_event *events, int size, int timeout),
        (epfd, events, size, timeout), rb_libc_epoll_pwait(epfd, events, size, timeout, NULL))
FORWARD(int, epoll_pwait2, EPOLL_PWAIT2,
        (int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask),
        (epfd, events, size, timeout, mask),
        SYSTEM(SYS_epoll_pwait2, epfd, events, size, timeout, mask, RB_KERNEL_SIGNALS))
FORWARD(int, epoll_ctl, EPOLL_CTL, (int epfd, int op, int fd, struct epoll_event *event), (epfd, op, fd, event),
        SYSTEM(SYS_epoll_ctl, epfd, op, fd, event))
FORWARD(int, poll_chk, POLL_CHK, (struct pollfd * fds, nfds_t count, int timeout, size_t size),
        (fds, count, timeout, size), rb_libc_poll(fds, count, timeout))
FORWARD(int, ppoll_chk, PPOLL_CHK,
        (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size),
        (fds, count, timeout, mask, size), rb_libc_ppoll(fds, count, timeout, mask))
FORWARD(ssize_t, read, READ, (int fd, void *buffer, size_t length), (fd, buffer, length),
        SYSTEM(SYS_read, fd, buffer, length))
FORWARD(ssize_t, readv, READV, (int fd, const struct iovec *parts, int count), (fd, parts, count),
        SYSTEM(SYS_readv, fd, parts, count))
FORWARD(ssize_t, recvfrom, RECVFROM,
        (int fd, void *buffer, size_t length, int flags, struct sockaddr *address, socklen_t *address_length),
        (fd, buffer, length, flags, address, address_length),
        SYSTEM(SYS_recvfrom, fd, buffer, length, flags, address, address_length))
FORWARD(ssize_t, recv, RECV, (int fd, void *buffer, size_t length, int flags), (fd, buffer, length, flags),
        rb_libc_recvfrom(fd, buffer, length, flags, NULL, NULL))
FORWARD(ssize_t, recvmsg, RECVMSG, (int fd, struct msghdr *message, int flags), (fd, message, flags),
        SYSTEM(SYS_recvmsg, fd, message, flags))
FORWARD(ssize_t, read_chk, READ_CHK, (int fd, void *buffer, size_t length, size_t size), (fd, buffer, length, size),
        rb_libc_read(fd, buffer, length))
FORWARD(ssize_t, recv_chk, RECV_CHK, (int fd, void *buffer, size_t length, size_t size, int flags),
        (fd, buffer, length, size, flags), rb_libc_recv(fd, buffer, length, flags))
FORWARD(ssize_t, recvfrom_chk, RECVFROM_CHK,
        (int fd, void *buffer, size_t length, size_t size, int flags, struct sockaddr *address,
         socklen_t *address_length),
        (fd, buffer, length, size, flags, address, address_length),
        rb_libc_recvfrom(fd, buffer, length, flags, address, address_length))
FORWARD(ssize_t, write, WRITE, (int fd, const void *buffer, size_t length), (fd, buffer, length),
        SYSTEM(SYS_write, fd, buffer, length))
FORWARD(ssize_t, writev, WRITEV, (int fd, const struct iovec *parts, int count), (fd, parts, count),
        SYSTEM(SYS_writev, fd, parts, count))
FORWARD(ssize_t, sendto, SENDTO,
        (int fd, const void *buffer, size_t length, int flags, const struct sockaddr *address,
         socklen_t address_length),
        (fd, buffer, length, flags, address, address_length),
        SYSTEM(SYS_sendto, fd, buffer, length, flags, address, address_length))
FORWARD(ssize_t, send, SEND, (int fd, const void *buffer, size_t length, int flags), (fd, buffer, length, flags),
        rb_libc_sendto(fd, buffer, length, flags, NULL, 0))
FORWARD(ssize_t, sendmsg, SENDMSG, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
        SYSTEM(SYS_sendmsg, fd, message, flags))
FORWARD(int, getsockopt, GETSOCKOPT, (int fd, int level, int option, void *value, socklen_t *length),
        (fd, level, option, value, length), SYSTEM(SYS_getsockopt, fd, level, option, value, length))
FORWARD(int, setns, SETNS, (int fd, int kinds), (fd, kinds), SYSTEM(SYS_setns, fd, kinds))
FORWARD(int, unshare, UNSHARE, (int kinds), (kinds), SYSTEM(SYS_unshare, kinds))
FORWARD(int, shutdown, SHUTDOWN, (int fd, int how), (fd, how), SYSTEM(SYS_shutdown, fd, how))
FORWARD(int, close, CLOSE, (int fd), (fd), SYSTEM(SYS_close, fd))
FORWARD(int, dup, DUP, (int fd), (fd), SYSTEM(SYS_dup, fd))
FORWARD(int, dup3, DUP3, (int fd, int copy, int flags), (fd, copy, flags), SYSTEM(SYS_dup3, fd, copy, flags))
FORWARD(int, dup2, DUP2, (int fd, int copy), (fd, copy),
        fd == copy ? SYSTEM(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : copy : SYSTEM(SYS_dup3, fd, copy, 0))

#define NOT_THERE(result) (errno = ENOSYS, (result))

FORWARD(int, sigaction, SIGACTION, (int number, const struct sigaction *action, struct sigaction *old),
        (number, action, old), NOT_THERE(-1))
FORWARD(sighandler_t, signal, SIGNAL, (int number, sighandler_t handler), (number, handler), NOT_THERE(SIG_ERR))
FORWARD(sighandler_t, bsd_signal, BSD_SIGNAL, (int number, sighandler_t handler), (number, handler),
        rb_libc_signal(number, handler))
FORWARD(sighandler_t, ssignal, SSIGNAL, (int number, sighandler_t handler), (number, handler),
        rb_libc_signal(number, handler))
FORWARD(sighandler_t, sysv_signal, SYSV_SIGNAL, (int number, sighandler_t handler), (number, handler),
        NOT_THERE(SIG_ERR))

FORWARD(int, chroot, CHROOT, (const char *path), (path), NOT_THERE(-1))
FORWARD(int, initgroups, INITGROUPS, (const char *user, gid_t group), (user, group), NOT_THERE(-1))
FORWARD(int, setegid, SETEGID, (gid_t group), (group), NOT_THERE(-1))
FORWARD(int, seteuid, SETEUID, (uid_t user), (user), NOT_THERE(-1))
FORWARD(int, setfsgid, SETFSGID, (gid_t group), (group), NOT_THERE(-1))
FORWARD(int, setfsuid, SETFSUID, (uid_t user), (user), NOT_THERE(-1))
FORWARD(int, setgid, SETGID, (gid_t group), (group), NOT_THERE(-1))
FORWARD(int, setgroups, SETGROUPS, (size_t count, const gid_t *groups), (count, groups), NOT_THERE(-1))
FORWARD(int, setregid, SETREGID, (gid_t own, gid_t effective), (own, effective), NOT_THERE(-1))
FORWARD(int, setresgid, SETRESGID, (gid_t own, gid_t effective, gid_t saved), (own, effective, saved), NOT_THERE(-1))
FORWARD(int, setresuid, SETRESUID, (uid_t own, uid_t effective, uid_t saved), (own, effective, saved), NOT_THERE(-1))
FORWARD(int, setreuid, SETREUID, (uid_t own, uid_t effective), (own, effective), NOT_THERE(-1))
FORWARD(int, setuid, SETUID, (uid_t user), (user), NOT_THERE(-1))

// Variadic in C, and so called with another convention on some architectures.
typedef int fcntl_fn(int fd, int command, ...);

FORWARD_AS(int, fcntl, fcntl_fn, FCNTL, (int fd, int command, void *argument), (fd, command, argument),
           SYSTEM(SYS_fcntl, fd, command, argument))
FORWARD_AS(int, fcntl64, fcntl_fn, FCNTL64, (int fd, int command, void *argument), (fd, command, argument),
           rb_libc_fcntl(fd, command, argument))

typedef int prctl_fn(int option, ...);

FORWARD_AS(int, prctl, prctl_fn, PRCTL,
           (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d), (option, a, b, c, d),
           SYSTEM(SYS_prctl, option, a, b, c, d))

// NOLINTEND(bugprone-macro-parentheses)

// Before glibc 2.34 the loader's functions are in libdl.so.2, which may have been loaded later.
static RB_EARLY void *find_loader(unsigned which)
{
    void *address = rb_elf_next(names[which]);
    if (!address)
        address = rb_elf_next_anywhere(names[which]);
    atomic_store_explicit(&found[which], address, memory_order_release);
    return address;
}

RB_EARLY rb_dlopen_fn *rb_libc_dlopen(void)
{
    void *address = atomic_load_explicit(&found[DLOPEN], memory_order_acquire);
    return address ? address : find_loader(DLOPEN);
}

RB_EARLY rb_dlsym_fn *rb_libc_dlsym(void)
{
    void *address = atomic_load_explicit(&found[DLSYM], memory_order_acquire);
    return address ? address : find_loader(DLSYM);
}
