// SPDX-License-Identifier: MIT
// The table of links.
#include "wire/link.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/arithmetic.h"
#include "net/socket.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/memory.h"
#include "real/pages.h"
#include "real/system.h"

// DESCRIPTORS: descriptors from this number on are never followed. SLAB: links in one allocation.
enum { DESCRIPTORS = 65536, PAGE = 1024, SLABS = 512, SLAB = 128 };

// The values of a claim. UNUSED: the link belongs to no descriptor. LENT: the bits from LENT_SHIFT on are a number that
// no other loan of the link has.
enum { UNUSED, FREE, CLAIMED, DISTURBED, CLOSED, LENT };
enum { LENT_SHIFT = 3, LENT_MASK = (1 << LENT_SHIFT) - 1 };

_Atomic uint32_t rb_link_count;
_Atomic bool rb_link_holds;

typedef _Atomic(struct rb_link *) entry;

static bool copied; // in the child of a fork: the links are copies of those of the parent, which counts them

static _Atomic(entry *) pages[DESCRIPTORS / PAGE];
static _Atomic(struct rb_link *) slabs[SLABS];

// Makes memory available at a place that no other thread has filled first.
static void *link_memory(_Atomic(void *) *place, size_t size)
{
    void *there = atomic_load(place), *made = there ? NULL : rb_pages_memory(size);
    if (!made || atomic_compare_exchange_strong(place, &there, made))
        return made ? made : there;
    rb_pages_memory_free(made, size);
    return there;
}

static entry *entry_of(int fd, bool make)
{
    if ((unsigned) fd >= DESCRIPTORS)
        return NULL;
    _Atomic(entry *) *page = &pages[(unsigned) fd / PAGE];
    entry *entries = atomic_load_explicit(page, memory_order_acquire);
    if (!entries && make)
        entries = link_memory((_Atomic(void *) *) page, PAGE * sizeof(entry));
    return entries ? &entries[(unsigned) fd % PAGE] : NULL;
}

struct rb_link *rb_link_of(int fd)
{
    const entry *place = entry_of(fd, false);
    return place ? atomic_load_explicit(place, memory_order_acquire) : NULL;
}

static bool take_claim(struct rb_link *link, uint32_t *found)
{
    *found = FREE;
    return atomic_compare_exchange_strong(&link->claim, found, CLAIMED);
}

uint32_t rb_link_lend(struct rb_link *link)
{
    uint32_t found = CLAIMED, loan = ++link->loans << LENT_SHIFT | LENT;
    return atomic_compare_exchange_strong(&link->claim, &found, loan) ? loan : 0;
}

bool rb_link_regain(struct rb_link *link, uint32_t loan)
{
    return loan == 0 || atomic_compare_exchange_strong(&link->claim, &loan, CLAIMED);
}

// Takes the claim from the call that has lent it.
static bool call_in(struct rb_link *link, uint32_t found)
{
    return (found & LENT_MASK) == LENT && atomic_compare_exchange_strong(&link->claim, &found, CLAIMED);
}

static void end_loan(struct rb_link *link, int fd);

// Claims the link of a descriptor.
//   disturbs: if another call has the claim, that call makes the link opaque when it releases the claim; if the claim
//     is lent, this call makes the link opaque
static struct rb_link *claim_link(int fd, bool disturbs)
{
    struct rb_link *link = rb_link_of(fd);
    uint32_t found;
    if (!link)
        return NULL;
    if (!take_claim(link, &found)) {
        if (found == CLAIMED && disturbs)
            atomic_compare_exchange_strong(&link->claim, &found, DISTURBED);
        else if (disturbs && call_in(link, found))
            end_loan(link, fd);
        return NULL;
    }
    if (rb_link_of(fd) == link && link->fd == fd)
        return link;
    rb_link_release(link); // the link has ended meanwhile
    return NULL;
}

struct rb_link *rb_link_claim(int fd)
{
    return claim_link(fd, true);
}

struct rb_link *rb_link_try(int fd)
{
    return claim_link(fd, false);
}

// Takes the link out of the table. Returns false if it is not there.
static bool unlist(const struct rb_link *link, int fd)
{
    struct rb_link *there = (struct rb_link *) link;
    entry *place = entry_of(fd, false);
    if (!place || !atomic_compare_exchange_strong(place, &there, NULL))
        return false;
    atomic_fetch_sub(&rb_link_count, 1);
    return true;
}

// Gives a claimed link back to its slab.
//   closed: the program has closed the descriptor
static void give_back(struct rb_link *link, bool closed)
{
    if (copied)
        rb_opening_forget(&link->opening);
    if (link->exchange)
        link->forget(link);
    rb_opening_end(&link->opening, &link->peer.target, closed);
    link->fd = -1;
    atomic_store(&link->claim, UNUSED);
}

// Returns true if the link must stay until the program has read bytes that the connection does not have any more.
static bool keeps_bytes(struct rb_link *link)
{
    return link->exchange && link->give_only(link);
}

void rb_link_drop(struct rb_link *link)
{
    if (!keeps_bytes(link) && unlist(link, link->fd))
        give_back(link, false);
    else
        rb_link_release(link);
}

// The call that takes a link out of the table gives it back. If that is another call, it has entered CLOSED, or waits
// for the claim in end_unlisted.
void rb_link_release(struct rb_link *link)
{
    uint32_t found = CLAIMED;
    if (atomic_compare_exchange_strong(&link->claim, &found, FREE))
        return;
    if (found == DISTURBED && !keeps_bytes(link) && unlist(link, link->fd)) {
        give_back(link, false);
        return;
    }
    found = DISTURBED;
    if (!atomic_compare_exchange_strong(&link->claim, &found, FREE))
        give_back(link, true);
}

// Another call needs the link while its claim is lent, or the thread that has lent the claim never came back.
static void end_loan(struct rb_link *link, int fd)
{
    bool there = rb_link_of(fd) == link && link->fd == fd; // else it has ended meanwhile
    if (there && link->exchange && link->unmark)
        link->unmark(link);
    if (there)
        rb_link_drop(link);
    else
        rb_link_release(link);
}

bool rb_link_is_disturbed(const struct rb_link *link)
{
    return atomic_load(&link->claim) != CLAIMED;
}

void rb_link_enter(struct rb_link *link, enum rb_link_state state)
{
    link->state = state;
}

// Ends a link that is in the table no more. If another call has the claim, it gives the link back.
static void end_unlisted(struct rb_link *link)
{
    uint32_t found;
    while (!take_claim(link, &found) && !call_in(link, found)) {
        bool owned = found == CLAIMED || found == DISTURBED;
        if (found == CLOSED || (owned && atomic_compare_exchange_strong(&link->claim, &found, CLOSED)))
            return;
    }
    give_back(link, true);
}

// Returns a claimed link from a slab.
static struct rb_link *take_link(void)
{
    static _Atomic unsigned hint;
    unsigned first = atomic_load_explicit(&hint, memory_order_relaxed);
    for (unsigned i = 0; i < SLABS; i++) {
        unsigned which = (first + i) % SLABS;
        struct rb_link *slab = atomic_load_explicit(&slabs[which], memory_order_acquire);
        bool fresh = !slab;
        if (fresh)
            slab = link_memory((_Atomic(void *) *) &slabs[which], SLAB * sizeof(*slab));
        for (unsigned k = 0; slab && k < SLAB; k++) {
            uint32_t unused = UNUSED;
            if (atomic_load_explicit(&slab[k].claim, memory_order_relaxed) != UNUSED ||
                !atomic_compare_exchange_strong(&slab[k].claim, &unused, CLAIMED))
                continue;
            atomic_store_explicit(&hint, which, memory_order_relaxed);
            return &slab[k];
        }
        if (fresh)
            break;
    }
    return NULL;
}

static void link_forked_child(void)
{
    copied = true;
    rb_link_leave_all();
    copied = false;
}

void rb_link_open(int fd, const struct sockaddr *address, socklen_t length, const struct rb_peer *peer,
                  const struct rb_section *section)
{
    static _Atomic bool announced;
    struct rb_link *link;
    bool inet = address->sa_family == AF_INET || address->sa_family == AF_INET6;
    rb_link_close(fd);
    if (fd <= 0 || !(section->rules.intercept & RB_INTERCEPT_HTTP) || !inet || length > sizeof(link->address) ||
        !rb_socket_is_stream(fd))
        return;
    entry *place = entry_of(fd, true);
    link = place ? take_link() : NULL;
    if (!link)
        return;
    if (!atomic_exchange(&announced, true))
        rb_fork_notify(NULL, rb_link_leave_all, link_forked_child);
    memset((char *) link + offsetof(struct rb_link, fd), 0, sizeof(*link) - offsetof(struct rb_link, fd));
    link->fd = fd;
    link->way = RB_WAY_SOCKET;
    link->length = length;
    memcpy(&link->address, address, length);
    link->peer = *peer;
    if (peer->target.name == peer->name)
        link->peer.target.name = link->peer.name;
    else
        link->peer.target.name = NULL;
    if (section->rules.hold_ms > 0)
        atomic_store_explicit(&rb_link_holds, true, memory_order_relaxed);
    atomic_fetch_add(&rb_link_count, 1);
    struct rb_link *other = atomic_exchange(place, link); // of another thread that has connected the same socket
    if (other) {
        atomic_fetch_sub(&rb_link_count, 1);
        end_unlisted(other);
    }
    rb_link_release(link);
}

bool rb_link_made(int fd, const struct rb_call *call, bool counted)
{
    struct rb_link *link = rb_link_on(fd) ? rb_link_try(fd) : NULL;
    bool takes = link && link->state == RB_LINK_IDLE && !link->exchange && !link->tls;
    if (takes)
        rb_opening_begin(&link->opening, call, counted);
    if (link)
        rb_link_release(link);
    return takes;
}

void rb_link_note_secured(int fd)
{
    struct rb_link *link = rb_link_on(fd) ? rb_link_of(fd) : NULL;
    if (link)
        atomic_store_explicit(&link->secured, true, memory_order_relaxed);
}

bool rb_link_repeats(int fd, const struct sockaddr *address, socklen_t length)
{
    struct rb_link *link = rb_link_on(fd) ? rb_link_try(fd) : NULL;
    bool repeats = link && link->opening.state == RB_OPENING_MADE && length == link->length &&
                   rb_memory_is_readable(address, length) && memcmp(address, &link->address, length) == 0;
    if (link)
        rb_link_release(link);
    return repeats;
}

void rb_link_close(int fd)
{
    struct rb_link *link = rb_link_on(fd) ? rb_link_of(fd) : NULL;
    if (!link || !rb_fork_owns(rb_system_pid()) || !unlist(link, fd)) // a vfork child has descriptors of its own
        return;
    end_unlisted(link);
}

void rb_link_close_range(unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= last && fd < DESCRIPTORS; fd++) {
        if (!entry_of((int) fd, false))
            fd |= PAGE - 1; // no link in this page
        else
            rb_link_close((int) fd);
    }
}

void rb_link_leave(int fd)
{
    struct rb_link *link = rb_link_on(fd) ? rb_link_claim(fd) : NULL;
    if (link)
        rb_link_drop(link);
}

void rb_link_leave_all(void)
{
    for (unsigned i = 0; i < DESCRIPTORS / PAGE && atomic_load(&rb_link_count) > 0; i++)
        for (unsigned k = 0; atomic_load(&pages[i]) && k < PAGE; k++)
            rb_link_leave((int) (i * PAGE + k));
}

void rb_link_leave_inherited(void)
{
    for (unsigned i = 0; i < DESCRIPTORS / PAGE && atomic_load(&rb_link_count) > 0; i++)
        for (unsigned k = 0; atomic_load(&pages[i]) && k < PAGE; k++) {
            int fd = (int) (i * PAGE + k);
            if (rb_link_of(fd) && !(rb_kernel(SYS_fcntl, fd, F_GETFD, 0) & FD_CLOEXEC))
                rb_link_leave(fd);
        }
    rb_link_end_all(); // the process may become another program
}

void rb_link_end_all(void)
{
    for (unsigned i = 0; i < DESCRIPTORS / PAGE && atomic_load(&rb_link_count) > 0; i++)
        for (unsigned k = 0; atomic_load(&pages[i]) && k < PAGE; k++) {
            struct rb_link *link = rb_link_try((int) (i * PAGE + k));
            if (!link)
                continue;
            if (link->opening.state == RB_OPENING_MADE)
                rb_opening_end(&link->opening, &link->peer.target, false);
            rb_link_release(link);
        }
}

void rb_link_note_wait(int fd, enum rb_link_wait wait)
{
    struct rb_link *link = rb_link_of(fd);
    if (!link)
        return;
    atomic_store_explicit(&link->starved, false, memory_order_relaxed);
    if (atomic_load_explicit(&link->wait, memory_order_relaxed) != RB_LINK_WAIT_EPOLL)
        atomic_store_explicit(&link->wait, wait, memory_order_relaxed);
}

bool rb_link_limits(struct rb_link *link, uint64_t until_ms, enum rb_link_span span)
{
    enum { SLACK_MS = 50 }; // a wait may begin this much later than the program has computed its rest
    uint64_t now_ms = rb_system_now_ms(), end_ms = rb_arithmetic_add(until_ms, SLACK_MS);
    if (span == RB_LINK_SPAN_LONG) {
        link->limit_end_ms = until_ms;
        link->limit_ms = until_ms == UINT64_MAX ? until_ms : rb_arithmetic_sub(until_ms, now_ms);
        return true;
    }
    if (link->limit_end_ms > 0 && end_ms >= link->limit_end_ms)
        return true;
    if (link->ticks || (link->state != RB_LINK_SENT && link->state != RB_LINK_PARKED))
        return false;
    if (link->short_end_ms > 0 && now_ms < link->short_end_ms)
        return end_ms >= link->short_end_ms;
    link->ticks = link->short_end_ms > 0;
    if (span == RB_LINK_SPAN_TICK || link->ticks)
        return false;
    link->short_end_ms = until_ms;
    return true;
}
