// SPDX-License-Identifier: MIT
// Many non-blocking connects by many threads that share their epolls, to ports that go up and down, with everything
// else that programs do to descriptors in between. Checked: each connect ends, with a true result; a one-shot
// registration reports once for each time that it is armed; no event is of a socket that was gone before the wait
// began; no descriptor is left over.
//
// Runs on whatever calls it is given: those of libc under the library, or the library's own, linked in.
#ifndef RB_PRELOAD_STRESS_H
#define RB_PRELOAD_STRESS_H

#include <sys/epoll.h>

#include "network.h"

#define STRESS_POLICY                                                                                                  \
    "[local]\nhosts=127.0.0.0/8\nretry.backoff=fixed\nretry.jitter=none\nretry.base=3ms\nretry.attempts=6\n"           \
    "budget.ratio=100%\nbudget.floor=1000/s\nbreaker=off\nconnect.failover=off\n"

enum {
    STRESS_THREADS = 8,
    STRESS_EPOLLS = 2,
    STRESS_PORTS = 6,       // the last two never listen
    STRESS_SLOTS = 64,      // connects at once
    STRESS_CONNECTS = 1000, // in all, at least
    STRESS_LOST_MS = 20000, // a connect that has no end by then is lost
};

struct stress_calls {
    int (*connect)(int fd, const struct sockaddr *address, socklen_t length);
    int (*error)(int fd, int *error); // SO_ERROR
    int (*epoll_ctl)(int epfd, int op, int fd, struct epoll_event *event);
    int (*epoll_wait)(int epfd, struct epoll_event *events, int size, int timeout);
    int (*poll)(struct pollfd *fds, nfds_t count, int timeout);
    int (*close)(int fd);
    int (*dup)(int fd);
};

enum stress_state { STRESS_FREE, STRESS_CONNECTING, STRESS_DONE };

struct stress_slot {
    pthread_mutex_t lock;
    enum stress_state state;
    int fd, epfd;
    uint32_t round; // counts the sockets that the slot has had
    uint32_t mode;  // 0, EPOLLET or EPOLLONESHOT
    unsigned armed; // how many events may come of a one-shot registration
    const struct port *port;
    uint64_t began_ms;
    uint64_t left; // by stress_clock: when the last socket was gone
};

static struct {
    const struct stress_calls *calls;
    int epfds[STRESS_EPOLLS];
    struct port ports[STRESS_PORTS];
    struct stress_slot slots[STRESS_SLOTS];
    pthread_rwlock_t forks; // held while a child lives
    _Atomic uint64_t clock; // counts the sockets that are gone
    _Atomic unsigned begun, ended, refused, chaos;
    _Atomic bool over;
    uint64_t until_ms; // begins connects until then, and until there were enough
} stress;

static __thread uint32_t stress_seed;

static inline uint32_t stress_dice(uint32_t sides)
{
    stress_seed = stress_seed * 1664525 + 1013904223;
    return (stress_seed >> 8) % sides;
}

static inline struct epoll_event stress_event(const struct stress_slot *slot)
{
    uint64_t number = (uint64_t) (slot - stress.slots);
    return (struct epoll_event){.events = EPOLLOUT | slot->mode, .data.u64 = (uint64_t) slot->round << 8 | number};
}

static inline uint32_t stress_mode(void)
{
    static const uint32_t modes[] = {0, EPOLLET, EPOLLONESHOT, EPOLLONESHOT};
    return modes[stress_dice(4)];
}

static inline void stress_add(struct stress_slot *slot)
{
    slot->mode = stress_mode();
    slot->armed += slot->mode == EPOLLONESHOT;
    struct epoll_event event = stress_event(slot);
    CHECK_INT(stress.calls->epoll_ctl(slot->epfd, EPOLL_CTL_ADD, slot->fd, &event), 0);
}

// Other threads may have fetched events of what is modified: one of a one-shot registration, else one each.
static inline void stress_modify(struct stress_slot *slot)
{
    slot->armed += slot->mode == EPOLLONESHOT ? 1 : STRESS_THREADS;
    slot->mode = stress_mode();
    struct epoll_event event = stress_event(slot);
    CHECK_INT(stress.calls->epoll_ctl(slot->epfd, EPOLL_CTL_MOD, slot->fd, &event), 0);
}

static inline void stress_remove(struct stress_slot *slot)
{
    if (slot->mode != EPOLLONESHOT)
        slot->armed += STRESS_THREADS;
    CHECK_INT(stress.calls->epoll_ctl(slot->epfd, EPOLL_CTL_DEL, slot->fd, NULL), 0);
}

// A socket that a child has, too, stays in its epoll when it is closed here only.
static inline void stress_leave(struct stress_slot *slot)
{
    bool registered = stress_dice(2);
    if (registered)
        pthread_rwlock_rdlock(&stress.forks);
    else
        stress_remove(slot);
    CHECK_INT(stress.calls->close(slot->fd), 0);
    if (registered)
        pthread_rwlock_unlock(&stress.forks);
    slot->state = STRESS_FREE;
    slot->round++;
    slot->left = ++stress.clock;
}

// What the program learns is true: connected to this port, or refused. A connect that was accepted and thrown away
// with its listener was reset.
static inline void stress_end(struct stress_slot *slot)
{
    int error = -1;
    CHECK_INT(stress.calls->error(slot->fd, &error), 0);
    if (error == 0)
        CHECK(is_peer(slot->fd, slot->port));
    else if (error != ECONNRESET)
        CHECK_INT(error, ECONNREFUSED);
    stress.refused += error == ECONNREFUSED;
    stress.ended++;
    slot->state = STRESS_DONE;
}

static inline void stress_begin(struct stress_slot *slot)
{
    slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(slot->fd >= 0);
    slot->epfd = stress.epfds[stress_dice(STRESS_EPOLLS)];
    slot->port = &stress.ports[stress_dice(STRESS_PORTS)];
    slot->armed = 0;
    slot->began_ms = test_now_ms();
    slot->state = STRESS_CONNECTING;
    if (stress.calls->connect(slot->fd, (const struct sockaddr *) &slot->port->address, sizeof(slot->port->address)) <
        0)
        CHECK_INT(errno, EINPROGRESS);
    stress.begun++;
    stress_add(slot);
}

// The registration goes with the number that it was made with.
static inline void stress_dup(struct stress_slot *slot)
{
    int copy = stress.calls->dup(slot->fd);
    CHECK(copy >= 0);
    if (stress_dice(2)) {
        CHECK_INT(stress.calls->close(copy), 0);
        return;
    }
    stress_remove(slot);
    CHECK_INT(stress.calls->close(slot->fd), 0);
    slot->fd = copy;
    stress_add(slot);
}

// Learnt of so, an event that was fetched before it was given up may come beside the kernel's own report.
static inline void stress_poll(struct stress_slot *slot)
{
    struct pollfd p = {.fd = slot->fd, .events = POLLOUT};
    int ready = stress.calls->poll(&p, 1, (int) stress_dice(2));
    CHECK(ready >= 0);
    if (ready == 0)
        return;
    slot->armed++;
    stress_end(slot);
}

static inline void stress_fork(struct stress_slot *slot)
{
    if (stress_dice(100)) // a fork ends the parking of all connects
        return;
    pthread_rwlock_wrlock(&stress.forks);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        stress.calls->close(slot->fd);
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    pthread_rwlock_unlock(&stress.forks);
}

static inline void stress_disturb(struct stress_slot *slot)
{
    stress.chaos++;
    switch (stress_dice(8)) {
    case 0:
        stress_leave(slot);
        stress.ended++;
        break;
    case 1:
        stress_remove(slot);
        stress_add(slot);
        break;
    case 2:
        stress_dup(slot);
        break;
    case 3:
        stress_poll(slot);
        break;
    case 4:
        stress_fork(slot);
        break;
    default:
        stress_modify(slot);
        break;
    }
}

static inline bool stress_goes_on(void)
{
    return stress.begun < STRESS_CONNECTS || test_now_ms() < stress.until_ms;
}

// One slot at random: begins a connect there, disturbs the one that goes on, or leaves the one that has ended.
static inline void stress_touch(void)
{
    struct stress_slot *slot = &stress.slots[stress_dice(STRESS_SLOTS)];
    if (pthread_mutex_trylock(&slot->lock) != 0)
        return;
    if (slot->state == STRESS_CONNECTING && stress_dice(4) == 0)
        stress_disturb(slot);
    else if (slot->state == STRESS_DONE)
        stress_leave(slot);
    else if (slot->state == STRESS_FREE && stress_goes_on())
        stress_begin(slot);
    if (slot->state == STRESS_CONNECTING)
        CHECK_BETWEEN((long long) (test_now_ms() - slot->began_ms), 0, STRESS_LOST_MS);
    pthread_mutex_unlock(&slot->lock);
}

// A one-shot registration stays for a while, to see that it is silent.
static inline void stress_learn(struct stress_slot *slot)
{
    bool once = slot->mode == EPOLLONESHOT;
    CHECK(!once || slot->armed > 0); // else it has come twice
    slot->armed -= once;
    if (slot->state == STRESS_CONNECTING)
        stress_end(slot);
    else if (!once)
        stress_leave(slot);
}

static inline void stress_take(const struct epoll_event *event, uint64_t since)
{
    struct stress_slot *slot = &stress.slots[event->data.u64 & 0xff];
    CHECK(slot < stress.slots + STRESS_SLOTS);
    pthread_mutex_lock(&slot->lock);
    CHECK((event->events & ~(uint32_t) (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0);
    if ((uint32_t) (event->data.u64 >> 8) != slot->round)
        CHECK(slot->left > since); // it was there when the wait began
    else
        stress_learn(slot);
    pthread_mutex_unlock(&slot->lock);
}

static inline bool stress_is_empty(void)
{
    bool busy = false;
    for (unsigned i = 0; i < STRESS_SLOTS; i++) {
        pthread_mutex_lock(&stress.slots[i].lock);
        busy = busy || stress.slots[i].state != STRESS_FREE;
        pthread_mutex_unlock(&stress.slots[i].lock);
    }
    return !busy;
}

static inline void *stress_work(void *context)
{
    int epfd = stress.epfds[(uintptr_t) context % STRESS_EPOLLS];
    stress_seed = (uint32_t) (uintptr_t) context * 7919 + (uint32_t) getpid();
    while (stress_goes_on() || !stress_is_empty()) {
        struct epoll_event events[3];
        for (unsigned i = 0; i < 4; i++)
            stress_touch();
        uint64_t since = stress.clock;
        int ready = stress.calls->epoll_wait(epfd, events, 1 + (int) stress_dice(3), (int) stress_dice(10));
        CHECK_BETWEEN(ready, 0, 3);
        for (int i = 0; i < ready; i++)
            stress_take(&events[i], since);
    }
    return NULL;
}

static inline void stress_accept(const struct port *port)
{
    int fd;
    while ((fd = accept4(port->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        stress.calls->close(fd);
}

// Ports go up and down: a shut down listener keeps its port.
static inline void *stress_toggle(void *context)
{
    (void) context;
    stress_seed = 1;
    while (!stress.over) {
        const struct port *port = &stress.ports[stress_dice(STRESS_PORTS - 2)];
        stress_accept(port);
        if (stress_dice(2))
            CHECK_INT(listen(port->fd, 64), 0);
        else
            shutdown(port->fd, SHUT_RD);
        test_pause();
    }
    return NULL;
}

static inline void stress_open(void)
{
    for (unsigned i = 0; i < STRESS_PORTS; i++) {
        stress.ports[i] = port_new();
        fcntl(stress.ports[i].fd, F_SETFL, O_NONBLOCK);
    }
    for (unsigned i = 0; i < STRESS_EPOLLS; i++)
        CHECK((stress.epfds[i] = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    pthread_rwlock_init(&stress.forks, NULL);
    for (unsigned i = 0; i < STRESS_SLOTS; i++)
        pthread_mutex_init(&stress.slots[i].lock, NULL);
}

// RB_STRESS_S lengthens it.
static inline void stress_run(const struct stress_calls *calls)
{
    pthread_t threads[STRESS_THREADS], toggler;
    const char *seconds = getenv("RB_STRESS_S");
    unsigned length = seconds ? (unsigned) atoi(seconds) : 0;
    stress.calls = calls;
    stress.until_ms = test_now_ms() + length * 1000;
    alarm(length + 2 * TEST_LIMIT_S);
    stress_open();
    unsigned before = test_descriptors();
    CHECK_INT(pthread_create(&toggler, NULL, stress_toggle, NULL), 0);
    for (uintptr_t i = 0; i < STRESS_THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, stress_work, (void *) i), 0);
    for (unsigned i = 0; i < STRESS_THREADS; i++)
        thread_end(threads[i]);
    stress.over = true;
    thread_end(toggler);
    CHECK_INT(test_descriptors(), before);
    CHECK_INT(stress.ended, stress.begun);
    CHECK(stress.refused > 0 && stress.refused < stress.ended);
    if (seconds)
        printf("%u connects, %u given up, %u disturbances\n", stress.begun, stress.refused, stress.chaos);
}

#endif
