// SPDX-License-Identifier: MIT
// Levels that grow by a factor of four; a key stands in one of a few neighbouring slots of one of them, most often of
// the last.
#include "curl/registry.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"

enum { NEIGHBOURS = 8 };

// In place of a key: somebody is putting one there, or one was taken from there.
static char claimed, left;

static struct rb_registry_slot *level(struct rb_registry *registry, unsigned n)
{
    return n == 0 ? registry->first : atomic_load_explicit(&registry->levels[n], memory_order_acquire);
}

// Returns NULL without memory.
static struct rb_registry_slot *make_level(struct rb_registry *registry, unsigned n)
{
    struct rb_registry_slot *slots = level(registry, n);
    if (slots)
        return slots;
    struct rb_registry_slot *fresh = calloc((size_t) RB_REGISTRY_FIRST << (2 * n), sizeof *fresh);
    if (!fresh || atomic_compare_exchange_strong(&registry->levels[n], &slots, fresh))
        return fresh;
    free(fresh);
    return slots;
}

// The neighbourhood of a key. It begins at a multiple of its size, so that it lies in as few cache lines as can be.
static struct rb_registry_slot *neighbours(struct rb_registry_slot *slots, unsigned n, uint64_t hash)
{
    size_t mask = ((size_t) RB_REGISTRY_FIRST << (2 * n)) - NEIGHBOURS;
    return &slots[hash >> 40 & mask];
}

// Keys prefer different places among their neighbours. A place that never had a key ends the search in its level: no
// key was ever put behind it, and it does not become as new again.
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

// Most keys stand in the place that they prefer.
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

// Called before a key is put into a level: who looks for it has to know that there is such a level.
static void raise_last(struct rb_registry *registry, unsigned n)
{
    unsigned last = atomic_load_explicit(&registry->last, memory_order_relaxed);
    while (last < n && !atomic_compare_exchange_weak(&registry->last, &last, n))
        continue;
}

static bool registry_claim(struct rb_registry_slot *slot)
{
    void *there = atomic_load_explicit(&slot->key, memory_order_relaxed);
    return (!there || there == &left) && atomic_compare_exchange_strong(&slot->key, &there, (void *) &claimed);
}

// The record is stored under a claim mark: a reader that sees the key sees the record.
static bool registry_put(struct rb_registry *registry, unsigned n, void *key, void *record)
{
    uint64_t hash = rb_hash_word((uintptr_t) key);
    struct rb_registry_slot *slots = make_level(registry, n);
    struct rb_registry_slot *slot = slots ? neighbours(slots, n, hash) : NULL;
    for (uint64_t i = hash >> 32; slot && i != (hash >> 32) + NEIGHBOURS; i++) {
        if (!registry_claim(&slot[i % NEIGHBOURS]))
            continue;
        raise_last(registry, n);
        slot[i % NEIGHBOURS].record = record;
        atomic_store_explicit(&slot[i % NEIGHBOURS].key, key, memory_order_release);
        return true;
    }
    return false;
}

static bool put_near(struct rb_registry *registry, unsigned last, void *key, void *record)
{
    return registry_put(registry, last, key, record) ||
           (last + 1 < RB_REGISTRY_LEVELS && registry_put(registry, last + 1, key, record));
}

// The last level, where a look-up begins, and a larger one as soon as neighbours are many there: that keeps the way to
// each key short. Others may have put many larger ones there meanwhile. The smaller ones only where memory has run out.
bool rb_registry_put(struct rb_registry *registry, void *key, void *record)
{
    unsigned seen, last = atomic_load_explicit(&registry->last, memory_order_acquire);
    do {
        if (put_near(registry, last, key, record))
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
    atomic_store_explicit(&slot->key, (void *) &left, memory_order_release);
    return record;
}
