// SPDX-License-Identifier: MIT
// select with parked connects.
#include <errno.h>
#include <string.h>

#include "net/park.h"
#include "net/park/filter.h"
#include "net/park/flight.h"
#include "net/park/life.h"
#include "net/park/lock.h"
#include "net/park/period.h"
#include "real/libc.h"
#include "real/memory.h"
#include "real/pages.h"

// Only the words that `count` needs are read or written, because programs pass sets that are shorter than an fd_set.
typedef unsigned long word;

// Sets of more words are copied to pages from the kernel.
enum { WORD_BITS = 8 * sizeof(word), SET_WORDS = FD_SETSIZE / WORD_BITS };

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

static bool can_read_set(const fd_set *set, int count)
{
    return !set || rb_memory_is_readable(set, words(count) * sizeof(word));
}

// False for bad arguments; the kernel then reports the error.
static bool can_select(int count, const fd_set *reads, const fd_set *writes, const fd_set *excepts)
{
    return count >= 0 && can_read_set(reads, count) && can_read_set(writes, count) && can_read_set(excepts, count);
}

static bool may_select_flights(int count, const fd_set *reads, const fd_set *writes, const fd_set *excepts,
                               const struct timespec *timeout)
{
    const word *sets[] = {(const word *) reads, (const word *) writes, (const word *) excepts};
    if (rb_park_splits(timeout) || count > FD_SETSIZE)
        return true;
    if (!can_select(count, reads, writes, excepts))
        return false;
    for (int fd = 0; fd < count; fd++)
        if ((has(sets[0], fd) || has(sets[1], fd) || has(sets[2], fd)) && rb_park_on(fd))
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

// Returns when the next attempt is due, or RB_PERIOD_NEVER if nothing was hidden.
static uint64_t hide_selected(const struct selection *s)
{
    sigset_t saved;
    int fd = 0;
    uint64_t due_ms = RB_PERIOD_NEVER;
    for (unsigned i = 0; i < 3; i++)
        if (s->asked[i])
            memcpy(s->answer[i], s->asked[i], words(s->count) * sizeof(word));
    while (fd < s->count && !(is_selected(s, fd) && rb_flight_parked(fd)))
        fd++;
    if (fd == s->count || !rb_lock_take(&saved))
        return due_ms;
    for (; fd < s->count; fd++) {
        if (!is_selected(s, fd) || !rb_flight_parked(fd) || !rb_flight_hides_locked(fd))
            continue;
        for (unsigned i = 0; i < 3; i++)
            wait_drop(s->asked[i] ? s->answer[i] : NULL, fd);
        due_ms = atomic_load_explicit(&rb_due_next_ms, memory_order_relaxed);
    }
    rb_lock_give(&saved);
    return due_ms;
}

static int hold_selected(const struct selection *s, int ready)
{
    for (int fd = 0; fd < s->count && ready > 0; fd++) {
        int bits = 0;
        for (unsigned i = 0; i < 3; i++)
            bits += s->asked[i] && has(s->answer[i], fd);
        // select has no set for failures, so `failed` is false. The program must see a connect that succeeded.
        if (bits == 0 || !rb_park_on(fd) || !rb_filter_holds(fd, false))
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
    word *probe = rb_pages_memory(size);
    int room = 64, error = errno;
    for (bool inside = true; probe && inside && room < count; room = inside ? 2 * room : room) {
        word *at = &probe[room / WORD_BITS];
        *at = 1;
        inside = rb_libc_pselect(room + 1, NULL, NULL, (fd_set *) probe, &(struct timespec){0}, NULL) != 0 || *at == 0;
        *at = 0;
    }
    if (probe)
        rb_pages_memory_free(probe, size);
    errno = error;
    return room < count ? room : count;
}

// Returns the only descriptor of a wait that can be the program's own limit for a connect; -1 if there is none.
static int only_selected(const struct selection *s, const struct timespec *timeout)
{
    int only = -1;
    for (int fd = 0; fd < s->count && rb_period_is_limit(timeout); fd++) {
        if (!is_selected(s, fd))
            continue;
        if (only >= 0)
            return -1;
        only = fd;
    }
    return only;
}

// How the program waits: by select or by pselect.
struct select_kind {
    bool plain;           // by select
    const sigset_t *mask; // of pselect; may be NULL
};

static int select_once(const struct selection *s, const struct timespec *timeout, const struct select_kind *kind,
                       struct rb_period_signals *signals)
{
    struct timeval limit = {0};
    if (!rb_period_is_filtered(signals, kind->mask) || !kind->plain)
        return rb_libc_pselect(s->count, set_of(s, 0), set_of(s, 1), set_of(s, 2), timeout, signals->within);
    if (timeout)
        limit = (struct timeval){.tv_sec = timeout->tv_sec, .tv_usec = (suseconds_t) (timeout->tv_nsec / 1000)};
    return rb_libc_select(s->count, set_of(s, 0), set_of(s, 1), set_of(s, 2), timeout ? &limit : NULL);
}

// timeout: NULL waits without limit
static int select_until(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                        uint64_t until, const struct select_kind *kind)
{
    word small[3 * SET_WORDS];
    size_t length = words(count);
    struct rb_period_space space;
    struct rb_period_signals signals;
    struct timespec part;
    struct rb_period_end end = {until, -1};
    int ready;
    if (!rb_period_take_space(&space, small, sizeof(small), 3 * length * sizeof(word)))
        return rb_libc_pselect(count, reads, writes, excepts, rb_period_next(&end, &part), kind->mask);
    word *copy = space.at;
    struct selection s = {.count = count,
                          .asked = {(word *) reads, (word *) writes, (word *) excepts},
                          .answer = {copy, copy + length, copy + 2 * length}};
    end.only = only_selected(&s, timeout);
    for (int fd = 0; fd < count; fd++)
        if (is_selected(&s, fd) && rb_park_on(fd))
            rb_life_await(fd);
    rb_period_block_signals(&signals, kind->mask);
    do {
        const struct timespec *next = rb_period_next(&end, &part);
        next = rb_period_shorten(next, hide_selected(&s), &part);
        ready = select_once(&s, next, kind, &signals);
        if (ready > 0)
            ready = hold_selected(&s, ready);
    } while (ready == 0 && rb_period_goes_on(&end));
    rb_period_restore_signals(&signals);
    for (unsigned i = 0; ready >= 0 && i < 3; i++) // in the kernel's order, because two of the sets may be the same
        if (s.asked[i])
            memcpy(s.asked[i], s.answer[i], length * sizeof(word));
    rb_period_give_space(&space);
    return ready;
}

int rb_select_wait_precise(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                           const sigset_t *mask)
{
    int looked = count > FD_SETSIZE ? looked_at(count) : count;
    if (!may_select_flights(count, reads, writes, excepts, timeout) || !rb_period_is_time(timeout) ||
        !can_select(looked, reads, writes, excepts))
        return rb_libc_pselect(count, reads, writes, excepts, timeout, mask);
    return select_until(looked, reads, writes, excepts, timeout, rb_period_deadline(rb_system_now_ns(), timeout),
                        &(struct select_kind){.mask = mask});
}

// Converts the timeout of select. Microseconds beyond one million are carried to seconds. NULL stays NULL.
static struct timespec *limit_of(const struct timeval *timeout, struct timespec *out)
{
    if (!timeout)
        return NULL;
    *out = (struct timespec){.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000,
                             .tv_nsec = timeout->tv_usec % 1000000 * 1000};
    return out;
}

int rb_select_wait(int count, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout)
{
    int looked = count > FD_SETSIZE ? looked_at(count) : count;
    struct timespec limit, *end = limit_of(timeout, &limit);
    bool passes = !may_select_flights(count, reads, writes, excepts, end);
    if (!passes && timeout) // the kernel reports a bad timeout
        passes = !rb_memory_is_readable(timeout, sizeof(*timeout)) || timeout->tv_sec < 0 || timeout->tv_usec < 0;
    if (passes || !can_select(looked, reads, writes, excepts))
        return rb_libc_select(count, reads, writes, excepts, timeout);
    uint64_t until = rb_period_deadline(rb_system_now_ns(), end);
    int ready = select_until(looked, reads, writes, excepts, end, until, &(struct select_kind){.plain = true});
    int error = errno;
    if (timeout && until != RB_PERIOD_NEVER) {
        uint64_t left = rb_period_left(until, rb_system_now_ns());
        *timeout = (struct timeval){.tv_sec = (time_t) (left / RB_PERIOD_SECOND),
                                    .tv_usec = (suseconds_t) (left % RB_PERIOD_SECOND / 1000)};
    }
    errno = error;
    return ready;
}
