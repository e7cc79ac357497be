// SPDX-License-Identifier: MIT
// Due times by slot, and a binary heap of the slots that have one.
#include "net/park/due.h"

_Atomic uint64_t rb_due_next_ms = UINT64_MAX;

// A slot's due time is stored as its complement, so that memory of zeros means "never".
static uint64_t complements[RB_DUE_SLOTS];

// The children of the slot at index i are at 2i + 1 and 2i + 2, and are not due earlier.
static uint16_t heap[RB_DUE_SLOTS];
static unsigned count;                // of slots in the heap
static uint16_t places[RB_DUE_SLOTS]; // by slot: 1 + its index in the heap; 0: not there

_Static_assert(RB_DUE_SLOTS < UINT16_MAX, "slots and indexes are stored in 16 bits");

uint64_t rb_due_at_locked(unsigned slot)
{
    return ~complements[slot];
}

static void due_put_locked(unsigned index, unsigned slot)
{
    heap[index] = (uint16_t) slot;
    places[slot] = (uint16_t) (index + 1);
}

static void move_up_locked(unsigned index, unsigned slot)
{
    for (; index > 0; index = (index - 1) / 2) {
        unsigned parent = heap[(index - 1) / 2];
        if (rb_due_at_locked(parent) <= rb_due_at_locked(slot))
            break;
        due_put_locked(index, parent);
    }
    due_put_locked(index, slot);
}

static void move_down_locked(unsigned index, unsigned slot)
{
    for (unsigned child; (child = 2 * index + 1) < count; index = child) {
        if (child + 1 < count && rb_due_at_locked(heap[child + 1]) < rb_due_at_locked(heap[child]))
            child++;
        if (rb_due_at_locked(slot) <= rb_due_at_locked(heap[child]))
            break;
        due_put_locked(index, heap[child]);
    }
    due_put_locked(index, slot);
}

// Moves the slot to its place in the heap, after its due time has changed.
static void move_locked(unsigned slot)
{
    unsigned index = places[slot] - 1U;
    if (index > 0 && rb_due_at_locked(slot) < rb_due_at_locked(heap[(index - 1) / 2]))
        move_up_locked(index, slot);
    else
        move_down_locked(index, slot);
}

// Removes the slot from the heap. The last slot takes its place.
static void remove_locked(unsigned slot)
{
    unsigned index = places[slot] - 1U, last = heap[--count];
    places[slot] = 0;
    if (last == slot)
        return;
    due_put_locked(index, last);
    move_locked(last);
}

void rb_due_set_locked(unsigned slot, uint64_t due_ms)
{
    complements[slot] = ~due_ms;
    if (due_ms == UINT64_MAX && places[slot])
        remove_locked(slot);
    else if (due_ms != UINT64_MAX && places[slot])
        move_locked(slot);
    else if (due_ms != UINT64_MAX)
        move_up_locked(count++, slot);
    atomic_store_explicit(&rb_due_next_ms, count ? rb_due_at_locked(heap[0]) : UINT64_MAX, memory_order_release);
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
    if (count == 0 || rb_due_at_locked(heap[0]) > now_ms)
        return false;
    *slot = heap[0];
    rb_due_set_locked(*slot, UINT64_MAX);
    return true;
}

void rb_due_repair_locked(void)
{
    count = 0;
    for (unsigned slot = 0; slot < RB_DUE_SLOTS; slot++) {
        places[slot] = 0;
        if (rb_due_at_locked(slot) != UINT64_MAX)
            move_up_locked(count++, slot);
    }
    atomic_store_explicit(&rb_due_next_ms, count ? rb_due_at_locked(heap[0]) : UINT64_MAX, memory_order_release);
}
