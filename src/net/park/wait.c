// SPDX-License-Identifier: MIT
// poll, select and epoll with parked connects.
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "net/park/flight.h"
#include "net/park/lock.h"
#include "net/park/park.h"
#include "net/park/wait.h"
#include "net/park/watch.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "real/system.h"

enum { COPIED = 512, SET_WORDS = 128, MS = 1000000, SECOND = 1000000000 };

_Atomic(const void *) rb_wait_last;
_Atomic bool rb_wait_several;

static const uint64_t NEVER = UINT64_MAX;

// A copy of the program's arrays: on the stack if small, otherwise in pages from the kernel. These pages leak if the
// program leaves the wait by longjmp.
struct space {
    void *at;
    size_t size; // 0 if the copy is on the stack
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

static uint64_t wait_deadline(uint64_t began, const struct timespec *timeout)
{
    uint64_t seconds = timeout ? (uint64_t) timeout->tv_sec : 0;
    if (!timeout || seconds > NEVER / SECOND / 2)
        return NEVER;
    return began + seconds * SECOND + (uint64_t) timeout->tv_nsec;
}

static bool is_over(uint64_t until)
{
    return until != NEVER && rb_system_now_ns() >= until;
}

static uint64_t left_until(uint64_t end, uint64_t now)
{
    return end == NEVER ? NEVER : end > now ? end - now : 0;
}

bool rb_wait_reaches(uint64_t next_ms, const struct timespec *timeout)
{
    enum { COARSE_MS = 20, LONG_S = 1000000 };
    if (!timeout || timeout->tv_sec < 0 || timeout->tv_sec > LONG_S || timeout->tv_nsec < 0 ||
        timeout->tv_nsec >= SECOND)
        return true;
    uint64_t lasts_ms = (uint64_t) timeout->tv_sec * 1000 + (uint64_t) timeout->tv_nsec / MS;
    return rb_system_coarse_ms() + lasts_ms + COARSE_MS >= next_ms;
}

// Makes the attempts that are due. Returns the timeout of the next call to the kernel: until the program's deadline or
// the next attempt. The two use different clocks: the clock of the attempts also runs while the machine is suspended.
static const struct timespec *slice(uint64_t until, struct timespec *out)
{
    uint64_t now_ms = rb_system_now_ms(), next_ms = left_until(rb_park_tick(now_ms), now_ms);
    uint64_t left = left_until(until, rb_system_now_ns());
    if (next_ms < left / MS)
        left = next_ms * MS;
    if (left == NEVER)
        return NULL;
    *out = (struct timespec){.tv_sec = (time_t) (left / SECOND), .tv_nsec = (long) (left % SECOND)};
    return out;
}

static bool is_time(const struct timespec *timeout)
{
    return !timeout || (rb_system_can_read(timeout, sizeof(*timeout)) && timeout->tv_sec >= 0 &&
                        timeout->tv_nsec >= 0 && timeout->tv_nsec < SECOND);
}

// --- signals

// Signals are blocked between two calls to the kernel. A signal that arrives there interrupts the next call, as it
// would have interrupted the single long wait. If the thread is cancelled during such a call, signals stay blocked
// until the thread ends.
struct signals {
    sigset_t own;
    bool blocked;
    const sigset_t *within; // the signal mask during the calls to the kernel
};

static void block_signals(struct signals *signals, const sigset_t *mask)
{
    signals->blocked = rb_system_block_signals(&signals->own);
    signals->within = mask || !signals->blocked ? mask : &signals->own;
}

static void restore_signals(const struct signals *signals)
{
    if (signals->blocked)
        rb_system_restore_signals(&signals->own);
}

// --- poll

// Hides the parked sockets: poll skips negative descriptors. The test under the lock excludes descriptors that refer to
// other files now.
static void hide_parked(struct pollfd *copy, const struct pollfd *fds, nfds_t count)
{
    sigset_t saved;
    nfds_t i = 0;
    if (count)
        memcpy(copy, fds, count * sizeof(*fds));
    while (i < count && !rb_flight_parked(fds[i].fd))
        i++;
    if (i == count || !rb_lock_take(&saved))
        return;
    for (; i < count; i++)
        if (rb_flight_parked(fds[i].fd) && rb_flight_find_locked(fds[i].fd) && rb_flight_parked(fds[i].fd))
            copy[i].fd = -1;
    rb_lock_give(&saved);
}

// An error event of a descriptor without a connect may be outdated too, if any connect has changed since.
static int hold_polled(struct pollfd *copy, nfds_t count, int ready, uint64_t since)
{
    for (nfds_t i = 0; i < count && ready > 0; i++) {
        bool failed = copy[i].revents & (POLLERR | POLLHUP);
        bool doubtful = copy[i].revents && (rb_flight_on(copy[i].fd) || (failed && rb_clock_now() != since));
        if (!doubtful || !rb_park_holds(copy[i].fd, failed))
            continue;
        copy[i].revents = 0;
        ready--;
    }
    return ready;
}

static int poll_until(struct pollfd *fds, nfds_t count, uint64_t until, const sigset_t *mask)
{
    struct pollfd small[COPIED];
    struct space space;
    struct signals signals;
    struct timespec left;
    int ready;
    if (!take_space(&space, small, sizeof(small), count * sizeof(*fds)))
        return rb_libc_ppoll(fds, count, slice(until, &left), mask);
    struct pollfd *copy = space.at;
    block_signals(&signals, mask);
    do {
        const struct timespec *timeout = slice(until, &left);
        uint64_t since = rb_clock_now();
        hide_parked(copy, fds, count);
        ready = rb_libc_ppoll(copy, count, timeout, signals.within);
        if (ready > 0)
            ready = hold_polled(copy, count, ready, since);
    } while (ready == 0 && !is_over(until));
    restore_signals(&signals);
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = copy[i].revents;
    give_space(&space);
    return ready;
}

// If no attempt is due before the timeout, the program's call is made unchanged and its events are filtered.
int rb_wait_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t since = rb_clock_now(), began = rb_system_now_ns();
    if (rb_wait_is_short(timeout)) {
        bool fits = count <= COPIED || count <= rb_kernel_limit(RLIMIT_NOFILE);
        if (fits && is_time(timeout) && rb_system_can_read(fds, count * sizeof(*fds)))
            return poll_until(fds, count, wait_deadline(began, timeout), mask);
        return rb_libc_ppoll(fds, count, timeout, mask); // the kernel reports the error in the arguments
    }
    int ready = rb_libc_ppoll(fds, count, timeout, mask);
    if (ready <= 0)
        return ready;
    uint64_t until = wait_deadline(began, timeout);
    ready = hold_polled(fds, count, ready, since);
    return ready > 0 || is_over(until) ? ready : poll_until(fds, count, until, mask);
}

int rb_wait_poll_ms(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit;
    return rb_wait_poll(fds, count, rb_wait_of_ms(timeout, &limit), NULL);
}

// --- select

// Only the words that `count` needs are read or written, because programs pass sets that are shorter than an fd_set.
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

static void wait_drop(word *set, int fd)
{
    if (set)
        set[fd / WORD_BITS] &= ~((word) 1 << (fd % WORD_BITS));
}

// Finds some bad pointers without a system call. can_select checks the rest.
static bool is_wild(const void *set)
{
    return set && rb_system_is_wild(set);
}

static bool may_select_flights(int count, const fd_set *reads, const fd_set *writes, const fd_set *excepts,
                               const struct timespec *timeout)
{
    const word *sets[] = {(const word *) reads, (const word *) writes, (const word *) excepts};
    if (rb_wait_is_short(timeout) || count > FD_SETSIZE)
        return true;
    if (is_wild(reads) || is_wild(writes) || is_wild(excepts))
        return false;
    for (int fd = 0; fd < count; fd++)
        if ((has(sets[0], fd) || has(sets[1], fd) || has(sets[2], fd)) && rb_flight_on(fd))
            return true;
    return false;
}

struct selection {
    int count;
    word *asked[3];  // the program's sets, NULL if not given
    word *answer[3]; // our copies
};

static bool is_selected(const struct selection *s, int fd)
{
    return has(s->asked[0], fd) || has(s->asked[1], fd) || has(s->asked[2], fd);
}

static void hide_selected(const struct selection *s)
{
    sigset_t saved;
    int fd = 0;
    for (unsigned i = 0; i < 3; i++)
        if (s->asked[i])
            memcpy(s->answer[i], s->asked[i], words(s->count) * sizeof(word));
    while (fd < s->count && !(is_selected(s, fd) && rb_flight_parked(fd)))
        fd++;
    if (fd == s->count || !rb_lock_take(&saved))
        return;
    for (; fd < s->count; fd++)
        if (is_selected(s, fd) && rb_flight_parked(fd) && rb_flight_find_locked(fd) && rb_flight_parked(fd))
            for (unsigned i = 0; i < 3; i++)
                wait_drop(s->asked[i] ? s->answer[i] : NULL, fd);
    rb_lock_give(&saved);
}

static int hold_selected(const struct selection *s, int ready)
{
    for (int fd = 0; fd < s->count && ready > 0; fd++) {
        int bits = 0;
        for (unsigned i = 0; i < 3; i++)
            bits += s->asked[i] && has(s->answer[i], fd);
        // select has no set for failures, so `failed` is false. The program must see a connect that succeeded.
        if (bits == 0 || !rb_flight_on(fd) || !rb_park_holds(fd, false))
            continue;
        for (unsigned i = 0; i < 3; i++)
            if (s->asked[i])
                wait_drop(s->answer[i], fd);
        ready -= bits;
    }
    return ready;
}

static fd_set *set_of(const struct selection *s, unsigned i)
{
    return s->asked[i] ? (fd_set *) s->answer[i] : NULL;
}

// Returns how many bits of a set the kernel reads. It reads at most as many as its table of descriptors has room for, a
// power of two. Programs may pass a large count with a set of normal size. To find the limit, select is called with a
// set in which only the bit at an assumed limit is set. If the kernel reads this bit, it clears it, or it fails because
// the descriptor is not open.
static int looked_at(int count)
{
    size_t size = (words(count) + 1) * sizeof(word);
    word *probe = rb_system_memory(size);
    int room = 64, error = errno;
    for (bool inside = true; probe && inside && room < count; room = inside ? 2 * room : room) {
        word *at = &probe[room / WORD_BITS];
        *at = 1;
        inside = rb_libc_pselect(room + 1, NULL, NULL, (fd_set *) probe, &(struct timespec){0}, NULL) != 0 || *at == 0;
        *at = 0;
    }
    if (probe)
        rb_system_memory_free(probe, size);
    errno = error;
    return room < count ? room : count;
}

static int select_until(int count, fd_set *reads, fd_set *writes, fd_set *excepts, uint64_t until, const sigset_t *mask)
{
    word small[3 * SET_WORDS];
    size_t length = words(count);
    struct space space;
    struct signals signals;
    struct timespec part;
    int ready;
    if (!take_space(&space, small, sizeof(small), 3 * length * sizeof(word)))
        return rb_libc_pselect(count, reads, writes, excepts, slice(until, &part), mask);
    word *copy = space.at;
    struct selection s = {.count = count,
                          .asked = {(word *) reads, (word *) writes, (word *) excepts},
                          .answer = {copy, copy + length, copy + 2 * length}};
    block_signals(&signals, mask);
    do {
        const struct timespec *timeout = slice(until, &part);
        hide_selected(&s);
        ready = rb_libc_pselect(count, set_of(&s, 0), set_of(&s, 1), set_of(&s, 2), timeout, signals.within);
        if (ready > 0)
            ready = hold_selected(&s, ready);
    } while (ready == 0 && !is_over(until));
    restore_signals(&signals);
    for (unsigned i = 0; ready >= 0 && i < 3; i++) // in the kernel's order, because two of the sets may be the same
        if (s.asked[i])
            memcpy(s.asked[i], s.answer[i], length * sizeof(word));
    give_space(&space);
    return ready;
}

static bool can_read_set(const fd_set *set, int count)
{
    return !set || rb_system_can_read(set, words(count) * sizeof(word));
}

// False for bad arguments; the kernel then reports the error.
static bool can_select(int count, const fd_set *reads, const fd_set *writes, const fd_set *excepts)
{
    return count >= 0 && can_read_set(reads, count) && can_read_set(writes, count) && can_read_set(excepts, count);
}

int rb_wait_pselect(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask)
{
    int looked = count > FD_SETSIZE ? looked_at(count) : count;
    if (!may_select_flights(count, reads, writes, excepts, timeout) || !is_time(timeout) ||
        !can_select(looked, reads, writes, excepts))
        return rb_libc_pselect(count, reads, writes, excepts, timeout, mask);
    return select_until(looked, reads, writes, excepts, wait_deadline(rb_system_now_ns(), timeout), mask);
}

int rb_wait_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout)
{
    int looked = count > FD_SETSIZE ? looked_at(count) : count;
    struct timespec limit, *end = rb_wait_of_select(timeout, &limit);
    bool passes = !may_select_flights(count, reads, writes, excepts, end);
    if (!passes && timeout) // the kernel reports a bad timeout
        passes = !rb_system_can_read(timeout, sizeof(*timeout)) || timeout->tv_sec < 0 || timeout->tv_usec < 0;
    if (passes || !can_select(looked, reads, writes, excepts))
        return rb_libc_select(count, reads, writes, excepts, timeout);
    uint64_t until = wait_deadline(rb_system_now_ns(), end);
    int ready = select_until(looked, reads, writes, excepts, until, NULL);
    int error = errno;
    if (timeout && until != NEVER) {
        uint64_t left = left_until(until, rb_system_now_ns());
        *timeout =
            (struct timeval){.tv_sec = (time_t) (left / SECOND), .tv_usec = (suseconds_t) (left % SECOND / 1000)};
    }
    errno = error;
    return ready;
}

// --- epoll

struct epoll_call {
    int epfd;
    struct epoll_event *events;
    int size;
    const sigset_t *mask;
    bool exact;
    bool got_hidden_event; // the one-shot event of a parked connect was among the fetched events
};

// True when the event must be hidden. since: rb_clock_changes at the start of the wait; a connect that this epoll
// watched may have ended since.
static bool is_held(struct epoll_call *call, const struct epoll_event *event, uint64_t since)
{
    bool hidden = rb_watch_is_hidden_event(event->events), failed = event->events & (EPOLLERR | EPOLLHUP);
    call->got_hidden_event = call->got_hidden_event || hidden;
    if (hidden)
        return true;
    return (rb_watch_has_flights(call->epfd) || (failed && rb_clock_now() != since)) &&
           rb_park_holds_watched(call->epfd, event, since);
}

static int hold_events(struct epoll_call *call, int ready, uint64_t since)
{
    int kept = 0;
    for (int i = 0; i < ready; i++)
        if (!is_held(call, &call->events[i], since))
            call->events[kept++] = call->events[i];
    return kept;
}

// Converts to milliseconds and rounds up, as the kernel does.
static int in_ms(const struct timespec *timeout)
{
    enum { LONGEST = 1000000 }; // seconds
    if (!timeout)
        return -1;
    if (timeout->tv_sec > LONGEST)
        return LONGEST * 1000;
    return (int) (timeout->tv_sec * 1000 + (timeout->tv_nsec + MS - 1) / MS);
}

// This thread stops waiting. Another thread must learn when the next attempt is due.
static void pass_on(const struct epoll_call *call)
{
    if (call->got_hidden_event && atomic_load_explicit(&rb_wait_several, memory_order_relaxed))
        rb_park_pass(call->epfd);
}

// If every fetched event was hidden, fetch again, even after the deadline: more events may be pending.
static int epoll_until(struct epoll_call *call, uint64_t until)
{
    struct signals signals;
    struct timespec left;
    unsigned holds = 0;
    int ready, fetched; // fetched: number of events from the kernel, including hidden ones
    block_signals(&signals, call->mask);
    do {
        const struct timespec *timeout = slice(until, &left);
        uint64_t since = rb_clock_now();
        fetched = call->exact
                      ? rb_libc_epoll_pwait2(call->epfd, call->events, call->size, timeout, signals.within)
                      : rb_libc_epoll_pwait(call->epfd, call->events, call->size, in_ms(timeout), signals.within);
        ready = fetched > 0 ? hold_events(call, fetched, since) : fetched;
    } while (ready == 0 && ((fetched > 0 && holds++ < RB_FLIGHT_COUNT) || !is_over(until)));
    restore_signals(&signals);
    pass_on(call);
    return ready;
}

int rb_wait_epoll(int epfd, struct epoll_event *events, int size, const struct timespec *timeout, const sigset_t *mask,
                  bool exact)
{
    struct epoll_call call = {.epfd = epfd, .events = events, .size = size, .mask = mask, .exact = exact};
    if (exact && !is_time(timeout))
        return rb_libc_epoll_pwait2(epfd, events, size, timeout, mask);
    return epoll_until(&call, wait_deadline(rb_system_now_ns(), timeout));
}

int rb_wait_fetched(int epfd, struct epoll_event *events, int size, int ready, const struct timespec *timeout,
                    const struct rb_wait_start *start, const sigset_t *mask, bool exact)
{
    struct epoll_call call = {.epfd = epfd, .events = events, .size = size, .mask = mask, .exact = exact};
    int kept = hold_events(&call, ready, start->change);
    if (kept == 0) {
        uint64_t gone = rb_system_coarse_ms() - start->ms;
        return epoll_until(&call, wait_deadline(rb_system_now_ns() - gone * MS, timeout));
    }
    pass_on(&call);
    return kept;
}
