// SPDX-License-Identifier: MIT
// poll, select and epoll: waits for sockets, some of which may be connecting.
#include "net/park/wait.h"
#include "hook/hook.h"
#include "net/park/flight.h"
#include "net/park/learn.h"
#include "real/libc.h"
#include "real/system.h"

// With nothing in flight each ends in a jump: after a wait a return to here would be one that the processor does not
// foresee, and costs more than all the rest.

RB_HOOK int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    return rb_flight_any() ? rb_wait_poll_ms(fds, count, timeout) : rb_libc_poll(fds, count, timeout);
}

RB_HOOK int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return rb_flight_any() ? rb_wait_poll(fds, count, timeout, mask) : rb_libc_ppoll(fds, count, timeout, mask);
}

// A buffer too small for its count ends the program, and not with our help.
RB_HOOK int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    if (!rb_flight_any() || size / sizeof(*fds) < count)
        return rb_libc___poll_chk(fds, count, timeout, size);
    return poll(fds, count, timeout);
}

RB_HOOK int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                        size_t size)
{
    if (!rb_flight_any() || size / sizeof(*fds) < count)
        return rb_libc___ppoll_chk(fds, count, timeout, mask, size);
    return ppoll(fds, count, timeout, mask);
}

RB_HOOK int select(int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
                   struct timeval *restrict timeout)
{
    return rb_flight_any() ? rb_wait_select(count, reads, writes, excepts, timeout)
                           : rb_libc_select(count, reads, writes, excepts, timeout);
}

RB_HOOK int pselect(int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
                    const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
    return rb_flight_any() ? rb_wait_pselect(count, reads, writes, excepts, timeout, mask)
                           : rb_libc_pselect(count, reads, writes, excepts, timeout, mask);
}

// A wait that began before anything was in flight may fetch what is to be held.
#define FETCH(limit, mask, exact, call)                                                                                \
    struct rb_wait_start start = rb_wait_begins(limit);                                                                \
    int ready = (call);                                                                                                \
    if (ready <= 0 || !rb_wait_sifts())                                                                                \
        return ready;                                                                                                  \
    return rb_wait_fetched(epfd, events, size, ready, limit, &start, mask, exact)

RB_HOOK int epoll_wait(int epfd, struct epoll_event *events, int size, int timeout)
{
    struct timespec limit, *until = rb_wait_of_ms(timeout, &limit);
    rb_wait_enter();
    if (rb_wait_is_short(until))
        return rb_wait_epoll(epfd, events, size, until, NULL, false);
    FETCH(until, NULL, false, rb_libc_epoll_wait(epfd, events, size, timeout));
}

RB_HOOK int epoll_pwait(int epfd, struct epoll_event *events, int size, int timeout, const sigset_t *mask)
{
    struct timespec limit, *until = rb_wait_of_ms(timeout, &limit);
    rb_wait_enter();
    if (rb_wait_is_short(until))
        return rb_wait_epoll(epfd, events, size, until, mask, false);
    FETCH(until, mask, false, rb_libc_epoll_pwait(epfd, events, size, timeout, mask));
}

RB_HOOK int epoll_pwait2(int epfd, struct epoll_event *events, int size, const struct timespec *timeout,
                         const sigset_t *mask)
{
    rb_wait_enter();
    if (rb_wait_is_short(NULL))
        return rb_wait_epoll(epfd, events, size, timeout, mask, true);
    FETCH(timeout, mask, true, rb_libc_epoll_pwait2(epfd, events, size, timeout, mask));
}

// A registration is noted before there is a policy, too: the connect that it is for may come later. Servers that never
// connect need no policy for it.
RB_HOOK int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    return rb_process_is_off() ? rb_libc_epoll_ctl(epfd, op, fd, event) : rb_learn_control(epfd, op, fd, event);
}
