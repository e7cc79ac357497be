// SPDX-License-Identifier: MIT
// poll, select and epoll. Some of the sockets in the set may have a connect in flight.
#include "hook/hook.h"
#include "net/park.h"
#include "real/libc.h"
#include "real/system.h"
#include "wire/epoll.h"
#include "wire/loop.h"
#include "wire/socket.h"

// If no connect is in flight, poll, ppoll, select and pselect end in a jump to the real function. A call instead would
// return through this function after the wait. The processor would mispredict that return, which costs more than the
// rest of the hook.

// True when the process has links.
#define LINKED __builtin_expect(atomic_load_explicit(&rb_link_count, memory_order_relaxed) > 0, false)

static __attribute__((noinline)) int poll_links(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit;
    int result;
    if (rb_wire_poll(fds, count, rb_park_of_ms(timeout, &limit), NULL, &result))
        return result;
    result = rb_park_any() ? rb_wait_poll_ms(fds, count, timeout) : rb_libc_poll(fds, count, timeout);
    if (result >= 0)
        rb_wire_polled(fds, count);
    return result;
}

static __attribute__((noinline)) int ppoll_links(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                                                 const sigset_t *mask)
{
    int result;
    if (rb_wire_poll(fds, count, timeout, mask, &result))
        return result;
    result = rb_park_any() ? rb_wait_poll(fds, count, timeout, mask) : rb_libc_ppoll(fds, count, timeout, mask);
    if (result >= 0)
        rb_wire_polled(fds, count);
    return result;
}

RB_HOOK int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    rb_park_waits(count);
    if (LINKED && rb_wire_concerns(fds, count))
        return poll_links(fds, count, timeout);
    return rb_park_any() ? rb_wait_poll_ms(fds, count, timeout) : rb_libc_poll(fds, count, timeout);
}

RB_HOOK int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    rb_park_waits(count);
    if (LINKED && rb_wire_concerns(fds, count))
        return ppoll_links(fds, count, timeout, mask);
    return rb_park_any() ? rb_wait_poll(fds, count, timeout, mask) : rb_libc_ppoll(fds, count, timeout, mask);
}

// If the buffer is too small for its count, the real __poll_chk ends the program. __ppoll_chk does the same.
RB_HOOK int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
    if ((!rb_park_any() && !LINKED) || size / sizeof(*fds) < count)
        return rb_libc___poll_chk(fds, count, timeout, size);
    return poll(fds, count, timeout);
}

RB_HOOK int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                        size_t size)
{
    if ((!rb_park_any() && !LINKED) || size / sizeof(*fds) < count)
        return rb_libc___ppoll_chk(fds, count, timeout, mask, size);
    return ppoll(fds, count, timeout, mask);
}

// Linux writes the remaining time to the timeout of select.
static __attribute__((noinline)) int select_links(int count, fd_set *reads, fd_set *writes, fd_set *excepts,
                                                  struct timeval *timeout)
{
    struct timespec limit;
    uint64_t begun_ns = rb_system_now_ns();
    int result;
    bool sane = !timeout || (timeout->tv_sec >= 0 && timeout->tv_usec >= 0);
    if (timeout && sane)
        limit = (struct timespec){.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000,
                                  .tv_nsec = timeout->tv_usec % 1000000 * 1000};
    if (!sane || !rb_wire_select(count, reads, writes, excepts, timeout ? &limit : NULL, NULL, &result))
        return rb_park_any() ? rb_select_wait(count, reads, writes, excepts, timeout)
                             : rb_libc_select(count, reads, writes, excepts, timeout);
    if (timeout) {
        int64_t left_us =
            timeout->tv_sec * INT64_C(1000000) + timeout->tv_usec - (int64_t) ((rb_system_now_ns() - begun_ns) / 1000);
        left_us = left_us > 0 ? left_us : 0;
        *timeout =
            (struct timeval){.tv_sec = (time_t) (left_us / 1000000), .tv_usec = (suseconds_t) (left_us % 1000000)};
    }
    return result;
}

RB_HOOK int select(int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
                   struct timeval *restrict timeout)
{
    rb_park_waits(count > 0);
    if (LINKED)
        return select_links(count, reads, writes, excepts, timeout);
    return rb_park_any() ? rb_select_wait(count, reads, writes, excepts, timeout)
                         : rb_libc_select(count, reads, writes, excepts, timeout);
}

RB_HOOK int pselect(int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
                    const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
    rb_park_waits(count > 0);
    int result;
    if (LINKED && rb_wire_select(count, reads, writes, excepts, timeout, mask, &result))
        return result;
    return rb_park_any() ? rb_select_wait_precise(count, reads, writes, excepts, timeout, mask)
                         : rb_libc_pselect(count, reads, writes, excepts, timeout, mask);
}

// Makes an unchanged wait and filters its events. A connect may have started and been parked during the wait, so the
// wait may return events that must be hidden. In a sandbox there is nothing to hide, and the clock is not read, because
// the kernel of some machines can only be asked for it by a system call.
#define FETCH(limit, mask, kind, call)                                                                                 \
    if (rb_sandbox_is_filtered())                                                                                      \
        return (call);                                                                                                 \
    struct rb_park_start start = rb_park_starts(limit);                                                                \
    int ready = (call);                                                                                                \
    if (ready <= 0 || !rb_park_sifts())                                                                                \
        return ready;                                                                                                  \
    return rb_wait_fetched(epfd, events, size, ready, limit, &start, mask, kind)

RB_HOOK int epoll_wait(int epfd, struct epoll_event *events, int size, int timeout)
{
    struct timespec limit, *until = rb_park_of_ms(timeout, &limit);
    rb_park_waits(1);
    if (rb_epoll_holds())
        return rb_epoll_wait(epfd, events, size, until, NULL, RB_EPOLL_WAIT);
    if (rb_park_splits(until))
        return rb_wait_epoll(epfd, events, size, until, NULL, RB_EPOLL_WAIT);
    FETCH(until, NULL, RB_EPOLL_WAIT, rb_libc_epoll_wait(epfd, events, size, timeout));
}

RB_HOOK int epoll_pwait(int epfd, struct epoll_event *events, int size, int timeout, const sigset_t *mask)
{
    struct timespec limit, *until = rb_park_of_ms(timeout, &limit);
    rb_park_waits(1);
    if (rb_epoll_holds())
        return rb_epoll_wait(epfd, events, size, until, mask, RB_EPOLL_PWAIT);
    if (rb_park_splits(until))
        return rb_wait_epoll(epfd, events, size, until, mask, RB_EPOLL_PWAIT);
    FETCH(until, mask, RB_EPOLL_PWAIT, rb_libc_epoll_pwait(epfd, events, size, timeout, mask));
}

RB_HOOK int epoll_pwait2(int epfd, struct epoll_event *events, int size, const struct timespec *timeout,
                         const sigset_t *mask)
{
    rb_park_waits(1);
    if (rb_epoll_holds())
        return rb_epoll_wait(epfd, events, size, timeout, mask, RB_EPOLL_PWAIT2);
    if (rb_park_splits(NULL))
        return rb_wait_epoll(epfd, events, size, timeout, mask, RB_EPOLL_PWAIT2);
    FETCH(timeout, mask, RB_EPOLL_PWAIT2, rb_libc_epoll_pwait2(epfd, events, size, timeout, mask));
}

// Registrations are recorded even if no policy has been read, because the connect on the descriptor may come later.
// Recording does not start the initialisation, so a server that never connects reads no policy.
RB_HOOK int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    if (LINKED && op == EPOLL_CTL_ADD)
        rb_link_note_wait(fd, RB_LINK_WAIT_EPOLL);
    int result = rb_process_is_off() ? rb_libc_epoll_ctl(epfd, op, fd, event) : rb_park_control(epfd, op, fd, event);
    if (result == 0 && rb_epoll_holds() && rb_link_on(fd))
        rb_loop_control(epfd, fd, op);
    return result;
}
