// SPDX-License-Identifier: MIT
// Reads the network namespace.
#include "state/netns.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/file.h"
#include "real/system.h"

enum { LOOK_EVERY_MS = 1000 };

static _Atomic uint64_t known;   // the value read last
static _Atomic uint64_t read_ms; // when it was read; 0: never
static _Atomic bool moved;       // a thread has changed its namespace: threads may differ

// If the namespace cannot be read, for example after a change of the root directory, it counts as unchanged.
static uint64_t netns_read(void)
{
    struct rb_file_identity identity;
    uint64_t before = atomic_load_explicit(&known, memory_order_relaxed);
    if (rb_file_identify("/proc/thread-self/ns/net", &identity) != 0)
        return before;
    if (before != identity.inode) {
        if (before != 0)
            rb_netns_moved();
        atomic_store_explicit(&known, identity.inode, memory_order_relaxed);
    }
    return identity.inode;
}

uint64_t rb_netns(void)
{
    if (atomic_load_explicit(&moved, memory_order_relaxed))
        return netns_read();
    uint64_t now_ms = rb_system_coarse_ms(), last_ms = atomic_load_explicit(&read_ms, memory_order_relaxed);
    if (last_ms != 0 && now_ms - last_ms < LOOK_EVERY_MS)
        return atomic_load_explicit(&known, memory_order_relaxed);
    atomic_store_explicit(&read_ms, now_ms | 1, memory_order_relaxed);
    return netns_read();
}

void rb_netns_moved(void)
{
    atomic_store_explicit(&moved, true, memory_order_relaxed);
}
