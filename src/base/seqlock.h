// SPDX-License-Identifier: MIT
// A table of records of a fixed size. Each key may be in a few neighbouring entries; each entry has a sequence lock.
//
// No allocation and no waiting: fit for signal handlers and for memory that processes share. If two writers collide,
// one record is lost. A record that is being written counts as absent.
//
// The words of an entry are stored with release and loaded with acquire instead of using fences. So a reader that sees
// a new word also sees the odd sequence number that was stored before.
#ifndef RB_BASE_SEQLOCK_H
#define RB_BASE_SEQLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Begins an entry. The words of the record follow it in memory. All zeros: empty.
struct rb_seqlock {
    _Atomic uint32_t sequence; // odd while the entry is being written
    _Atomic uint32_t order;    // value of `written`, to find the oldest entry
};

// Describes a table. Several may describe the same memory.
struct rb_seqlock_table {
    struct rb_seqlock *first;  // the entries
    _Atomic uint32_t *written; // records ever written; 0 makes searches free
    unsigned count;            // entries
    unsigned words;            // of a record
    unsigned key_words;        // of a record; the first word is never 0
};

// Copies the record with this key.
//   hash: of the key; all of its upper 32 bits count
//   record: receives table->words words; may hold anything where false is returned
bool rb_seqlock_find(const struct rb_seqlock_table *table, uint64_t hash, const uint64_t *key, uint64_t *record);

// Writes a record in place of one with its key, else into a free entry, else over the oldest of the neighbours.
void rb_seqlock_put(const struct rb_seqlock_table *table, uint64_t hash, const uint64_t *record);

// Copies all records into an empty table of the same size that nobody uses yet. Skips entries that are being written: a
// copy with an odd sequence number would stay locked for ever.
void rb_seqlock_copy(const struct rb_seqlock_table *to, const struct rb_seqlock_table *from);

#endif
