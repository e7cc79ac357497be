// SPDX-License-Identifier: MIT
// poll, select and epoll around what is parked.
#include <errno.h>
#include <string.h>

#include "net/flight.h"
#include "net/park.h"
#include "net/wait.h"
#include "net/watch.h"
#include "real/libc.h"
#include "real/system.h"

enum { COPIED = 512, SET_WORDS = 128, MS = 1000000, SECOND = 1000000000 };

static const uint64_t NEVER = UINT64_MAX;

// Copies of what the program gave: small ones on the stack, others from the kernel (lost if the program leaves the wait
// by longjmp, which with so many descriptors nobody does).
struct space {
    void *at;
    size_t size; // 0: on the stack
};

static bool take_space(struct space *space, void *small, size_t small_size, size_t size)
{
    *space = (struct space){.at = small};
    if (size <= small_size)
        return true;
    space->at = rb_system_memory(size);
    space->size = size;
    return space->at != NULL;
}

static void give_space(const struct space *space)
{
    if (space->size && space->at)
        rb_system_memory_free(space->at, space->size);
}

// --- time

// 0: the call does not wait. The clock is not asked where it does not matter: it would cost as much as all the rest.
static uint64_t deadline(const struct timespec *timeout)
{
    if (!timeout)
        return NEVER;
    uint64_t seconds = (uint64_t) timeout->tv_sec, rest = (uint64_t) timeout->tv_nsec;
    if (seconds == 0 && rest == 0)
        return 0;
    return seconds > NEVER / SECOND / 2 ? NEVER : rb_system_now_ns() + seconds * SECOND + rest;
}

static bool is_over(uint64_t until)
{
    return until != NEVER && (until == 0 || rb_system_now_ns() >= until);
}

// Others are for the kernel to refuse.
static bool is_time(const struct timespec *timeout)
{
    return !timeout || (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < SECOND);
}

// One bare wait: until the program's own end or the next attempt. Makes the attempts that are due first.
static const struct timespec *slice(uint64_t until, struct timespec *out)
{
    uint64_t now = rb_system_now_ns(), next_ms = rb_park_tick(now / MS);
    uint64_t next = next_ms == UINT64_MAX ? NEVER : next_ms * MS, end = next < until ? next : until;
    uint64_t left = end > now ? end - now : 0;
    if (end == NEVER)
        return NULL;
    *out = (struct timespec){.tv_sec = (time_t) (left / SECOND), .tv_nsec = (long) (left % SECOND)};
    return out;
}

static bool something_is_due(void)
{
    return atomic_load_explicit(&rb_flight_next_ms, memory_order_acquire) != UINT64_MAX;
}

// --- poll

bool rb_wait_polls(struct pollfd *fds, nfds_t count)
{
    if (something_is_due())
        return fds || count == 0;
    for (nfds_t i = 0; fds && i < count; i++)
        if (rb_flight_on(fds[i].fd))
            return true;
    return false;
}

// A negative descriptor is passed over by the kernel.
static void hide_parked(struct pollfd *copy, const struct pollfd *fds, nfds_t count)
{
    memcpy(copy, fds, count * sizeof *fds);
    for (nfds_t i = 0; i < count; i++)
        if (rb_flight_parked(fds[i].fd))
            copy[i].fd = -1;
}

static int hold_polled(struct pollfd *copy, nfds_t count, int ready)
{
    for (nfds_t i = 0; i < count && ready > 0; i++) {
        bool failed = copy[i].revents & (POLLERR | POLLHUP);
        if (!copy[i].revents || !rb_flight_on(copy[i].fd) || !rb_park_holds(copy[i].fd, failed))
            continue;
        copy[i].revents = 0;
        ready--;
    }
    return ready;
}

static int poll_once(struct pollfd *copy, const struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                     const sigset_t *mask)
{
    hide_parked(copy, fds, count);
    int ready = rb_libc_ppoll(copy, count, timeout, mask);
    return ready > 0 ? hold_polled(copy, count, ready) : ready;
}

int rb_wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct pollfd small[COPIED];
    struct space space;
    struct timespec left;
    uint64_t until = deadline(timeout);
    int ready = 0;
    if (!is_time(timeout) || !take_space(&space, small, sizeof small, count * sizeof *fds))
        return rb_libc_ppoll(fds, count, timeout, mask);
    struct pollfd *copy = space.at;
    do
        ready = poll_once(copy, fds, count, slice(until, &left), mask);
    while (ready == 0 && !is_over(until));
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = copy[i].revents;
    give_space(&space);
    return ready;
}

// --- select

// Sets are as long as their count says, in words: programs pass short ones.
typedef unsigned long word;

enum { WORD_BITS = 8 * sizeof(word) };

static size_t words(int count)
{
    return ((size_t) (count > 0 ? count : 0) + WORD_BITS - 1) / WORD_BITS;
}

static bool has(const word *set, int fd)
{
    return set && (set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1);
}

static void drop(word *set, int fd)
{
    if (set)
        set[fd / WORD_BITS] &= ~((word) 1 << (fd % WORD_BITS));
}

bool rb_wait_selects(int count, const fd_set *reads, const fd_set *writes, const fd_set *excepts)
{
    const word *sets[] = {(const word *) reads, (const word *) writes, (const word *) excepts};
    if (something_is_due())
        return true;
    for (int fd = 0; fd < count && fd < RB_DESCRIPTORS; fd++)
        if ((has(sets[0], fd) || has(sets[1], fd) || has(sets[2], fd)) && rb_flight_on(fd))
            return true;
    return false;
}

struct selection {
    int count;
    word *asked[3];  // the program's, NULL: none
    word *answer[3]; // ours
};

static void hide_selected(const struct selection *s)
{
    for (unsigned i = 0; i < 3; i++)
        if (s->asked[i])
            memcpy(s->answer[i], s->asked[i], words(s->count) * sizeof(word));
    for (int fd = 0; fd < s->count; fd++)
        for (unsigned i = 0; i < 3; i++)
            if (has(s->asked[i], fd) && rb_flight_parked(fd))
                drop(s->answer[i], fd);
}

static int hold_selected(const struct selection *s, int ready)
{
    for (int fd = 0; fd < s->count && ready > 0; fd++) {
        int bits = 0;
        for (unsigned i = 0; i < 3; i++)
            bits += s->asked[i] && has(s->answer[i], fd);
        if (bits == 0 || !rb_flight_on(fd) || !rb_park_holds(fd, true)) // failures have no set of their own
            continue;
        for (unsigned i = 0; i < 3; i++)
            if (s->asked[i])
                drop(s->answer[i], fd);
        ready -= bits;
    }
    return ready;
}

static fd_set *set_of(const struct selection *s, unsigned i)
{
    return s->asked[i] ? (fd_set *) s->answer[i] : NULL;
}

static int select_once(const struct selection *s, const struct timespec *timeout, const sigset_t *mask)
{
    hide_selected(s);
    int ready = rb_libc_pselect(s->count, set_of(s, 0), set_of(s, 1), set_of(s, 2), timeout, mask);
    return ready > 0 ? hold_selected(s, ready) : ready;
}

// In the kernel's order: a program may pass one set twice.
static void answer(const struct selection *s)
{
    for (unsigned i = 0; i < 3; i++)
        if (s->asked[i])
            memcpy(s->asked[i], s->answer[i], words(s->count) * sizeof(word));
}

static int select_until(int count, fd_set *reads, fd_set *writes, fd_set *excepts, uint64_t until, const sigset_t *mask)
{
    word small[3 * SET_WORDS];
    size_t length = words(count);
    struct space space;
    struct timespec part;
    int ready;
    if (!take_space(&space, small, sizeof small, 3 * length * sizeof(word)))
        return rb_libc_pselect(count, reads, writes, excepts, slice(until, &part), mask);
    word *copy = space.at;
    struct selection s = {.count = count,
                          .asked = {(word *) reads, (word *) writes, (word *) excepts},
                          .answer = {copy, copy + length, copy + 2 * length}};
    do
        ready = select_once(&s, slice(until, &part), mask);
    while (ready == 0 && !is_over(until));
    if (ready >= 0)
        answer(&s);
    give_space(&space);
    return ready;
}

int rb_wait_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask)
{
    if (!is_time(timeout))
        return rb_libc_pselect(count, reads, writes, excepts, timeout, mask);
    return select_until(count, reads, writes, excepts, deadline(timeout), mask);
}

static void tell_left(struct timeval *left, uint64_t until)
{
    uint64_t now = until ? rb_system_now_ns() : 0, rest = until > now ? until - now : 0;
    *left = (struct timeval){.tv_sec = (time_t) (rest / SECOND), .tv_usec = (suseconds_t) (rest % SECOND / 1000)};
}

int rb_wait_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout)
{
    enum { MICROSECONDS = SECOND / 1000 };
    bool odd = timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0); // refused
    struct timespec limit = {.tv_sec = timeout ? timeout->tv_sec : 0};
    if (odd)
        return rb_libc_select(count, reads, writes, excepts, timeout);
    if (timeout) { // more than a second of microseconds is allowed
        limit.tv_sec += timeout->tv_usec / MICROSECONDS;
        limit.tv_nsec = timeout->tv_usec % MICROSECONDS * 1000;
    }
    uint64_t until = deadline(timeout ? &limit : NULL);
    int ready = select_until(count, reads, writes, excepts, until, NULL);
    int error = errno;
    if (timeout && until != NEVER)
        tell_left(timeout, until);
    errno = error;
    return ready;
}

// --- epoll

bool rb_wait_epolls(int epfd)
{
    return something_is_due() || rb_watch_has_flights(epfd);
}

static bool is_held(int epfd, const struct epoll_event *event)
{
    return rb_watch_has_flights(epfd) &&
           rb_park_holds_watched(epfd, event->data.u64, event->events & (EPOLLERR | EPOLLHUP));
}

static int hold_events(int epfd, struct epoll_event *events, int ready)
{
    int kept = 0;
    for (int i = 0; i < ready; i++)
        if (!is_held(epfd, &events[i]))
            events[kept++] = events[i];
    return kept;
}

// Rounded up, as the kernel does with what it is given.
static int in_ms(const struct timespec *timeout)
{
    enum { LONGEST = 1000000 }; // s
    if (!timeout)
        return -1;
    if (timeout->tv_sec > LONGEST)
        return LONGEST * 1000;
    return (int) (timeout->tv_sec * 1000 + (timeout->tv_nsec + MS - 1) / MS);
}

static int epoll_once(int epfd, struct epoll_event *events, int size, const struct timespec *timeout,
                      const sigset_t *mask, bool exact)
{
    int ready = exact ? rb_libc_epoll_pwait2(epfd, events, size, timeout, mask)
                      : rb_libc_epoll_pwait(epfd, events, size, in_ms(timeout), mask);
    return ready > 0 ? hold_events(epfd, events, ready) : ready;
}

int rb_wait_epoll(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  bool exact)
{
    struct timespec left;
    uint64_t until = deadline(timeout);
    int ready;
    if (exact && !is_time(timeout))
        return rb_libc_epoll_pwait2(epfd, events, size, timeout, mask);
    do
        ready = epoll_once(epfd, events, size, slice(until, &left), mask, exact);
    while (ready == 0 && !is_over(until));
    return ready;
}
