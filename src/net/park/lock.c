// SPDX-License-Identifier: MIT
// The lock of the connects in flight.
#include "net/park/lock.h"

#include <stdatomic.h>

#include "real/fork.h"
#include "real/kernel.h"
#include "real/system.h"

enum { PATIENCE = 100000 }; // tries to take a held lock before giving up

static _Atomic int held;

bool rb_lock_is_ours(void)
{
    return rb_fork_owns(rb_system_pid());
}

bool rb_lock_take(sigset_t *saved)
{
    if (!rb_lock_is_ours() || !rb_system_block_signals(saved))
        return false;
    for (unsigned i = 0; i < PATIENCE; i++) {
        int nobody = 0;
        if (atomic_compare_exchange_strong_explicit(&held, &nobody, 1, memory_order_acquire, memory_order_relaxed))
            return true;
        rb_kernel(SYS_sched_yield);
    }
    rb_system_restore_signals(saved);
    return false;
}

void rb_lock_give(const sigset_t *saved)
{
    atomic_store_explicit(&held, 0, memory_order_release);
    rb_system_restore_signals(saved);
}
