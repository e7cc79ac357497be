// SPDX-License-Identifier: MIT
// Places in memory for states. What is mapped in a place changes; the place itself is never unmapped.
//
// Other threads may hold pointers into a place while the process gives its file up: a call keeps the address of its
// host's cell until it ends. So memory of this process alone takes the file's place. The pointers stay good, and what
// is written by them reaches nobody.
//
// The number of places is bounded. A place is used again for a file with as many cells. A late write by an old pointer
// then reaches a cell of another file. That is one wrong result, and cells must be valid whatever stands in them
// anyway.
#ifndef RB_STATE_SLOT_H
#define RB_STATE_SLOT_H

#include "state/store.h"

enum rb_slot_kind {
    RB_SLOT_FREE,    // no memory yet
    RB_SLOT_FILE,    // a file is mapped here
    RB_SLOT_PRIVATE, // memory of this process alone, in use as its state
    RB_SLOT_LEFT     // likewise, in place of a file that was given up
};

struct rb_slot {
    struct rb_state state; // written once, before the slot is no longer RB_SLOT_FREE: readers have no lock
    _Atomic uint32_t user; // the effective user whose state it is
    _Atomic enum rb_slot_kind kind;
    uint64_t device, inode; // of the file
    uint64_t left;          // a larger number: left later
};

// Maps a file and makes it the state of `user`. A place that has held a state of this user is preferred. `current` is
// the place in use, or NULL; it is used only where its user is the same. The caller closes the file. NULL: there is no
// place, or no memory.
//
// Not for two threads at the same time, likewise all that follow.
struct rb_slot *rb_slot_map(const struct rb_store_file *file, uint32_t user, struct rb_slot *current);

// Finds memory of this process alone for the state of `user`. `current` is kept if it is such memory.
//   cells: wanted; another number where there is no memory for so many
// NULL: there is no memory.
struct rb_slot *rb_slot_private(uint32_t cells, uint32_t user, struct rb_slot *current);

// Puts memory of this process alone in the place of a file. The slot becomes one of `kind`. False: the system has no
// memory, and the file stays mapped.
bool rb_slot_leave(struct rb_slot *slot, enum rb_slot_kind kind);

// A slot with a file of another user than this one; NULL: there is none.
struct rb_slot *rb_slot_of_another(uint32_t user);

#endif
