// SPDX-License-Identifier: MIT
// The slots, and the choice of one.
#include "state/slot.h"

#include "real/fault.h"

enum { SLOTS = 8 };

static struct rb_slot slots[SLOTS];
static uint64_t leavings;

static enum rb_slot_kind slot_kind(const struct rb_slot *slot)
{
    return atomic_load_explicit(&slot->kind, memory_order_relaxed);
}

static void slot_enter(struct rb_slot *slot, enum rb_slot_kind kind, uint32_t user)
{
    if (kind == RB_SLOT_GIVEN_UP)
        slot->left = ++leavings;
    atomic_store(&slot->user, user);
    atomic_store(&slot->kind, kind);
}

static bool slot_is_of(const struct rb_slot *slot, uint32_t user)
{
    return slot_kind(slot) != RB_SLOT_FREE && atomic_load_explicit(&slot->user, memory_order_relaxed) == user;
}

// Returns how suitable a slot is; 0: not at all. A slot of this user is best, because the calls that still have
// pointers into it belong to this user too. Next is a free slot, then the one that was given up first.
static uint64_t slot_suits(const struct rb_slot *slot, uint32_t user, const struct rb_slot *current)
{
    if (slot == current && !slot_is_of(slot, user))
        return 0;
    if (slot_is_of(slot, user))
        return UINT64_MAX;
    return slot_kind(slot) == RB_SLOT_FREE ? UINT64_MAX - 1 : UINT64_MAX - 2 - slot->left;
}

//   cells: the number that a slot in use must have; 0: any
static struct rb_slot *slot_choose(uint32_t cells, uint32_t user, const struct rb_slot *current)
{
    struct rb_slot *best = NULL;
    uint64_t best_rank = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct rb_slot *slot = &slots[i];
        bool is_free = slot_kind(slot) == RB_SLOT_FREE;
        bool fits = cells == 0 ? !is_free : is_free || slot->state.cell_count == cells;
        uint64_t here =
            fits && (slot_kind(slot) != RB_SLOT_FILE || slot == current) ? slot_suits(slot, user, current) : 0;
        if (here > best_rank) {
            best = slot;
            best_rank = here;
        }
    }
    return best;
}

struct rb_slot *rb_slot_map(const struct rb_store_file *file, uint32_t user, struct rb_slot *current)
{
    struct rb_slot *slot = slot_choose(file->cells, user, current);
    if (!slot)
        return NULL;
    if (rb_store_map_file(&slot->state, file, true) != RB_STORE_SOUND) {
        if (slot_kind(slot) == RB_SLOT_FILE) // private memory is mapped there now
            slot_enter(slot, RB_SLOT_PRIVATE, user);
        return NULL;
    }
    slot->device = file->device;
    slot->inode = file->inode;
    slot_enter(slot, RB_SLOT_FILE, user);
    return slot;
}

struct rb_slot *rb_slot_private(uint32_t cells, uint32_t user, struct rb_slot *current)
{
    struct rb_slot *slot =
        current && slot_kind(current) == RB_SLOT_PRIVATE ? current : slot_choose(cells, user, current);
    if (slot && slot_kind(slot) == RB_SLOT_FREE && !rb_store_private(&slot->state, cells))
        slot = NULL;
    if (!slot)
        slot = slot_choose(0, user, current); // with another number of cells
    if (!slot || !slot->state.header)
        return NULL;
    if (slot_kind(slot) == RB_SLOT_GIVEN_UP)
        rb_store_replace(&slot->state); // discards late writes
    slot_enter(slot, RB_SLOT_PRIVATE, user);
    return slot;
}

bool rb_slot_give_up(struct rb_slot *slot, enum rb_slot_kind kind)
{
    if (!rb_store_replace(&slot->state))
        return false;
    rb_fault_unwatch(slot->state.header);
    slot_enter(slot, kind, atomic_load(&slot->user));
    return true;
}

struct rb_slot *rb_slot_of_another(uint32_t user)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (slot_kind(&slots[i]) == RB_SLOT_FILE && !slot_is_of(&slots[i], user))
            return &slots[i];
    return NULL;
}
