// SPDX-License-Identifier: MIT
// Slots: memory for states. The mapping in a slot changes, but its addresses are never unmapped.
//
// A thread may hold pointers into a slot while another one gives its file up: a call keeps the address of its host's
// cell until it ends. So private memory replaces the file at the same address. Pointers stay valid, and writes through
// them reach no other process.
//
// The number of slots is limited, so a slot is reused for a file with the same number of cells. A late write through an
// old pointer then changes a cell of another file. That is one wrong result, and any content of a cell must be harmless
// anyway.
#ifndef RB_STATE_SLOT_H
#define RB_STATE_SLOT_H

#include "state/store.h"

enum rb_slot_kind {
    RB_SLOT_FREE,    // no memory yet
    RB_SLOT_FILE,    // a file is mapped here
    RB_SLOT_PRIVATE, // private memory, in use as a state
    RB_SLOT_GIVEN_UP // private memory, in place of a file that was given up
};

struct rb_slot {
    struct rb_state state; // written once, before `kind` changes from RB_SLOT_FREE: readers take no lock
    _Atomic uint32_t user; // the effective user whose state it is
    _Atomic enum rb_slot_kind kind;
    uint64_t device, inode; // of the file
    uint64_t left;          // order in which slots were given up: a larger number is later
};

// Maps a file into a slot and makes it the state of `user`. Prefers a slot that held a state of this user. Returns NULL
// if there is no slot or no memory. The caller closes the file.
//   current: the slot in use, or NULL; reused only if its user is the same
// This and the following functions must not be called by two threads at the same time.
struct rb_slot *rb_slot_map(const struct rb_store_file *file, uint32_t user, struct rb_slot *current);

// Returns a slot with private memory for the state of `user`; `current` itself if it is one. NULL: there is no memory.
//   cells: the wanted number; the slot has another one if there is no memory for so many
struct rb_slot *rb_slot_private(uint32_t cells, uint32_t user, struct rb_slot *current);

// Replaces the file in a slot by private memory. The slot gets the kind `kind`. Returns false if there is no memory;
// then the file stays mapped.
bool rb_slot_give_up(struct rb_slot *slot, enum rb_slot_kind kind);

// Returns a slot with a file of another user, or NULL.
struct rb_slot *rb_slot_of_another(uint32_t user);

#endif
