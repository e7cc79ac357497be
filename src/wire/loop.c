// SPDX-License-Identifier: MIT
// The table of links that are parked in event loops.
#include "wire/loop.h"

#include <errno.h>

#include "base/arithmetic.h"
#include "base/hash.h"
#include "net/park.h"
#include "real/kernel.h"
#include "real/system.h"
#include "wire/exchange.h"
#include "wire/mark.h"

// HOLDS: links that can be parked at the same time. EPOLLS: entries of `waits`, by the descriptor of the epoll. If two
// epolls share an entry, fewer responses are held. HINTS: entries of `hints`. BUSY_MS: when a link that another thread
// has claimed is tried again.
enum { HOLDS = 1024, EPOLLS = 1024, HINTS = 4096, BUSY_MS = 1 };

// A parked link. Threads read it without a claim, so all of it may be outdated until the link is claimed.
struct hold {
    _Atomic int fd; // 0: unused. Descriptor 0 gets no link
    _Atomic int epfd;
    _Atomic uintptr_t thread; // the only thread that may call `due`; 0: any
    _Atomic uint64_t when_ms;
};

static struct hold holds[HOLDS];
static _Atomic unsigned hold_count;

// How threads wait on an epoll.
static struct {
    _Atomic uintptr_t thread; // which has waited on the epoll last
    _Atomic int polled;       // 1 + the epoll for which a thread has waited by poll or select; 0: none
    _Atomic int inside;       // threads that wait
} waits[EPOLLS];

// Descriptors by the data of their events, for programs whose data is not the descriptor. Another descriptor may
// overwrite an entry, so rb_loop_find checks each entry.
static _Atomic int hints[HINTS];

static __thread char thread_mark; // its address is different in each thread

static uintptr_t this_thread(void)
{
    return (uintptr_t) &thread_mark;
}

// --- links

// Finds the epoll that watches the socket. A program that moves the encrypted bytes itself may register the socket only
// while it waits. Then the epoll that watched the socket before counts.
static bool find_epoll(const struct rb_link *link, int *epfd, struct epoll_event *event)
{
    if (rb_park_registered(link->fd, epfd, event))
        return true;
    *epfd = link->home - 1;
    *event = (struct epoll_event){0};
    return link->detached && link->home > 0;
}

bool rb_loop_may_hold(const struct rb_link *link)
{
    struct epoll_event event;
    int epfd;
    if (link->exchange->rules.hold_ms == 0 || atomic_load_explicit(&hold_count, memory_order_relaxed) >= HOLDS ||
        !find_epoll(link, &epfd, &event))
        return false;
    unsigned i = (unsigned) epfd % EPOLLS;
    bool tls = atomic_load_explicit(&link->tls, memory_order_relaxed);
    bool polled = atomic_load_explicit(&waits[i].polled, memory_order_relaxed) == epfd + 1;
    bool here = atomic_load_explicit(&waits[i].thread, memory_order_relaxed) == this_thread();
    // A one-shot event that the program has got is not armed, so the library could not add another one.
    bool usable = !tls || (here && !(event.events & EPOLLONESHOT));
    return !polled && usable && !rb_park_is_watched(epfd);
}

uint64_t rb_loop_until_ms(const struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    if (x->hold_until_ms == 0)
        x->hold_until_ms = rb_arithmetic_add(rb_system_now_ms(), x->rules.hold_ms);
    return x->hold_until_ms;
}

// Returns 1 + the place of an unused hold, which is the caller's from now on; 0: none.
static unsigned take_hold(int fd)
{
    for (unsigned i = 0; i < HOLDS; i++) {
        int none = 0;
        if (atomic_load_explicit(&holds[i].fd, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&holds[i].fd, &none, fd)) {
            atomic_fetch_add(&hold_count, 1);
            return i + 1;
        }
    }
    return 0;
}

static void give_hold(struct rb_link *link)
{
    if (link->hold == 0)
        return;
    atomic_store(&holds[link->hold - 1].fd, 0);
    atomic_fetch_sub(&hold_count, 1);
    link->hold = 0;
}

bool rb_loop_park(struct rb_link *link, uint64_t when_ms, rb_loop_due *due, bool own_thread)
{
    struct epoll_event event;
    int epfd;
    if ((link->hold == 0 && !rb_loop_may_hold(link)) || !find_epoll(link, &epfd, &event))
        return false;
    unsigned place = link->hold ? link->hold : take_hold(link->fd);
    if (place == 0)
        return false;
    struct hold *hold = &holds[place - 1];
    atomic_store(&hold->epfd, epfd);
    atomic_store(&hold->thread, own_thread ? this_thread() : 0);
    atomic_store(&hold->when_ms, when_ms);
    link->hold = place;
    link->due = due;
    link->unpark = rb_loop_unpark;
    rb_link_note_wait(link->fd, RB_LINK_WAIT_EPOLL);
    return true;
}

void rb_loop_unpark(struct rb_link *link)
{
    int saved = errno;
    bool tls = atomic_load_explicit(&link->tls, memory_order_relaxed);
    if (tls && link->hold && link->state == RB_LINK_DELIVER) { // the program is to read what the library has
        atomic_store(&holds[link->hold - 1].when_ms, 0);
        return;
    }
    give_hold(link);
    if (link->exchange)
        rb_mark_restore(link);
    // The program reads the response that the library has, and then the end of the stream.
    if (link->state == RB_LINK_DELIVER && !tls)
        rb_kernel(SYS_shutdown, link->fd, SHUT_RDWR);
    errno = saved;
}

static _Atomic int *hint_of(int epfd, uint64_t data)
{
    return &hints[rb_hash_word(data ^ (uint64_t) (unsigned) epfd << 48) >> 52];
}

_Static_assert(HINTS == 1 << 12, "the hash's upper 12 bits");

void rb_loop_expect(const struct rb_link *link)
{
    struct epoll_event event;
    int epfd;
    const struct rb_exchange *x = link->exchange;
    if (x && x->rules.hold_ms > 0 && rb_park_registered(link->fd, &epfd, &event))
        atomic_store_explicit(hint_of(epfd, event.data.u64), link->fd, memory_order_relaxed);
}

// --- waits

static bool is_registered_so(int fd, int epfd, uint64_t data)
{
    struct epoll_event event;
    int where;
    return fd > 0 && rb_link_on(fd) && rb_park_registered(fd, &where, &event) && where == epfd &&
           event.data.u64 == data;
}

int rb_loop_find(int epfd, uint64_t data)
{
    int often = (int) (uint32_t) data; // what most programs register
    if (is_registered_so(often, epfd, data))
        return often;
    int hint = atomic_load_explicit(hint_of(epfd, data), memory_order_relaxed);
    return is_registered_so(hint, epfd, data) ? hint : -1;
}

void rb_loop_enter(int epfd)
{
    unsigned i = (unsigned) epfd % EPOLLS;
    atomic_store_explicit(&waits[i].thread, this_thread(), memory_order_relaxed);
    atomic_fetch_add(&waits[i].inside, 1);
}

void rb_loop_polled(int fd)
{
    if (!rb_park_is_epoll(fd))
        return;
    atomic_store_explicit(&waits[(unsigned) fd % EPOLLS].polled, fd + 1, memory_order_relaxed);
    for (unsigned i = 0; i < HOLDS && atomic_load(&hold_count) > 0; i++) {
        int held = atomic_load(&holds[i].fd);
        struct rb_link *link = held > 0 && atomic_load(&holds[i].epfd) == fd ? rb_link_try(held) : NULL;
        if (link && link->hold == i + 1 && link->state == RB_LINK_PARKED)
            rb_loop_unpark(link);
        if (link)
            rb_link_release(link);
    }
}

static bool is_hold_of(const struct hold *hold, int epfd)
{
    uintptr_t thread = atomic_load(&hold->thread);
    return atomic_load(&hold->epfd) == epfd && (thread == 0 || thread == this_thread());
}

void rb_loop_leave(int epfd)
{
    bool others = atomic_fetch_sub(&waits[(unsigned) epfd % EPOLLS].inside, 1) > 1;
    for (unsigned i = 0; others && i < HOLDS && atomic_load(&hold_count) > 0; i++) {
        int fd = atomic_load(&holds[i].fd);
        struct rb_link *link = fd > 0 && is_hold_of(&holds[i], epfd) ? rb_link_try(fd) : NULL;
        bool hides = link && link->hold == i + 1 && link->exchange && link->exchange->low_mark > 0;
        if (hides)
            rb_mark_restore(link); // wakes one thread, which hides the bytes again
        if (link)
            rb_link_release(link);
        if (hides)
            return;
    }
}

// The program sees its descriptor as readable.
static void show_event(struct rb_loop_call *call, int fd)
{
    struct epoll_event event;
    int epfd;
    if (!rb_park_registered(fd, &epfd, &event) || epfd != call->epfd || !(event.events & (EPOLLIN | EPOLLRDNORM)))
        return;
    event.events &= EPOLLIN | EPOLLRDNORM;
    call->events[call->shown++] = event;
}

// The time of a parked link has come. Returns the time of the next call.
static uint64_t call_due(struct rb_loop_call *call, unsigned place, int fd)
{
    struct hold *hold = &holds[place - 1];
    struct rb_link *link = rb_link_try(fd);
    uint64_t next_ms = UINT64_MAX;
    if (!link)
        return rb_system_now_ms() + BUSY_MS;
    if (link->hold == place) {
        atomic_store(&hold->when_ms, UINT64_MAX);
        if (link->exchange && link->due(link))
            show_event(call, fd);
        if (link->hold == place)
            next_ms = atomic_load(&hold->when_ms);
        if (next_ms == UINT64_MAX)
            give_hold(link);
    }
    rb_link_release(link);
    return next_ms;
}

bool rb_loop_parks(int epfd)
{
    unsigned left = atomic_load_explicit(&hold_count, memory_order_relaxed);
    bool parks = false;
    for (unsigned i = 0; i < HOLDS && left > 0 && !parks; i++) {
        bool used = atomic_load(&holds[i].fd) > 0;
        left -= used;
        parks = used && is_hold_of(&holds[i], epfd);
    }
    return parks;
}

uint64_t rb_loop_attend(struct rb_loop_call *call)
{
    uint64_t next_ms = UINT64_MAX, now_ms = 0;
    unsigned left = atomic_load_explicit(&hold_count, memory_order_relaxed);
    for (unsigned i = 0; i < HOLDS && left > 0; i++) {
        int fd = atomic_load(&holds[i].fd);
        left -= fd > 0;
        if (fd <= 0 || !is_hold_of(&holds[i], call->epfd))
            continue;
        uint64_t when_ms = atomic_load(&holds[i].when_ms);
        now_ms = now_ms ? now_ms : rb_system_now_ms();
        if (when_ms <= now_ms && call->shown < call->size)
            when_ms = call_due(call, i + 1, fd);
        next_ms = rb_arithmetic_min(next_ms, when_ms);
    }
    return next_ms;
}

void rb_loop_control(int epfd, int fd, int op)
{
    struct rb_link *link = rb_link_try(fd);
    int saved = errno;
    if (!link)
        return;
    // Another epoll, or another kind of wait, may be the next one to look for the response.
    if (op != EPOLL_CTL_MOD && link->hold && link->state == RB_LINK_PARKED && !link->detached)
        rb_loop_unpark(link);
    if (op == EPOLL_CTL_ADD)
        link->home = epfd + 1;
    if (op != EPOLL_CTL_DEL)
        rb_loop_expect(link);
    rb_link_release(link);
    errno = saved;
}
