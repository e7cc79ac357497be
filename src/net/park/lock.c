// SPDX-License-Identifier: MIT
// The lock of the connects in flight, and the process that owns them.
#include "net/park/lock.h"

#include <stdatomic.h>

#include "real/fork.h"
#include "real/kernel.h"
#include "real/system.h"

enum { PATIENCE = 100000 }; // tries to take a held lock before giving up

static _Atomic int held;
static _Atomic int self;   // the process that owns the tables; 0: not known yet
static _Atomic int parent; // the process that forked the owner
static _Atomic unsigned forks;

static void lock_forking(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void lock_forked(void)
{
    atomic_store(&parent, atomic_load(&self)); // getppid may already return another process
    atomic_store(&self, rb_system_pid());
    atomic_store(&held, 0);
}

// A vfork child shares this memory but does not own it. A fork child becomes the owner in lock_forked. If libc cannot
// notify us of forks, the child's connects pass through.
bool rb_lock_is_ours(void)
{
    int process = rb_system_pid(), known = 0;
    if (!rb_fork_owns(process))
        return false;
    if (atomic_compare_exchange_strong(&self, &known, process)) {
        rb_fork_notify(lock_forking, lock_forked);
        return true;
    }
    return known == process;
}

int rb_lock_owner(void)
{
    return atomic_load_explicit(&self, memory_order_relaxed);
}

int rb_lock_parent(void)
{
    return atomic_load_explicit(&parent, memory_order_relaxed);
}

unsigned rb_lock_forks(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
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
