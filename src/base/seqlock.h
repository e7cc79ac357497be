// SPDX-License-Identifier: MIT
// A table of records of a fixed size. Each key may be in a few neighbouring entries; each entry has a sequence lock.
//
// The functions allocate nothing and never wait, so they can be called in signal handlers and for memory that processes
// share. If two threads write the same entry at the same time, one record is lost. A record that is being written
// counts as absent.
//
// The words of an entry are stored with release and loaded with acquire instead of using fences. So a reader that sees
// a new word also sees the odd sequence number that was stored before.
#ifndef RB_BASE_SEQLOCK_H
#define RB_BASE_SEQLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// The first part of an entry. The words of the record follow in memory. An entry whose words are all 0 is empty.
struct rb_seqlock {
    _Atomic uint32_t sequence; // odd while the entry is being written
    _Atomic uint32_t order;    // value of *written when the record was written, to find the oldest entry
};

// Describes a table. Several of these structs may describe the same memory.
struct rb_seqlock_table {
    struct rb_seqlock *first;  // the entries
    _Atomic uint32_t *written; // number of records ever written; if it is 0, rb_seqlock_find does not search
    unsigned count;            // number of entries
    unsigned words;            // number of words in a record
    unsigned key_words;        // number of words at the start of a record that are the key; the first one is never 0
};

// Copies the record with this key. Returns false if there is none, or if it is being written.
//   hash: hash of the key; its upper 32 bits select the entries that can hold the key
//   record: receives table->words words; has no meaning if the function returns false
bool rb_seqlock_find(const struct rb_seqlock_table *table, uint64_t hash, const uint64_t *key, uint64_t *record);

// Writes a record. Replaces the record with the same key. Otherwise takes a free one of the few entries that can hold
// the key, or overwrites the oldest of them.
void rb_seqlock_put(const struct rb_seqlock_table *table, uint64_t hash, const uint64_t *record);

// Copies all records into an empty table of the same size that nobody uses yet. Skips entries that are being written: a
// copy with an odd sequence number would stay locked for ever.
void rb_seqlock_copy(const struct rb_seqlock_table *to, const struct rb_seqlock_table *from);

#endif
