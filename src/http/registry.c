// SPDX-License-Identifier: MIT
// Levels that grow by a factor of four; a key stands in one of a few neighbouring slots of one of them.
#include "http/registry.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { NEIGHBOURS = 8 };

static struct rb_registry_slot *level(struct rb_registry *registry, unsigned n, bool make)
{
    if (n == 0)
        return registry->first;
    struct rb_registry_slot *slots = atomic_load_explicit(&registry->levels[n], memory_order_acquire);
    if (slots || !make)
        return slots;
    struct rb_registry_slot *fresh = calloc((size_t) RB_REGISTRY_FIRST << (2 * n), sizeof *fresh);
    if (!fresh || atomic_compare_exchange_strong(&registry->levels[n], &slots, fresh))
        return fresh;
    free(fresh);
    return slots;
}

static struct rb_registry_slot *slot_of(struct rb_registry_slot *slots, unsigned n, const void *key, unsigned i)
{
    uint64_t hash = (uint64_t) (uintptr_t) key * 0x9e3779b97f4a7c15u;
    return &slots[((hash >> 40) + i) % ((size_t) RB_REGISTRY_FIRST << (2 * n))];
}

static struct rb_registry_slot *find(struct rb_registry *registry, const void *key)
{
    for (unsigned n = 0; n < RB_REGISTRY_LEVELS; n++) {
        struct rb_registry_slot *slots = level(registry, n, false);
        if (!slots)
            return NULL;
        for (unsigned i = 0; i < NEIGHBOURS; i++) {
            struct rb_registry_slot *slot = slot_of(slots, n, key, i);
            if (atomic_load_explicit(&slot->key, memory_order_acquire) == key)
                return slot;
        }
    }
    return NULL;
}

void *rb_registry_find(struct rb_registry *registry, const void *key)
{
    struct rb_registry_slot *slot = key ? find(registry, key) : NULL;
    return slot ? slot->record : NULL;
}

// The record is stored under a claim mark: a reader that sees the key sees the record.
bool rb_registry_put(struct rb_registry *registry, void *key, void *record)
{
    static char claimed;
    for (unsigned n = 0; n < RB_REGISTRY_LEVELS; n++) {
        struct rb_registry_slot *slots = level(registry, n, true);
        for (unsigned i = 0; slots && i < NEIGHBOURS; i++) {
            struct rb_registry_slot *slot = slot_of(slots, n, key, i);
            void *empty = NULL;
            if (!atomic_compare_exchange_strong(&slot->key, &empty, (void *) &claimed))
                continue;
            slot->record = record;
            atomic_store_explicit(&slot->key, key, memory_order_release);
            return true;
        }
    }
    return false;
}

void *rb_registry_take(struct rb_registry *registry, const void *key)
{
    struct rb_registry_slot *slot = key ? find(registry, key) : NULL;
    if (!slot)
        return NULL;
    void *record = slot->record;
    atomic_store_explicit(&slot->key, NULL, memory_order_release);
    return record;
}
