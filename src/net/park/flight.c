// SPDX-License-Identifier: MIT
// Slots and descriptors of connects in flight.
#include <errno.h>

#include "net/park/due.h"
#include "net/park/flight.h"
#include "net/park/lock.h"
#include "net/park/watch.h"
#include "net/socket.h"
#include "real/kernel.h"
#include "real/pages.h"
#include "real/system.h"

enum {
    BLOCK = 256 // flights that are allocated together
};

static _Atomic(struct rb_flight *) blocks[RB_FLIGHT_COUNT / BLOCK];
static unsigned made;                        // slots that were used so far
static uint16_t free_slots[RB_FLIGHT_COUNT]; // those of them that are free again
static unsigned free_count;

static struct rb_flight *at(unsigned slot)
{
    struct rb_flight *block = atomic_load_explicit(&blocks[slot / BLOCK], memory_order_acquire);
    return block ? &block[slot % BLOCK] : NULL;
}

static struct rb_flight *meant_by(int fd)
{
    const struct rb_descriptor *descriptor = rb_descriptor_of(fd);
    uint32_t slot = descriptor ? atomic_load_explicit(&descriptor->slot, memory_order_acquire) : 0;
    return slot ? at(slot - 1) : NULL;
}

static void mean(int fd, uint32_t slot)
{
    atomic_store_explicit(&rb_descriptor_of(fd)->slot, slot, memory_order_release);
}

bool rb_flight_unawaited(int fd)
{
    const struct rb_flight *flight = meant_by(fd);
    return flight && !atomic_load_explicit(&flight->awaited, memory_order_relaxed);
}

void rb_flight_await_locked(struct rb_flight *flight)
{
    if (!atomic_exchange_explicit(&flight->awaited, true, memory_order_relaxed))
        atomic_fetch_sub_explicit(&rb_descriptor_unawaited, 1, memory_order_relaxed);
}

bool rb_flight_parked(int fd)
{
    const struct rb_flight *flight = meant_by(fd);
    return flight && rb_flight_state_of(flight) == RB_FLIGHT_PARKED;
}

static void flight_free_locked(struct rb_flight *flight)
{
    rb_flight_await_locked(flight);
    rb_call_abandon(&flight->connection.call, rb_system_now_ms());
    for (unsigned i = 0; i < RB_FLIGHT_FDS; i++) {
        if (flight->fds[i] < 0)
            continue;
        rb_watch_end_locked(flight->fds[i]);
        mean(flight->fds[i], 0);
        flight->fds[i] = -1;
    }
    free_slots[free_count++] = (uint16_t) flight->slot;
}

void rb_flight_enter_locked(struct rb_flight *flight, enum rb_flight_state state)
{
    if (state == RB_FLIGHT_FREE)
        flight_free_locked(flight);
    if (state == RB_FLIGHT_FREE || state == RB_FLIGHT_FAILED)
        rb_due_set_locked(flight->slot, UINT64_MAX);
    flight->changed = rb_change_add_locked();
    atomic_store_explicit(&flight->state, state, memory_order_release);
    if (state == RB_FLIGHT_FREE)
        atomic_fetch_sub_explicit(&rb_descriptor_flights, 1, memory_order_release);
}

// Removes descriptors that were closed without our hooks. The socket may still be open through another descriptor.
// Returns false when none is left.
static bool is_there_locked(struct rb_flight *flight)
{
    for (unsigned i = 0; i < RB_FLIGHT_FDS && flight->fds[i] >= 0;) {
        bool last = flight->fds[1] < 0;
        if (rb_socket_is(flight->fds[i], flight->identity)) {
            i++;
            continue;
        }
        flight->lost = flight->lost || rb_watch_is_watched(flight->fds[i]);
        if (!last && rb_flight_state_of(flight) == RB_FLIGHT_PARKED)
            rb_watch_show_closed_locked(flight->fds[i], flight->fds[i == 0 ? 1 : 0]);
        rb_flight_remove_fd_locked(flight, flight->fds[i]);
        if (last)
            return false;
    }
    return true;
}

static bool flight_is_usable_locked(struct rb_flight *flight)
{
    return flight && rb_flight_state_of(flight) != RB_FLIGHT_FREE && is_there_locked(flight);
}

struct rb_flight *rb_flight_find_locked(int fd)
{
    struct rb_flight *flight = meant_by(fd);
    return flight_is_usable_locked(flight) && meant_by(fd) == flight ? flight : NULL;
}

bool rb_flight_hides_locked(int fd)
{
    const struct rb_flight *flight = rb_flight_find_locked(fd);
    return flight && rb_flight_state_of(flight) == RB_FLIGHT_PARKED && !flight->lost;
}

// Takes a free slot. Allocates its block if necessary. Returns NULL if the table is full or without memory.
static struct rb_flight *free_flight_locked(void)
{
    if (free_count > 0)
        return at(free_slots[--free_count]);
    if (made == RB_FLIGHT_COUNT)
        return NULL;
    if (!at(made))
        atomic_store_explicit(&blocks[made / BLOCK], rb_pages_memory(BLOCK * sizeof(struct rb_flight)),
                              memory_order_release);
    struct rb_flight *flight = at(made);
    if (flight)
        flight->slot = made++;
    return flight;
}

struct rb_flight *rb_flight_new_locked(int fd)
{
    struct rb_flight *before = meant_by(fd);
    uint64_t identity = rb_descriptor_make(fd) ? rb_socket_identity(fd) : 0;
    if (before)
        rb_flight_remove_fd_locked(before, fd);
    struct rb_flight *flight = identity ? free_flight_locked() : NULL;
    if (!flight)
        return NULL;
    flight->identity = identity;
    flight->error = 0;
    flight->shared = false;
    flight->unrefused = false;
    flight->lost = false;
    flight->limit_ms = UINT64_MAX;
    atomic_store_explicit(&flight->awaited, false, memory_order_relaxed);
    atomic_fetch_add_explicit(&rb_descriptor_unawaited, 1, memory_order_relaxed);
    for (unsigned i = 0; i < RB_FLIGHT_FDS; i++)
        flight->fds[i] = -1;
    rb_due_set_locked(flight->slot, UINT64_MAX);
    rb_flight_enter_locked(flight, RB_FLIGHT_CONNECTING);
    atomic_fetch_add_explicit(&rb_descriptor_flights, 1, memory_order_release);
    rb_flight_add_fd_locked(flight, fd);
    return flight;
}

bool rb_flight_add_fd_locked(struct rb_flight *flight, int fd)
{
    struct rb_flight *before = meant_by(fd);
    if (!rb_descriptor_make(fd))
        return false;
    if (before)
        rb_flight_remove_fd_locked(before, fd);
    for (unsigned i = 0; i < RB_FLIGHT_FDS; i++) {
        if (flight->fds[i] >= 0)
            continue;
        flight->fds[i] = fd;
        mean(fd, flight->slot + 1);
        rb_watch_join_locked(fd);
        return true;
    }
    return false;
}

void rb_flight_remove_fd_locked(struct rb_flight *flight, int fd)
{
    unsigned i = 0;
    while (i < RB_FLIGHT_FDS && flight->fds[i] != fd)
        i++;
    if (i == RB_FLIGHT_FDS)
        return;
    if (i == 0 && flight->fds[1] < 0) {
        rb_flight_enter_locked(flight, RB_FLIGHT_FREE);
        return;
    }
    rb_watch_end_locked(fd);
    mean(fd, 0);
    for (; i + 1 < RB_FLIGHT_FDS; i++)
        flight->fds[i] = flight->fds[i + 1];
    flight->fds[RB_FLIGHT_FDS - 1] = -1;
}

void rb_flight_close_locked(int fd)
{
    struct rb_flight *flight = meant_by(fd);
    if (flight)
        rb_flight_remove_fd_locked(flight, fd);
}

struct rb_flight *rb_flight_next_due_locked(uint64_t now_ms)
{
    unsigned slot;
    while (rb_due_next_locked(&slot, now_ms))
        if (flight_is_usable_locked(at(slot)))
            return at(slot);
    return NULL;
}

struct rb_flight *rb_flight_next_locked(unsigned *slot)
{
    for (; *slot < RB_FLIGHT_COUNT && at(*slot); ++*slot)
        if (flight_is_usable_locked(at(*slot)))
            return at((*slot)++);
    return NULL;
}

struct rb_flight *rb_flight_claim(int fd, sigset_t *saved)
{
    if (!rb_lock_take(saved))
        return NULL;
    struct rb_flight *flight = rb_flight_find_locked(fd);
    if (!flight)
        rb_lock_give(saved);
    return flight;
}

bool rb_flight_tracks(int fd)
{
    sigset_t saved;
    if (!rb_flight_claim(fd, &saved))
        return false;
    rb_lock_give(&saved);
    return true;
}
