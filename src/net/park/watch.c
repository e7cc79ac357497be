// SPDX-License-Identifier: MIT
// Registrations by descriptor, and an index of those of connects in flight by epoll and data.
#include <errno.h>
#include <poll.h>

#include "base/hash.h"
#include "net/park/change.h"
#include "net/park/descriptor.h"
#include "net/park/watch.h"
#include "net/socket.h"
#include "real/kernel.h"
#include "real/libc.h"

enum { BUCKETS = 4096, WATCHES = RB_DESCRIPTOR_WATCHES };

// The registered events of a hidden descriptor.
static const uint32_t HIDDEN = EPOLLONESHOT | EPOLLWRNORM;

// The most recent ends of connects that an epoll watched. The ring is larger than the number of connects that can end
// while a thread handles its fetched events.
enum { ENDS = 1024 };

static struct {
    int epfd;
    uint64_t data, when; // rb_change_count of the end
} ends[ENDS];

static unsigned next_end;

// Hash chains of nodes by epoll and data. The number of a node is 1 + descriptor * WATCHES + index.
static uint32_t heads[BUCKETS];

static uint32_t get(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void set(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static int epfd_of(const struct rb_watch *watch)
{
    return (int) get(&watch->epfd) - 1;
}

static struct epoll_event event_of(const struct rb_watch *watch)
{
    uint64_t data = atomic_load_explicit(&watch->data, memory_order_relaxed);
    return (struct epoll_event){.events = get(&watch->events), .data.u64 = data};
}

// True while the epoll of the registration has not been closed.
static bool is_live(const struct rb_watch *watch)
{
    const struct rb_descriptor *epoll = get(&watch->epfd) ? rb_descriptor_of(epfd_of(watch)) : NULL;
    return epoll && get(&epoll->epoch) == get(&watch->epoch);
}

static struct rb_watch *watch_of(struct rb_descriptor *descriptor, int epfd)
{
    for (unsigned i = 0; i < WATCHES; i++)
        if (epfd_of(&descriptor->watches[i]) == epfd && is_live(&descriptor->watches[i]))
            return &descriptor->watches[i];
    return NULL;
}

static struct rb_watch *watch_at(int epfd, int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    return descriptor ? watch_of(descriptor, epfd) : NULL;
}

static struct rb_watch *free_watch(struct rb_descriptor *descriptor)
{
    for (unsigned i = 0; i < WATCHES; i++)
        if (!is_live(&descriptor->watches[i]))
            return &descriptor->watches[i];
    return NULL;
}

static bool write_watch(struct rb_watch *watch, int epfd, const struct epoll_event *event)
{
    struct rb_descriptor *epoll = rb_descriptor_make(epfd);
    if (!epoll)
        return false;
    if (!(get(&epoll->epoch) & 1))
        set(&epoll->epoch, get(&epoll->epoch) + 1);
    set(&watch->epoch, get(&epoll->epoch));
    set(&watch->events, event->events);
    set(&watch->reported, 0);
    atomic_store_explicit(&watch->data, event->data.u64, memory_order_relaxed);
    set(&watch->epfd, (uint32_t) epfd + 1);
    return true;
}

static bool watch_put(int epfd, int fd, const struct epoll_event *event)
{
    struct rb_descriptor *descriptor = rb_descriptor_make(fd);
    struct rb_watch *watch = descriptor ? watch_of(descriptor, epfd) : NULL;
    if (descriptor && !watch)
        watch = free_watch(descriptor);
    if (descriptor && (!watch || !write_watch(watch, epfd, event)))
        set(&descriptor->crowded, 1);
    return descriptor || (unsigned) fd >= RB_DESCRIPTORS;
}

bool rb_watch_note(int epfd, int op, int fd, const struct epoll_event *event)
{
    if (op != EPOLL_CTL_DEL && event)
        return watch_put(epfd, fd, event);
    struct rb_watch *watch = watch_at(epfd, fd);
    if (watch)
        set(&watch->epfd, 0);
    return true;
}

bool rb_watch_known(const struct rb_descriptor *descriptor)
{
    uint32_t known = get(&descriptor->slot) | (get(&descriptor->epoch) & 1) | get(&descriptor->crowded);
    for (unsigned i = 0; i < WATCHES; i++)
        known |= get(&descriptor->watches[i].epfd);
    return known != 0;
}

void rb_watch_close(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    if (!descriptor)
        return;
    for (unsigned i = 0; i < WATCHES; i++)
        if (get(&descriptor->watches[i].epfd))
            set(&descriptor->watches[i].epfd, 0);
    if (get(&descriptor->crowded))
        set(&descriptor->crowded, 0);
    if (get(&descriptor->epoch) & 1)
        set(&descriptor->epoch, get(&descriptor->epoch) + 1);
}

bool rb_watch_only(int fd, int *epfd, struct epoll_event *event)
{
    const struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    unsigned found = 0;
    for (unsigned i = 0; descriptor && i < WATCHES; i++)
        if (is_live(&descriptor->watches[i])) {
            *epfd = epfd_of(&descriptor->watches[i]);
            *event = event_of(&descriptor->watches[i]);
            found++;
        }
    return found == 1 && !get(&descriptor->crowded);
}

bool rb_watch_shares(int epfd, uint64_t data, int fd)
{
    bool shares = false;
    for (int other = 0; !shares && other < RB_DESCRIPTORS; other++) {
        struct rb_descriptor *descriptor = rb_descriptor_of(other);
        const struct rb_watch *watch = descriptor && other != fd ? watch_of(descriptor, epfd) : NULL;
        shares = watch && event_of(watch).data.u64 == data;
        if (!descriptor)
            other += RB_DESCRIPTOR_PAGE - 1; // skip the whole page
    }
    return shares;
}

void rb_watch_rearm(int epfd, int fd)
{
    const struct rb_watch *watch = watch_at(epfd, fd);
    struct epoll_event before = watch ? event_of(watch) : (struct epoll_event){0}, event = before;
    for (unsigned i = 0; watch && (event.events & EPOLLONESHOT) && i < 2;
         i++) { // another thread may change the registration at the same time
        rb_kernel(SYS_epoll_ctl, epfd, EPOLL_CTL_MOD, fd, &event);
        event = event_of(watch);
        if (event.events == before.events && event.data.u64 == before.data.u64)
            return;
    }
}

bool rb_watch_has_flights(int epfd)
{
    const struct rb_descriptor *epoll = rb_descriptor_of(epfd);
    return epoll && get(&epoll->flights) > 0;
}

static uint32_t *chain_of(int epfd, uint64_t data)
{
    return &heads[rb_hash_word(data ^ (uint64_t) (unsigned) epfd << 48) >> 52];
}

_Static_assert(BUCKETS == 1 << 12, "the hash's upper 12 bits");

static struct rb_watch_node *node_at(uint32_t number)
{
    return &rb_descriptor_of((int) ((number - 1) / WATCHES))->nodes[(number - 1) % WATCHES];
}

static void watch_join_locked(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    rb_watch_leave_locked(fd); // linking a node twice would make the chain a ring
    for (unsigned i = 0; descriptor && i < WATCHES; i++) {
        const struct rb_watch *watch = &descriptor->watches[i];
        struct rb_watch_node *node = &descriptor->nodes[i];
        if (!is_live(watch))
            continue;
        struct epoll_event event = event_of(watch);
        uint32_t *chain = chain_of(epfd_of(watch), event.data.u64);
        *node = (struct rb_watch_node){.next = *chain, .linked = true, .epfd = epfd_of(watch), .data = event.data.u64};
        *chain = 1 + (uint32_t) fd * WATCHES + i;
        atomic_fetch_add_explicit(&rb_descriptor_of(node->epfd)->flights, 1, memory_order_relaxed);
    }
}

void rb_watch_join_locked(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    for (unsigned i = 0; descriptor && i < WATCHES; i++)
        set(&descriptor->watches[i].reported, 0);
    watch_join_locked(fd);
}

static void unlink_node_locked(uint32_t number)
{
    struct rb_watch_node *node = node_at(number);
    uint32_t *at = chain_of(node->epfd, node->data);
    while (*at && *at != number)
        at = &node_at(*at)->next;
    if (*at)
        *at = node->next;
    node->linked = false;
    atomic_fetch_sub_explicit(&rb_descriptor_of(node->epfd)->flights, 1, memory_order_relaxed);
}

void rb_watch_leave_locked(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    for (unsigned i = 0; descriptor && i < WATCHES; i++)
        if (descriptor->nodes[i].linked)
            unlink_node_locked(1 + (uint32_t) fd * WATCHES + i);
}

static void remember_end_locked(const struct rb_watch_node *node)
{
    ends[next_end].epfd = node->epfd;
    ends[next_end].data = node->data;
    ends[next_end].when = rb_change_add_locked();
    next_end = (next_end + 1) % ENDS;
}

void rb_watch_end_locked(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    for (unsigned i = 0; descriptor && i < WATCHES; i++)
        if (descriptor->nodes[i].linked)
            remember_end_locked(&descriptor->nodes[i]);
    rb_watch_leave_locked(fd);
}

// True when the node belongs to this epoll and data. The epoll may have been closed and its number reused while the
// node is still linked.
static bool reports_locked(uint32_t number, int epfd, uint64_t data)
{
    const struct rb_watch_node *node = node_at(number);
    const struct rb_descriptor *descriptor = rb_descriptor_of((int) ((number - 1) / WATCHES));
    return node->epfd == epfd && node->data == data && is_live(&descriptor->watches[(number - 1) % WATCHES]);
}

unsigned rb_watch_find_locked(int epfd, uint64_t data, int *fds, unsigned size)
{
    unsigned count = 0;
    for (uint32_t number = *chain_of(epfd, data); number && count < size; number = node_at(number)->next)
        if (reports_locked(number, epfd, data))
            fds[count++] = (int) ((number - 1) / WATCHES);
    return count;
}

void rb_watch_each_locked(int epfd, bool (*visit)(int epfd, int fd))
{
    bool done = !rb_watch_has_flights(epfd);
    for (unsigned i = 0; !done && i < BUCKETS; i++)
        for (uint32_t number = heads[i]; number && !done; number = node_at(number)->next)
            done = reports_locked(number, epfd, node_at(number)->data) && visit(epfd, (int) ((number - 1) / WATCHES));
}

// Changes the registration in the kernel. Errors are accepted if the registration is gone: it was removed without our
// hooks or in another process (ENOENT, EBADF), or the number is no longer an epoll (EINVAL). EPOLLEXCLUSIVE
// registrations cannot be modified, which also gives EINVAL and is a failure.
static bool modify_locked(int fd, const struct rb_watch *watch, uint32_t events)
{
    struct epoll_event event = event_of(watch);
    bool exclusive = event.events & EPOLLEXCLUSIVE;
    event.events = events;
    long result = rb_kernel(SYS_epoll_ctl, epfd_of(watch), EPOLL_CTL_MOD, fd, &event);
    return result == 0 || result == -ENOENT || result == -EBADF || (result == -EINVAL && !exclusive);
}

bool rb_watch_may_report_locked(int epfd, int fd)
{
    const struct rb_watch *watch = watch_at(epfd, fd);
    return watch && !get(&watch->reported);
}

void rb_watch_mark_reported_locked(int epfd, int fd, bool disarm)
{
    struct rb_watch *watch = watch_at(epfd, fd);
    uint32_t events = watch ? get(&watch->events) : 0;
    if (events & (EPOLLET | EPOLLONESHOT))
        set(&watch->reported, 1);
    if (disarm && events & EPOLLONESHOT)
        modify_locked(fd, watch, HIDDEN);
}

bool rb_watch_is_edge_locked(int epfd, int fd)
{
    const struct rb_watch *watch = watch_at(epfd, fd);
    return watch && (get(&watch->events) & (EPOLLET | EPOLLONESHOT)) == EPOLLET;
}

static void arm_locked(int epfd, int fd, bool hidden)
{
    const struct rb_watch *watch = watch_at(epfd, fd);
    if (watch)
        modify_locked(fd, watch, hidden ? HIDDEN : get(&watch->events));
}

void rb_watch_hide_again_locked(int epfd, int fd)
{
    arm_locked(epfd, fd, true);
}

void rb_watch_show_again_locked(int epfd, int fd)
{
    arm_locked(epfd, fd, false);
}

bool rb_watch_ended_locked(int epfd, uint64_t data, uint64_t since)
{
    bool ended = false;
    for (unsigned i = next_end, left = ENDS; !ended && left > 0 && ends[(i + ENDS - 1) % ENDS].when > since; left--) {
        i = (i + ENDS - 1) % ENDS; // from the newest to older ones
        ended = ends[i].epfd == epfd && ends[i].data == data;
    }
    return ended;
}

bool rb_watch_fails_there_locked(int epfd, uint64_t data, int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    const struct rb_watch *watch = descriptor && get(&descriptor->slot) == 0 ? watch_of(descriptor, epfd) : NULL;
    if (!watch || event_of(watch).data.u64 != data || get(&watch->reported) ||
        !(rb_socket_events(fd) & (POLLERR | POLLHUP | POLLNVAL)))
        return false;
    rb_watch_mark_reported_locked(epfd, fd, true);
    return true;
}

bool rb_watch_fails_locked(int epfd, uint64_t data)
{
    bool fails = false;
    for (int fd = 0; !fails && fd < RB_DESCRIPTORS; fd++)
        if (rb_descriptor_of(fd))
            fails = rb_watch_fails_there_locked(epfd, data, fd);
        else
            fd += RB_DESCRIPTOR_PAGE - 1; // skip the whole page
    return fails;
}

bool rb_watch_hide_locked(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    int saved = errno;
    bool done = !descriptor || !get(&descriptor->crowded);
    for (unsigned i = 0; done && descriptor && i < WATCHES; i++)
        if (is_live(&descriptor->watches[i]))
            done = modify_locked(fd, &descriptor->watches[i], HIDDEN);
    errno = saved;
    return done;
}

bool rb_watch_show_locked(int fd)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    int saved = errno;
    bool done = true;
    for (unsigned i = 0; descriptor && i < WATCHES; i++)
        if (is_live(&descriptor->watches[i]))
            done = modify_locked(fd, &descriptor->watches[i], get(&descriptor->watches[i].events)) && done;
    errno = saved;
    return done;
}

void rb_watch_show_closed_locked(int fd, int copy)
{
    if (!rb_watch_is_watched(fd))
        return;
    long again = rb_kernel(SYS_fcntl, copy, F_DUPFD_CLOEXEC, fd);
    if (again == fd)
        rb_watch_show_locked(fd);
    if (again >= 0)
        rb_kernel(SYS_close, again);
}

bool rb_watch_explains_locked(int epfd, uint64_t data)
{
    for (int fd = 0; fd < RB_DESCRIPTORS; fd++) {
        struct rb_descriptor *descriptor = rb_descriptor_of(fd);
        const struct rb_watch *watch = descriptor ? watch_of(descriptor, epfd) : NULL;
        if (watch && event_of(watch).data.u64 == data)
            return true;
        if (!descriptor)
            fd += RB_DESCRIPTOR_PAGE - 1; // skip the whole page
    }
    return false;
}

bool rb_watch_is_watched(int fd)
{
    const struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    bool watched = descriptor && get(&descriptor->crowded);
    for (unsigned i = 0; descriptor && i < WATCHES; i++)
        watched = watched || is_live(&descriptor->watches[i]);
    return watched;
}

bool rb_watch_can_hide_locked(int epfd, int op, int fd, const struct epoll_event *event)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    if (op == EPOLL_CTL_DEL)
        return true;
    if (event->events & EPOLLEXCLUSIVE)
        return false;
    return descriptor && rb_descriptor_make(epfd) && (watch_of(descriptor, epfd) || free_watch(descriptor));
}

// Replaces the record of a registration. Events that were fetched under the old registration become outdated.
static void renote_locked(int epfd, int op, int fd, const struct epoll_event *event)
{
    struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    for (unsigned i = 0; descriptor && i < WATCHES; i++)
        if (descriptor->nodes[i].linked && descriptor->nodes[i].epfd == epfd)
            remember_end_locked(&descriptor->nodes[i]);
    rb_watch_leave_locked(fd);
    rb_watch_note(epfd, op, fd, event);
    watch_join_locked(fd);
}

// Records the registration before the system call, because a waiting thread may get an event before the call returns.
static int control_noted_locked(int epfd, int op, int fd, struct epoll_event *event, bool hidden)
{
    const struct rb_watch *watch = watch_at(epfd, fd);
    struct epoll_event before = watch ? event_of(watch) : (struct epoll_event){0};
    struct epoll_event nothing = {.events = HIDDEN, .data = event->data};
    renote_locked(epfd, op, fd, event);
    int result = rb_libc_epoll_ctl(epfd, op, fd, hidden ? &nothing : event);
    if (result != 0)
        renote_locked(epfd, watch ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, &before);
    return result;
}

int rb_watch_control_locked(int epfd, int op, int fd, struct epoll_event *event, bool hidden)
{
    if (op != EPOLL_CTL_DEL && event)
        return control_noted_locked(epfd, op, fd, event, hidden);
    int result = rb_libc_epoll_ctl(epfd, op, fd, event);
    if (result == 0)
        renote_locked(epfd, op, fd, NULL);
    return result;
}
