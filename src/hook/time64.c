// SPDX-License-Identifier: MIT
// Functions that a 32-bit program calls if it was built with 64-bit times. They do the same as the functions without a
// number in their name. A wait is shortened to the 68 years of a 32-bit time.
#include "hook/hook.h"

#if __SIZEOF_LONG__ == 4

#include "net/park.h"
#include "net/rights.h"
#include "real/libc.h"
#include "real/memory.h"

static int32_t seconds_of(int64_t seconds)
{
    return seconds > INT32_MAX ? INT32_MAX : seconds < INT32_MIN ? INT32_MIN : (int32_t) seconds;
}

// Returns NULL for a wait without a limit, and a wrong pointer for a wrong pointer. Otherwise returns out.
static struct timespec *time_of(const struct rb_time64 *time, struct timespec *out)
{
    if (rb_memory_is_wild(time))
        return (struct timespec *) time;
    *out = (struct timespec){.tv_sec = seconds_of(time->seconds), .tv_nsec = time->nanoseconds};
    return out;
}

static int ppoll_with(struct pollfd *fds, nfds_t count, const struct rb_time64 *time, const sigset_t *mask)
{
    struct timespec timeout;
    return rb_wait_poll(fds, count, time_of(time, &timeout), mask);
}

RB_HOOK int __ppoll64(struct pollfd *fds, nfds_t count, const struct rb_time64 *timeout, const sigset_t *mask)
{
    return rb_park_any() ? ppoll_with(fds, count, timeout, mask) : rb_libc___ppoll64(fds, count, timeout, mask);
}

RB_HOOK int __ppoll_time64(struct pollfd *fds, nfds_t count, const struct rb_time64 *timeout, const sigset_t *mask)
{
    return rb_park_any() ? ppoll_with(fds, count, timeout, mask) : rb_libc___ppoll_time64(fds, count, timeout, mask);
}

static int pselect_with(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct rb_time64 *time,
                        const sigset_t *mask)
{
    struct timespec timeout;
    return rb_select_wait_precise(count, reads, writes, excepts, time_of(time, &timeout), mask);
}

RB_HOOK int __pselect64(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct rb_time64 *timeout,
                        const sigset_t *mask)
{
    return rb_park_any() ? pselect_with(count, reads, writes, excepts, timeout, mask)
                         : rb_libc___pselect64(count, reads, writes, excepts, timeout, mask);
}

RB_HOOK int __pselect_time64(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct rb_time64 *timeout,
                             const sigset_t *mask)
{
    return rb_park_any() ? pselect_with(count, reads, writes, excepts, timeout, mask)
                         : rb_libc___pselect_time64(count, reads, writes, excepts, timeout, mask);
}

// select writes the remaining time.
static int select_with(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct rb_interval64 *time)
{
    if (rb_memory_is_wild(time))
        return rb_select_wait(count, reads, writes, excepts, (struct timeval *) time);
    struct timeval timeout = {.tv_sec = seconds_of(time->seconds), .tv_usec = (int32_t) time->microseconds};
    int ready = rb_select_wait(count, reads, writes, excepts, &timeout);
    *time = (struct rb_interval64){.seconds = timeout.tv_sec, .microseconds = timeout.tv_usec};
    return ready;
}

RB_HOOK int __select64(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct rb_interval64 *timeout)
{
    return rb_park_any() ? select_with(count, reads, writes, excepts, timeout)
                         : rb_libc___select64(count, reads, writes, excepts, timeout);
}

RB_HOOK int __select_time64(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct rb_interval64 *timeout)
{
    return rb_park_any() ? select_with(count, reads, writes, excepts, timeout)
                         : rb_libc___select_time64(count, reads, writes, excepts, timeout);
}

// The wait is made by the function without a number, which also filters its events.
RB_HOOK int __epoll_pwait2_time64(int epfd, struct epoll_event *events, int size, const struct rb_time64 *timeout,
                                  const sigset_t *mask)
{
    struct timespec narrow;
    return epoll_pwait2(epfd, events, size, time_of(timeout, &narrow), mask);
}

RB_HOOK int __getsockopt64(int fd, int level, int option, void *value, socklen_t *length)
{
    if (option != SO_ERROR || level != SOL_SOCKET || (!rb_park_on(fd) && !rb_sandbox_is_filtered()))
        return rb_libc___getsockopt64(fd, level, option, value, length);
    return rb_park_error(fd, value, length);
}

// The commands with 64-bit times are none of those that concern a connect.
RB_HOOK int rb_hook_fcntl_time64(int fd, int command, void *argument) __asm__("__fcntl_time64");

int rb_hook_fcntl_time64(int fd, int command, void *argument)
{
    return fcntl64(fd, command, argument);
}

RB_HOOK int rb_hook_ioctl_time64(int fd, unsigned long request, void *argument) __asm__("__ioctl_time64");

int rb_hook_ioctl_time64(int fd, unsigned long request, void *argument)
{
    return rb_park_any() ? ioctl(fd, request, argument) : rb_libc___ioctl_time64(fd, request, argument);
}

// While a connect is in flight, the call is made only if rb_park_before_io allows it.
#define IO(fd, flags, call)                                                                                            \
    (!rb_park_on(fd) ? (call) : !rb_park_before_io(fd, flags) ? -1 : rb_park_after_io(fd, (call)))

RB_HOOK int __recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags, struct rb_time64 *timeout)
{
    return (int) IO(fd, flags, rb_libc___recvmmsg64(fd, messages, count, flags, timeout));
}

RB_HOOK int __recvmmsg_time64(int fd, struct mmsghdr *messages, unsigned count, int flags, struct rb_time64 *timeout)
{
    return (int) IO(fd, flags, rb_libc___recvmmsg_time64(fd, messages, count, flags, timeout));
}

RB_HOOK ssize_t __recvmsg64(int fd, struct msghdr *message, int flags)
{
    return IO(fd, flags, rb_libc___recvmsg64(fd, message, flags));
}

RB_HOOK int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (rb_park_any())
        rb_rights_visit_all(messages, count, rb_park_leave);
    return (int) IO(fd, flags, rb_libc___sendmmsg64(fd, messages, count, flags));
}

RB_HOOK ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags)
{
    if (rb_park_any())
        rb_rights_visit(message, rb_park_leave);
    return IO(fd, flags, rb_libc___sendmsg64(fd, message, flags));
}

#endif
