// SPDX-License-Identifier: MIT
// Due times by slot, in an array of their own, so that a scan reads little memory.
#include "net/park/due.h"

_Atomic uint64_t rb_due_next_ms = UINT64_MAX;

static uint64_t dues[RB_DUE_SLOTS];
static unsigned used; // one past the highest slot that was ever set

static void find_next_locked(void)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < used; i++)
        if (dues[i] < next)
            next = dues[i];
    atomic_store_explicit(&rb_due_next_ms, next, memory_order_release);
}

void rb_due_set_locked(unsigned slot, uint64_t due_ms)
{
    uint64_t before = rb_due_at_locked(slot), next = atomic_load_explicit(&rb_due_next_ms, memory_order_relaxed);
    dues[slot] = due_ms;
    if (slot >= used)
        used = slot + 1;
    if (due_ms <= next)
        atomic_store_explicit(&rb_due_next_ms, due_ms, memory_order_release);
    else if (before == next)
        find_next_locked();
}

uint64_t rb_due_at_locked(unsigned slot)
{
    return dues[slot];
}

bool rb_due_take_locked(unsigned slot, uint64_t now_ms)
{
    bool due = rb_due_at_locked(slot) <= now_ms;
    if (due)
        rb_due_set_locked(slot, UINT64_MAX);
    return due;
}

bool rb_due_next_locked(unsigned *slot, uint64_t now_ms)
{
    for (; *slot < used; ++*slot) {
        if (rb_due_at_locked(*slot) > now_ms)
            continue;
        dues[*slot] = UINT64_MAX;
        return true;
    }
    find_next_locked();
    return false;
}
