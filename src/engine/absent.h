// SPDX-License-Identifier: MIT
// The hosts that this process waits for until they have started (start.wait). Kept in the process's own memory.
//
// A container may start before the database that it needs. Until a host has succeeded once in this process, a call that
// is refused, or whose host is unreachable or has no name yet, is tried again every RB_ABSENT_EVERY_MS. Such a try is
// no attempt: rb_call_awaits_start (engine/call.h) decides about it before rb_call_judge.
//
// A host without a place in the table is not waited for.
#ifndef RB_ENGINE_ABSENT_H
#define RB_ENGINE_ABSENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RB_ABSENT_EVERY_MS = 1000, // between the end of a try and the next one
    RB_ABSENT_HOSTS = 64,      // places in the table
    RB_ABSENT_REACH = 8        // places that one key can take
};

// One host. Valid when zeroed.
struct rb_absent_host {
    _Atomic uint64_t key;      // 0: free
    _Atomic uint64_t until_ms; // no try begins after this time
    _Atomic uint64_t since_ms; // when the first try began; 0: none yet, or the wait was reported
    _Atomic bool succeeded;    // the host has succeeded in this process; never reset
};

struct rb_absent {
    struct rb_absent_host hosts[RB_ABSENT_HOSTS];
};

// Returns the place of a host, and takes a free one on first use. Returns NULL if all places in reach are taken.
// Lock-free, async-signal-safe, as are the others.
//   key: not 0
static inline struct rb_absent_host *rb_absent_find(struct rb_absent *absent, uint64_t key)
{
    for (unsigned i = 0; i < RB_ABSENT_REACH; i++) {
        struct rb_absent_host *host = &absent->hosts[(key + i) % RB_ABSENT_HOSTS];
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&host->key, &there, key) || there == key)
            return host;
    }
    return NULL;
}

// Moves the beginning of a wait from one host to another that has none. The lookup of a name waits for the name alone;
// the wait continues with the connect to one of its ports.
static inline void rb_absent_continue(struct rb_absent_host *from, struct rb_absent_host *to)
{
    uint64_t none = 0, since_ms = atomic_exchange(&from->since_ms, 0);
    if (since_ms > 0)
        atomic_compare_exchange_strong(&to->since_ms, &none, since_ms);
}

// Returns true if no try can begin any more.
static inline bool rb_absent_is_over(const struct rb_absent_host *host, uint64_t now_ms)
{
    return now_ms + RB_ABSENT_EVERY_MS > atomic_load_explicit(&host->until_ms, memory_order_relaxed);
}

// Returns the time that the process has waited for the host in milliseconds, if the wait is over and nobody has
// reported it; else 0. At most one caller gets the time.
//   gave_up: the caller's own wait is over
static inline uint64_t rb_absent_take(struct rb_absent_host *host, bool gave_up, uint64_t now_ms)
{
    bool over = gave_up || atomic_load(&host->succeeded) || rb_absent_is_over(host, now_ms);
    uint64_t since_ms = over ? atomic_exchange(&host->since_ms, 0) : 0;
    return since_ms > 0 && since_ms < now_ms ? now_ms - since_ms : since_ms > 0;
}

#endif
