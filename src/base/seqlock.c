// SPDX-License-Identifier: MIT
// A table of records of a fixed size, each under a sequence lock.
#include "base/seqlock.h"

#include <stddef.h>

enum { NEIGHBOURS = 4 };

static struct rb_seqlock *entry_at(const struct rb_seqlock_table *table, unsigned place)
{
    return table->first + (uint64_t) (place % table->count) * (1 + table->words);
}

_Static_assert(sizeof(struct rb_seqlock) == sizeof(uint64_t), "an entry is the lock and as many words of its size");

static struct rb_seqlock *neighbour(const struct rb_seqlock_table *table, uint64_t hash, unsigned i)
{
    return entry_at(table, (unsigned) ((hash >> 32) % table->count) + i);
}

static _Atomic uint64_t *words_of(const struct rb_seqlock *entry)
{
    return (_Atomic uint64_t *) (uintptr_t) (entry + 1);
}

static uint64_t load(const struct rb_seqlock *entry, unsigned word)
{
    return atomic_load_explicit(&words_of(entry)[word], memory_order_acquire);
}

static bool has_key(const struct rb_seqlock_table *table, const struct rb_seqlock *entry, const uint64_t *key)
{
    for (unsigned i = 0; i < table->key_words; i++)
        if (load(entry, i) != key[i])
            return false;
    return true;
}

static bool copy_record(const struct rb_seqlock_table *table, const struct rb_seqlock *entry, const uint64_t *key,
                        uint64_t *record)
{
    uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (before & 1 || !has_key(table, entry, key))
        return false;
    for (unsigned i = 0; i < table->words; i++)
        record[i] = load(entry, i);
    return atomic_load_explicit(&entry->sequence, memory_order_relaxed) == before;
}

bool rb_seqlock_find(const struct rb_seqlock_table *table, uint64_t hash, const uint64_t *key, uint64_t *record)
{
    if (atomic_load_explicit(table->written, memory_order_relaxed) == 0)
        return false;
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        if (copy_record(table, neighbour(table, hash, i), key, record))
            return true;
    return false;
}

static struct rb_seqlock *place_for(const struct rb_seqlock_table *table, uint64_t hash, const uint64_t *key)
{
    struct rb_seqlock *best = NULL;
    uint32_t now = atomic_load_explicit(table->written, memory_order_relaxed), best_age = 0;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct rb_seqlock *entry = neighbour(table, hash, i);
        bool used = load(entry, 0) != 0;
        uint32_t age = used ? now - atomic_load_explicit(&entry->order, memory_order_relaxed) : UINT32_MAX;
        if (has_key(table, entry, key))
            return entry;
        if (!best || age > best_age) {
            best = entry;
            best_age = age;
        }
    }
    return best;
}

void rb_seqlock_put(const struct rb_seqlock_table *table, uint64_t hash, const uint64_t *record)
{
    struct rb_seqlock *entry = place_for(table, hash, record);
    uint32_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
    if (sequence & 1 || !atomic_compare_exchange_strong(&entry->sequence, &sequence, sequence + 1))
        return;
    for (unsigned i = 0; i < table->words; i++)
        atomic_store_explicit(&words_of(entry)[i], record[i], memory_order_release);
    uint32_t order = atomic_fetch_add_explicit(table->written, 1, memory_order_relaxed);
    atomic_store_explicit(&entry->order, order, memory_order_relaxed);
    atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

void rb_seqlock_copy(const struct rb_seqlock_table *to, const struct rb_seqlock_table *from)
{
    uint32_t written = atomic_load_explicit(from->written, memory_order_relaxed);
    atomic_store_explicit(to->written, written, memory_order_relaxed);
    for (unsigned place = 0; place < from->count; place++) {
        const struct rb_seqlock *source = entry_at(from, place);
        struct rb_seqlock *copy = entry_at(to, place);
        uint32_t before = atomic_load_explicit(&source->sequence, memory_order_acquire);
        if (before & 1 || load(source, 0) == 0)
            continue;
        for (unsigned i = 0; i < from->words; i++)
            atomic_store_explicit(&words_of(copy)[i], load(source, i), memory_order_relaxed);
        if (atomic_load_explicit(&source->sequence, memory_order_relaxed) != before)
            atomic_store_explicit(&words_of(copy)[0], 0, memory_order_relaxed);
        atomic_store_explicit(&copy->order, atomic_load_explicit(&source->order, memory_order_relaxed),
                              memory_order_relaxed);
    }
}
