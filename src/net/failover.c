// SPDX-License-Identifier: MIT
// Compares each connect with the latest one that was given up.
#include "net/failover.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "engine/stamp.h"
#include "net/socket.h"

// The latest connects that were given up, as in engine/stamp.h; 0: none.
static __thread uint64_t blocking_end; // of this thread
static _Atomic uint64_t parked_end;    // of the process

static _Atomic bool has_list;

static uint64_t failover_key(const struct rb_target *target)
{
    return rb_hash_address((unsigned) target->family << 16 | target->port, target->address);
}

bool rb_failover_is_known(void)
{
    return atomic_load_explicit(&has_list, memory_order_relaxed);
}

void rb_failover_gave_up(const struct rb_target *target, bool parked, uint64_t now_ms)
{
    uint64_t stamp = rb_stamp_pack(failover_key(target), now_ms);
    if (parked)
        atomic_store_explicit(&parked_end, stamp, memory_order_relaxed);
    else
        blocking_end = stamp;
}

// Returns true if a connect to the target `key` follows the connect that was given up.
static bool follows(uint64_t end, uint64_t key, uint64_t now_ms)
{
    return end != 0 && !rb_stamp_is_of(end, key) && now_ms - rb_stamp_ms(end) <= RB_FAILOVER_MS;
}

bool rb_failover_waits(void)
{
    return (blocking_end | atomic_load_explicit(&parked_end, memory_order_relaxed)) != 0 && !rb_failover_is_known();
}

void rb_failover_dials(int fd, const struct rb_target *target, uint64_t now_ms)
{
    uint64_t key = failover_key(target), parked = atomic_load_explicit(&parked_end, memory_order_relaxed);
    bool is_next = follows(parked, key, now_ms) || follows(blocking_end, key, now_ms);
    if (is_next && target->family != AF_UNIX && rb_socket_is_stream(fd))
        atomic_store_explicit(&has_list, true, memory_order_relaxed);
}
