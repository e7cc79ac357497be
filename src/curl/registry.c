// SPDX-License-Identifier: MIT
// A hash table of levels, each four times as large as the one before. A key is in one of NEIGHBOURS adjacent slots of
// one level, most often the last.
#include "curl/registry.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"

enum { NEIGHBOURS = 8 };

// Special keys: a slot that is being filled, and a slot whose key was removed.
static char claimed, removed;

static struct rb_registry_slot *level(struct rb_registry *registry, unsigned n)
{
    return n == 0 ? registry->first : atomic_load_explicit(&registry->levels[n], memory_order_acquire);
}

// Returns the slots of level n, allocated if necessary. NULL without memory.
static struct rb_registry_slot *make_level(struct rb_registry *registry, unsigned n)
{
    struct rb_registry_slot *slots = level(registry, n);
    if (slots)
        return slots;
    struct rb_registry_slot *fresh = calloc((size_t) RB_REGISTRY_FIRST << (2 * n), sizeof(*fresh));
    if (!fresh || atomic_compare_exchange_strong(&registry->levels[n], &slots, fresh))
        return fresh;
    free(fresh);
    return slots;
}

// The adjacent slots for a key. They start at a multiple of NEIGHBOURS to use few cache lines.
static struct rb_registry_slot *neighbours(struct rb_registry_slot *slots, unsigned n, uint64_t hash)
{
    size_t mask = ((size_t) RB_REGISTRY_FIRST << (2 * n)) - NEIGHBOURS;
    return &slots[hash >> 40 & mask];
}

// The search starts at the key's preferred slot. A slot that was never used ends the search in its level, because keys
// are only added to the first free slot and a used slot never becomes unused.
static __attribute__((noinline)) struct rb_registry_slot *search(struct rb_registry *registry, const void *key)
{
    uint64_t hash = rb_hash_word((uintptr_t) key);
    for (unsigned n = atomic_load_explicit(&registry->last, memory_order_acquire) + 1; n-- > 0;) {
        struct rb_registry_slot *slots = level(registry, n);
        struct rb_registry_slot *slot = slots ? neighbours(slots, n, hash) : NULL;
        for (uint64_t i = hash >> 32; slot && i != (hash >> 32) + NEIGHBOURS; i++) {
            const void *there = atomic_load_explicit(&slot[i % NEIGHBOURS].key, memory_order_acquire);
            if (there == key)
                return &slot[i % NEIGHBOURS];
            if (!there)
                break;
        }
    }
    return NULL;
}

// Checks the preferred slot first, which holds most keys.
static struct rb_registry_slot *registry_find(struct rb_registry *registry, const void *key)
{
    uint64_t hash = rb_hash_word((uintptr_t) key);
    unsigned last = atomic_load_explicit(&registry->last, memory_order_acquire);
    struct rb_registry_slot *slot = neighbours(level(registry, last), last, hash) + (hash >> 32) % NEIGHBOURS;
    bool there = atomic_load_explicit(&slot->key, memory_order_acquire) == key;
    return there ? slot : search(registry, key);
}

void *rb_registry_find(struct rb_registry *registry, const void *key)
{
    struct rb_registry_slot *slot = key ? registry_find(registry, key) : NULL;
    return slot ? slot->record : NULL;
}

// Claims a free slot. Raises `last` to at least n, so that searches include level n. Stores the record and then the
// key, so that a reader that sees the key also sees the record.
static bool registry_put(struct rb_registry *registry, unsigned n, void *key, void *record)
{
    uint64_t hash = rb_hash_word((uintptr_t) key);
    struct rb_registry_slot *slots = make_level(registry, n);
    struct rb_registry_slot *slot = slots ? neighbours(slots, n, hash) : NULL;
    for (uint64_t i = hash >> 32; slot && i != (hash >> 32) + NEIGHBOURS; i++) {
        struct rb_registry_slot *place = &slot[i % NEIGHBOURS];
        void *there = atomic_load_explicit(&place->key, memory_order_relaxed);
        bool vacant = !there || there == &removed;
        if (!vacant || !atomic_compare_exchange_strong(&place->key, &there, (void *) &claimed))
            continue;
        unsigned last = atomic_load_explicit(&registry->last, memory_order_relaxed);
        while (last < n && !atomic_compare_exchange_weak(&registry->last, &last, n))
            continue;
        place->record = record;
        atomic_store_explicit(&place->key, key, memory_order_release);
        return true;
    }
    return false;
}

// Tries the last level, then a larger one, which keeps searches short. Repeats if other threads have added levels
// meanwhile. Uses smaller levels only without memory for a larger one.
bool rb_registry_put(struct rb_registry *registry, void *key, void *record)
{
    unsigned seen, last = atomic_load_explicit(&registry->last, memory_order_acquire);
    do {
        for (unsigned n = last; n <= last + 1 && n < RB_REGISTRY_LEVELS; n++)
            if (registry_put(registry, n, key, record))
                return true;
        seen = last;
        last = atomic_load_explicit(&registry->last, memory_order_acquire);
    } while (last != seen);
    for (unsigned n = last; n-- > 0;)
        if (registry_put(registry, n, key, record))
            return true;
    return false;
}

void *rb_registry_take(struct rb_registry *registry, const void *key)
{
    struct rb_registry_slot *slot = key ? registry_find(registry, key) : NULL;
    if (!slot)
        return NULL;
    void *record = slot->record;
    atomic_store_explicit(&slot->key, (void *) &removed, memory_order_release);
    return record;
}
