// SPDX-License-Identifier: MIT
// poll and epoll with parked connects.
#include <string.h>
#include <sys/resource.h>

#include "net/park.h"
#include "net/park/filter.h"
#include "net/park/flight.h"
#include "net/park/life.h"
#include "net/park/lock.h"
#include "net/park/period.h"
#include "net/park/watch.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/memory.h"
#include "real/system.h"

// ON_STACK: larger arrays are copied to pages from the kernel, because the program's stack may be small. CHECKED:
// larger arrays are compared with the limit of descriptors.
enum { ON_STACK = 64, CHECKED = 512 };

bool rb_wait_reaches(uint64_t next_ms, const struct timespec *timeout)
{
    enum { COARSE_MS = 20, LONG_S = 1000000 };
    if (!timeout || timeout->tv_sec < 0 || timeout->tv_sec > LONG_S || timeout->tv_nsec < 0 ||
        timeout->tv_nsec >= RB_PERIOD_SECOND)
        return true;
    uint64_t lasts_ms = (uint64_t) timeout->tv_sec * 1000 + (uint64_t) timeout->tv_nsec / RB_PERIOD_MS;
    return rb_system_coarse_ms() + lasts_ms + COARSE_MS >= next_ms;
}

// --- poll

// Hides the parked sockets: poll skips negative descriptors. The test under the lock excludes descriptors that refer to
// other files now. Returns when the next attempt is due, or RB_PERIOD_NEVER if nothing was hidden.
static uint64_t hide_parked(struct pollfd *copy, const struct pollfd *fds, nfds_t count)
{
    sigset_t saved;
    nfds_t i = 0;
    uint64_t due_ms = RB_PERIOD_NEVER;
    if (count)
        memcpy(copy, fds, count * sizeof(*fds));
    while (i < count && !rb_flight_parked(fds[i].fd))
        i++;
    if (i == count || !rb_lock_take(&saved))
        return due_ms;
    for (; i < count; i++) {
        if (!rb_flight_parked(fds[i].fd) || !rb_flight_hides_locked(fds[i].fd))
            continue;
        copy[i].fd = -1;
        due_ms = atomic_load_explicit(&rb_due_next_ms, memory_order_relaxed);
    }
    rb_lock_give(&saved);
    return due_ms;
}

// An error event of a descriptor without a connect may be outdated too, if any connect has changed since.
static int hold_polled(struct pollfd *copy, nfds_t count, int ready, uint64_t since)
{
    for (nfds_t i = 0; i < count && ready > 0; i++) {
        bool failed = copy[i].revents & (POLLERR | POLLHUP);
        bool doubtful = copy[i].revents && (rb_park_on(copy[i].fd) || (failed && rb_change_now() != since));
        if (!doubtful || !rb_filter_holds(copy[i].fd, failed))
            continue;
        copy[i].revents = 0;
        ready--;
    }
    return ready;
}

// Returns the only descriptor of a wait that can be the program's own limit for a connect; -1 if there is none.
static int only_polled(const struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    int only = -1;
    for (nfds_t i = 0; i < count && rb_period_is_limit(timeout); i++) {
        if (only >= 0 && fds[i].fd >= 0 && fds[i].fd != only)
            return -1;
        only = fds[i].fd >= 0 ? fds[i].fd : only;
    }
    return only;
}

// Converts to milliseconds and rounds up, as the kernel does.
static int in_ms(const struct timespec *timeout)
{
    enum { LONGEST = 1000000 }; // seconds
    if (!timeout)
        return -1;
    if (timeout->tv_sec > LONGEST)
        return LONGEST * 1000;
    return (int) (timeout->tv_sec * 1000 + (timeout->tv_nsec + RB_PERIOD_MS - 1) / RB_PERIOD_MS);
}

// How the program waits: by poll or by ppoll.
struct poll_kind {
    bool plain;           // by poll
    const sigset_t *mask; // of ppoll; may be NULL
};

// Makes the program's call.
static int poll_as_asked(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const struct poll_kind *kind)
{
    return kind->plain ? rb_libc_poll(fds, count, in_ms(timeout)) : rb_libc_ppoll(fds, count, timeout, kind->mask);
}

static int poll_until(struct pollfd *fds, nfds_t count, const struct rb_period_end *end, const struct poll_kind *kind)
{
    struct pollfd small[ON_STACK];
    struct rb_period_space space;
    struct rb_period_signals signals;
    struct timespec left;
    int ready;
    if (!rb_period_take_space(&space, small, sizeof(small), count * sizeof(*fds)))
        return poll_as_asked(fds, count, rb_period_next(end, &left), kind);
    struct pollfd *copy = space.at;
    rb_period_block_signals(&signals, kind->mask);
    do {
        const struct timespec *timeout = rb_period_next(end, &left);
        uint64_t since = rb_change_now();
        timeout = rb_period_shorten(timeout, hide_parked(copy, fds, count), &left);
        ready = rb_period_is_filtered(&signals, kind->mask) ? poll_as_asked(copy, count, timeout, kind)
                                                            : rb_libc_ppoll(copy, count, timeout, signals.within);
        if (ready > 0)
            ready = hold_polled(copy, count, ready, since);
    } while (ready == 0 && rb_period_goes_on(end));
    rb_period_restore_signals(&signals);
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = copy[i].revents;
    rb_period_give_space(&space);
    return ready;
}

// False for an array that the kernel refuses.
static bool can_poll(const struct pollfd *fds, nfds_t count)
{
    bool fits = count <= CHECKED || count <= rb_kernel_limit(RLIMIT_NOFILE);
    return fits && rb_memory_is_readable(fds, count * sizeof(*fds));
}

static void await_polled(const struct pollfd *fds, nfds_t count)
{
    if (atomic_load_explicit(&rb_descriptor_unawaited, memory_order_relaxed) == 0 || !can_poll(fds, count))
        return;
    for (nfds_t i = 0; i < count; i++)
        if (rb_park_on(fds[i].fd))
            rb_life_await(fds[i].fd);
}

// If no attempt is due before the timeout, the program's call is made unchanged and its events are filtered.
static int wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const struct poll_kind *kind)
{
    uint64_t since = rb_change_now(), began = rb_system_now_ns();
    await_polled(fds, count);
    if (rb_park_splits(timeout)) {
        if (rb_period_is_time(timeout) && can_poll(fds, count))
            return poll_until(
                fds, count,
                &(struct rb_period_end){rb_period_deadline(began, timeout), only_polled(fds, count, timeout)}, kind);
        return poll_as_asked(fds, count, timeout, kind); // the kernel reports the error in the arguments
    }
    int ready = poll_as_asked(fds, count, timeout, kind);
    if (ready < 0)
        return ready;
    struct rb_period_end end = {rb_period_deadline(began, timeout), only_polled(fds, count, timeout)};
    ready = hold_polled(fds, count, ready, since);
    return ready > 0 || !rb_period_goes_on(&end) ? ready : poll_until(fds, count, &end, kind);
}

int rb_wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return wait_poll(fds, count, timeout, &(struct poll_kind){.mask = mask});
}

int rb_wait_poll_ms(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit;
    return wait_poll(fds, count, rb_park_of_ms(timeout, &limit), &(struct poll_kind){.plain = true});
}

// --- epoll

struct epoll_call {
    int epfd;
    struct epoll_event *events;
    int size;
    const sigset_t *mask;
    enum rb_epoll_kind kind;
    bool got_hidden_event; // the one-shot event of a parked connect was among the fetched events
};

// True when the event must be hidden. since: rb_change_count at the start of the wait; a connect that this epoll
// watched may have ended since.
static bool is_held(struct epoll_call *call, const struct epoll_event *event, uint64_t since)
{
    bool hidden = rb_watch_is_hidden_event(event->events), failed = event->events & (EPOLLERR | EPOLLHUP);
    call->got_hidden_event = call->got_hidden_event || hidden;
    if (hidden)
        return true;
    bool unawaited = atomic_load_explicit(&rb_descriptor_unawaited, memory_order_relaxed) > 0;
    return (rb_watch_has_flights(call->epfd) || (failed && (unawaited || rb_change_now() != since))) &&
           rb_filter_holds_watched(call->epfd, event, since);
}

static int hold_events(struct epoll_call *call, int ready, uint64_t since)
{
    int kept = 0;
    for (int i = 0; i < ready; i++)
        if (!is_held(call, &call->events[i], since))
            call->events[kept++] = call->events[i];
    return kept;
}

// This thread stops waiting. Another thread must learn when the next attempt is due. If the program then waits on the
// epoll past the library, the event makes it ask for the result, and it gets the failure.
static void pass_on(const struct epoll_call *call)
{
    if (call->got_hidden_event)
        rb_filter_pass(call->epfd);
}

static int epoll_once(struct epoll_call *call, const struct timespec *timeout, struct rb_period_signals *signals)
{
    bool filtered = rb_period_is_filtered(signals, call->mask);
    if (call->kind == RB_EPOLL_PWAIT2)
        return rb_libc_epoll_pwait2(call->epfd, call->events, call->size, timeout, signals->within);
    if (filtered && call->kind == RB_EPOLL_WAIT)
        return rb_libc_epoll_wait(call->epfd, call->events, call->size, in_ms(timeout));
    return rb_libc_epoll_pwait(call->epfd, call->events, call->size, in_ms(timeout), signals->within);
}

// If every fetched event was hidden, fetch again, even after the deadline: more events may be pending.
static int epoll_until(struct epoll_call *call, uint64_t until)
{
    struct rb_period_end end = {until, -1};
    struct rb_period_signals signals;
    struct timespec left;
    unsigned holds = 0;
    int ready, fetched; // fetched: number of events from the kernel, including hidden ones
    rb_period_block_signals(&signals, call->mask);
    do {
        const struct timespec *timeout = rb_period_next(&end, &left);
        uint64_t since = rb_change_now();
        fetched = epoll_once(call, timeout, &signals);
        ready = fetched > 0 ? hold_events(call, fetched, since) : fetched;
    } while (ready == 0 && ((fetched > 0 && holds++ < RB_FLIGHT_COUNT) || !rb_period_is_over(until)));
    rb_period_restore_signals(&signals);
    pass_on(call);
    return ready;
}

int rb_wait_epoll(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  enum rb_epoll_kind kind)
{
    struct epoll_call call = {.epfd = epfd, .events = events, .size = size, .mask = mask, .kind = kind};
    if (kind == RB_EPOLL_PWAIT2 && !rb_period_is_time(timeout))
        return rb_libc_epoll_pwait2(epfd, events, size, timeout, mask);
    return epoll_until(&call, rb_period_deadline(rb_system_now_ns(), timeout));
}

int rb_wait_fetched(int epfd, struct epoll_event *events, int size, int ready, const struct timespec *timeout,
                    const struct rb_park_start *start, const sigset_t *mask, enum rb_epoll_kind kind)
{
    struct epoll_call call = {.epfd = epfd, .events = events, .size = size, .mask = mask, .kind = kind};
    int kept = hold_events(&call, ready, start->change);
    if (kept == 0) {
        uint64_t gone = rb_system_coarse_ms() - start->ms;
        return epoll_until(&call, rb_period_deadline(rb_system_now_ns() - gone * RB_PERIOD_MS, timeout));
    }
    pass_on(&call);
    return kept;
}

int rb_wait_epoll_or_fetch(int epfd, struct epoll_event *events, int size, const struct timespec *timeout,
                           const sigset_t *mask, enum rb_epoll_kind kind)
{
    struct rb_park_start start = rb_park_starts(timeout);
    int ready;
    if (rb_park_splits(timeout))
        return rb_wait_epoll(epfd, events, size, timeout, mask, kind);
    if (kind == RB_EPOLL_PWAIT2)
        ready = rb_libc_epoll_pwait2(epfd, events, size, timeout, mask);
    else if (mask)
        ready = rb_libc_epoll_pwait(epfd, events, size, in_ms(timeout), mask);
    else
        ready = rb_libc_epoll_wait(epfd, events, size, in_ms(timeout));
    return ready > 0 && rb_park_sifts() ? rb_wait_fetched(epfd, events, size, ready, timeout, &start, mask, kind)
                                        : ready;
}
