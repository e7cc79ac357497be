// SPDX-License-Identifier: MIT
// The program's wait, in slices that end when a link is due.
#include "wire/epoll.h"

#include <errno.h>

#include "base/arithmetic.h"
#include "net/park/period.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/memory.h"
#include "real/sandbox.h"
#include "real/system.h"
#include "wire/loop.h"
#include "wire/sift.h"

// How often a wait fetches the event of a descriptor that another thread examines at this moment.
enum { BUSY = 100 };

// Returns the events of a fetched event that the program sees.
static uint32_t seen_events(struct rb_loop_call *call, const struct epoll_event *event)
{
    int fd = rb_loop_find(call->epfd, event->data.u64);
    bool again = false;
    uint32_t seen = fd < 0 ? event->events : rb_sift_event(call->epfd, fd, event->events, &again);
    if (!again || call->busy++ >= BUSY)
        return seen;
    rb_kernel(SYS_sched_yield);
    return 0;
}

// Removes what the program must not see from fetched events. Returns the number of the others.
static int sift_events(struct rb_loop_call *call, struct epoll_event *events, int ready)
{
    int kept = 0;
    for (int i = 0; i < ready; i++) {
        uint32_t seen = seen_events(call, &events[i]);
        if (seen == 0 && events[i].events != 0)
            continue;
        events[kept] = events[i];
        events[kept++].events = seen;
    }
    return kept;
}

// Returns the timeout of the next call to the kernel: until the end of the program's wait, or until a link is due.
static const struct timespec *slice_of(uint64_t until, uint64_t due_ms, bool shown, struct timespec *out)
{
    uint64_t left = rb_period_left(until, rb_system_now_ns());
    uint64_t due_left_ms = rb_period_left(due_ms, rb_system_now_ms());
    if (shown)
        left = 0;
    else if (due_left_ms < left / RB_PERIOD_MS)
        left = due_left_ms * RB_PERIOD_MS;
    if (left == RB_PERIOD_NEVER)
        return NULL;
    *out = (struct timespec){.tv_sec = (time_t) (left / RB_PERIOD_SECOND), .tv_nsec = (long) (left % RB_PERIOD_SECOND)};
    return out;
}

// Makes the wait in slices, with signals blocked between them. Returns the result.
static int wait_in_slices(struct rb_loop_call *call, uint64_t until, const sigset_t *mask, enum rb_epoll_kind kind)
{
    struct rb_period_signals signals;
    struct timespec left;
    int ready, kept;
    rb_period_block_signals(&signals, mask);
    if (kind == RB_EPOLL_WAIT && signals.within)
        kind = RB_EPOLL_PWAIT;
    do {
        call->shown = 0;
        uint64_t due_ms = rb_loop_attend(call);
        const struct timespec *timeout = slice_of(until, due_ms, call->shown > 0, &left);
        struct epoll_event *rest = call->events + call->shown;
        ready = kept = 0;
        if (call->shown == call->size)
            break;
        ready = rb_wait_epoll_or_fetch(call->epfd, rest, call->size - call->shown, timeout, signals.within, kind);
        kept = ready > 0 ? sift_events(call, rest, ready) : 0;
    } while (ready >= 0 && call->shown + kept == 0 && (ready > 0 || !rb_period_is_over(until)));
    int error = errno;
    rb_period_restore_signals(&signals);
    errno = error;
    return ready < 0 && call->shown == 0 ? ready : call->shown + kept;
}

int rb_epoll_wait(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  enum rb_epoll_kind kind)
{
    struct rb_loop_call call = {.epfd = epfd, .events = events, .size = size};
    bool sane = kind != RB_EPOLL_PWAIT2 || rb_period_is_time(timeout);
    if (sane && (epfd < 0 || size <= 0 || rb_sandbox_is_filtered() ||
                 !rb_memory_is_readable(events, (size_t) size * sizeof(*events))))
        return rb_wait_epoll_or_fetch(epfd, events, size, timeout, mask, kind);
    if (!sane)
        return rb_libc_epoll_pwait2(epfd, events, size, timeout, mask); // the kernel reports the error
    uint64_t until = rb_period_deadline(rb_system_now_ns(), timeout);
    int saved = errno, ready = 0;
    rb_loop_enter(epfd);
    bool parked = rb_loop_parks(epfd);
    if (!parked)
        ready = rb_wait_epoll_or_fetch(epfd, events, size, timeout, mask, kind);
    int fetched = ready;
    if (ready > 0)
        ready = sift_events(&call, events, ready);
    if (parked || (fetched > 0 && ready == 0))
        ready = wait_in_slices(&call, until, mask, kind);
    int error = errno;
    rb_loop_leave(epfd);
    errno = ready >= 0 ? saved : error;
    return ready;
}
