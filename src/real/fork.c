// SPDX-License-Identifier: MIT
// Registers one set of fork handlers with the C library and calls all of ours from it.
#include "real/fork.h"

#include <stdatomic.h>
#include <stddef.h>

#include "real/sandbox.h"
#include "real/section.h"
#include "real/system.h"

// glibc exports this name. Its pthread_atfork is a static function in libc_nonshared.a that is linked into each caller.
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object)
    __attribute__((weak));
// musl exports only this one.
extern int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) __attribute__((weak));

enum { HANDLERS = 8 };

typedef void handler_fn(void);

static RB_START_DATA struct {
    _Atomic(handler_fn *) before, parent, child; // NULL: none, or not set yet
} handlers[HANDLERS];

static RB_START_DATA _Atomic unsigned used;
static RB_START_DATA _Atomic bool registered;
static _Atomic int owner; // pid of the process that this memory belongs to; 0: not known yet

static void forking(void)
{
    if (rb_sandbox_is_filtered())
        return;
    for (unsigned i = 0; i < HANDLERS; i++) {
        handler_fn *before = atomic_load_explicit(&handlers[i].before, memory_order_acquire);
        if (before)
            before();
    }
}

static void fork_in_parent(void)
{
    for (unsigned i = 0; i < HANDLERS; i++) {
        handler_fn *parent = atomic_load_explicit(&handlers[i].parent, memory_order_acquire);
        if (parent)
            parent();
    }
}

static void fork_in_child(void)
{
    if (atomic_load(&owner) != 0 && !rb_sandbox_is_filtered()) // with a filter, no function asks for the owner
        atomic_store(&owner, rb_system_pid());
    for (unsigned i = 0; i < HANDLERS; i++) {
        handler_fn *child = atomic_load_explicit(&handlers[i].child, memory_order_acquire);
        if (child)
            child();
    }
}

RB_START_CODE void rb_fork_start(void)
{
    if (atomic_exchange(&registered, true))
        return;
    if (__register_atfork)
        __register_atfork(forking, fork_in_parent, fork_in_child, NULL);
    else if (pthread_atfork)
        pthread_atfork(forking, fork_in_parent, fork_in_child);
}

bool rb_fork_owns(int process)
{
    int nobody = 0;
    rb_fork_start();
    return atomic_load_explicit(&owner, memory_order_relaxed) == process ||
           atomic_compare_exchange_strong(&owner, &nobody, process);
}

static __thread bool apart;

void rb_fork_set_apart(bool is_apart)
{
    apart = is_apart;
}

bool rb_fork_has_own_memory(void)
{
    return apart || rb_fork_owns(rb_system_pid());
}

RB_START_CODE void rb_fork_notify(void (*before)(void), void (*parent)(void), void (*child)(void))
{
    rb_fork_start();
    unsigned place = atomic_fetch_add(&used, 1);
    if (place >= HANDLERS)
        return;
    atomic_store_explicit(&handlers[place].parent, parent, memory_order_release);
    atomic_store_explicit(&handlers[place].child, child, memory_order_release);
    atomic_store_explicit(&handlers[place].before, before, memory_order_release);
}
