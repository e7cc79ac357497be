// SPDX-License-Identifier: MIT
// What is known of each descriptor: the connect in flight that it means, and the epolls that watch it.
//
// In pages that come from the kernel when a descriptor in them is first noted: a program that makes no non-blocking
// connect and has no epoll pays nothing, not even address space.
#ifndef RB_NET_DESCRIPTOR_H
#define RB_NET_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RB_DESCRIPTORS = 65536,    // those from here on are left alone
    RB_DESCRIPTOR_PAGE = 1024, // records that come at once
    RB_DESCRIPTOR_WATCHES = 2  // epolls that one descriptor can be in
};

// One registration in an epoll. Each word is atomic: one thread writes it while others read.
struct rb_watch {
    _Atomic uint32_t epfd;   // 0: none; else 1 + the epoll's descriptor
    _Atomic uint32_t epoch;  // of the epoll when this was written
    _Atomic uint32_t events; // as the program asked
    _Atomic uint64_t data;
    _Atomic uint32_t reported; // since it was last armed the program has had the event of a connect's end
};

// A registration of a connect in flight, found by what the epoll reports. Under the lock of net/park/flight.h.
struct rb_watch_node {
    uint32_t next; // 0: end of the chain
    bool linked;
    int epfd;
    uint64_t data;
};

struct rb_descriptor {
    _Atomic uint32_t slot;    // 0, or 1 + the flight's
    _Atomic uint32_t epoch;   // of an epoll: odd while it is known as one, counted up when it is closed
    _Atomic uint32_t flights; // of an epoll: how many connects in flight it watches
    _Atomic uint32_t crowded; // watched by more epolls than fit below
    struct rb_watch watches[RB_DESCRIPTOR_WATCHES];
    struct rb_watch_node nodes[RB_DESCRIPTOR_WATCHES];
};

extern _Atomic(struct rb_descriptor *) rb_descriptor_pages[RB_DESCRIPTORS / RB_DESCRIPTOR_PAGE];

// The record of a descriptor, NULL: nothing was ever noted in its page, or it is beyond the table.
static inline struct rb_descriptor *rb_descriptor_of(int fd)
{
    if ((unsigned) fd >= RB_DESCRIPTORS)
        return NULL;
    struct rb_descriptor *page =
        atomic_load_explicit(&rb_descriptor_pages[(unsigned) fd / RB_DESCRIPTOR_PAGE], memory_order_acquire);
    return page ? &page[(unsigned) fd % RB_DESCRIPTOR_PAGE] : NULL;
}

// The same, made where there is none. NULL: beyond the table, or no memory. Lock-free, async-signal-safe; keeps errno.
struct rb_descriptor *rb_descriptor_make(int fd);

#endif
