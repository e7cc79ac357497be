// SPDX-License-Identifier: MIT
// Private to net/park. One record per descriptor: the connect in flight that it belongs to, and the epolls that watch
// it.
//
// The records are in pages that the kernel allocates when a descriptor in the page is first recorded. A program without
// non-blocking connects and without epoll uses no memory for them.
#ifndef RB_NET_PARK_DESCRIPTOR_H
#define RB_NET_PARK_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RB_DESCRIPTORS = 65536,    // descriptors from this number on pass through
    RB_DESCRIPTOR_PAGE = 1024, // records in one page
    RB_DESCRIPTOR_WATCHES = 2  // epolls that can watch one descriptor
};

// One registration in an epoll. Every field is atomic, because one thread writes it while others read.
struct rb_watch {
    _Atomic uint32_t epfd;   // 0 for an empty record, else 1 + the epoll's descriptor
    _Atomic uint32_t epoch;  // the epoll's epoch when this record was written
    _Atomic uint32_t events; // as the program registered them
    _Atomic uint64_t data;
    _Atomic uint32_t
        reported; // 1 when the program has got the event for the connect's end since it last armed the registration
};

// A registration of a connect in flight, found by epoll and data. Protected by the lock of net/park/lock.h.
struct rb_watch_node {
    uint32_t next; // number of the next node; 0 ends the chain
    bool linked;
    int epfd;
    uint64_t data;
};

struct rb_descriptor {
    _Atomic uint32_t slot;    // 0 for none, else 1 + the slot of the flight
    _Atomic uint32_t epoch;   // for an epoll: odd while the epoll is known; incremented when it is closed
    _Atomic uint32_t flights; // for an epoll: how many connects in flight it watches
    _Atomic uint32_t crowded; // 1 when more epolls watch this descriptor than `watches` has room for
    _Atomic int32_t left;     // the errno for the next SO_ERROR in a sandbox; see rb_life_end_all_locked
    struct rb_watch watches[RB_DESCRIPTOR_WATCHES];
    struct rb_watch_node nodes[RB_DESCRIPTOR_WATCHES];
};

extern _Atomic uint32_t rb_descriptor_flights;   // connects in flight; while 0, no record has a slot
extern _Atomic uint32_t rb_descriptor_unawaited; // those of them for which the program does not wait yet

extern _Atomic(struct rb_descriptor *) rb_descriptor_pages[RB_DESCRIPTORS / RB_DESCRIPTOR_PAGE];

// Returns the record of a descriptor. NULL if nothing was recorded in its page yet, or if fd is RB_DESCRIPTORS or more.
static inline struct rb_descriptor *rb_descriptor_of(int fd)
{
    if ((unsigned) fd >= RB_DESCRIPTORS)
        return NULL;
    struct rb_descriptor *page =
        atomic_load_explicit(&rb_descriptor_pages[(unsigned) fd / RB_DESCRIPTOR_PAGE], memory_order_acquire);
    return page ? &page[(unsigned) fd % RB_DESCRIPTOR_PAGE] : NULL;
}

// Returns the record of a descriptor and allocates its page if necessary. NULL if fd is RB_DESCRIPTORS or more, or
// without memory. Lock-free, async-signal-safe; keeps errno.
struct rb_descriptor *rb_descriptor_make(int fd);

#endif
