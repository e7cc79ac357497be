// SPDX-License-Identifier: MIT
// poll, select and epoll: waits for sockets, some of which may be connecting.
#include "net/wait.h"
#include "hook/checked.h"
#include "hook/hook.h"
#include "net/flight.h"
#include "net/learn.h"
#include "real/libc.h"

static struct timespec from_ms(int ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
}

// The usual case: nothing is in flight, neither before nor after the bare wait. `held` says what a connect begun
// meanwhile leaves of its result; with nothing left, and time to go, the wait goes on after it.
#define WAIT_BARE(concerned, call, held, over)                                                                         \
    if (!rb_flight_any() || !(concerned)) {                                                                            \
        int ready = (call);                                                                                            \
        if (ready <= 0 || !rb_flight_any() || (ready = (held)) > 0 || (over))                                          \
            return ready;                                                                                              \
    }

RB_HOOK int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    uint64_t began = rb_wait_began(timeout > 0);
    struct timespec limit = from_ms(timeout);
    WAIT_BARE(rb_wait_polls(fds, count), rb_libc_poll(fds, count, timeout), rb_wait_polled(fds, count, ready),
              timeout == 0)
    return rb_wait_poll(fds, count, timeout < 0 ? NULL : &limit, began, NULL);
}

RB_HOOK int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t began = rb_wait_began(timeout != NULL);
    WAIT_BARE(rb_wait_polls(fds, count), rb_libc_ppoll(fds, count, timeout, mask), rb_wait_polled(fds, count, ready),
              false)
    return rb_wait_poll(fds, count, timeout, began, mask);
}

// A buffer too small for its count ends the program, and not with our help.
RB_HOOK int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    return size / sizeof *fds < count ? rb_libc_poll_chk(fds, count, timeout, size) : poll(fds, count, timeout);
}

RB_HOOK int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                        size_t size)
{
    return size / sizeof *fds < count ? rb_libc_ppoll_chk(fds, count, timeout, mask, size)
                                      : ppoll(fds, count, timeout, mask);
}

// A bare select has overwritten what it was asked: it cannot go on, and ends with nothing.
RB_HOOK int select(int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
                   struct timeval *restrict timeout)
{
    WAIT_BARE(rb_wait_selects(count, reads, writes, excepts), rb_libc_select(count, reads, writes, excepts, timeout),
              rb_wait_selected(count, reads, writes, excepts, ready), true)
    return rb_wait_select(count, reads, writes, excepts, timeout);
}

RB_HOOK int pselect(int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
                    const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
    WAIT_BARE(rb_wait_selects(count, reads, writes, excepts),
              rb_libc_pselect(count, reads, writes, excepts, timeout, mask),
              rb_wait_selected(count, reads, writes, excepts, ready), true)
    return rb_wait_pselect(count, reads, writes, excepts, timeout, mask);
}

RB_HOOK int epoll_wait(int epfd, struct epoll_event *events, int size, int timeout)
{
    uint64_t began = rb_wait_began(timeout > 0);
    struct timespec limit = from_ms(timeout);
    WAIT_BARE(rb_wait_epolls(epfd), rb_libc_epoll_wait(epfd, events, size, timeout),
              rb_wait_epolled(epfd, events, ready), timeout == 0)
    return rb_wait_epoll(epfd, events, size, timeout < 0 ? NULL : &limit, began, NULL, false);
}

RB_HOOK int epoll_pwait(int epfd, struct epoll_event *events, int size, int timeout, const sigset_t *mask)
{
    uint64_t began = rb_wait_began(timeout > 0);
    struct timespec limit = from_ms(timeout);
    WAIT_BARE(rb_wait_epolls(epfd), rb_libc_epoll_pwait(epfd, events, size, timeout, mask),
              rb_wait_epolled(epfd, events, ready), timeout == 0)
    return rb_wait_epoll(epfd, events, size, timeout < 0 ? NULL : &limit, began, mask, false);
}

RB_HOOK int epoll_pwait2(int epfd, struct epoll_event *events, int size, const struct timespec *timeout,
                         const sigset_t *mask)
{
    uint64_t began = rb_wait_began(timeout != NULL);
    WAIT_BARE(rb_wait_epolls(epfd), rb_libc_epoll_pwait2(epfd, events, size, timeout, mask),
              rb_wait_epolled(epfd, events, ready), false)
    return rb_wait_epoll(epfd, events, size, timeout, began, mask, true);
}

RB_HOOK int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return rb_process_active() ? rb_learn_control(epfd, op, fd, event) : rb_libc_epoll_ctl(epfd, op, fd, event);
}
