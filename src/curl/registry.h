// SPDX-License-Identifier: MIT
// Maps pointers of libcurl to our records. Lock-free; grows but never shrinks.
//
// Readers take no lock, so a fork in a threaded program does no harm. Only the thread that owns a key adds or removes
// it, so no key is present twice.
#ifndef RB_CURL_REGISTRY_H
#define RB_CURL_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>

enum { RB_REGISTRY_FIRST = 64, RB_REGISTRY_LEVELS = 12 };

struct rb_registry_slot {
    _Atomic(void *) key;
    void *record;
};

// Zero-initialized means empty. Use static objects only, because the memory is never freed.
struct rb_registry {
    struct rb_registry_slot first[RB_REGISTRY_FIRST];
    _Atomic(struct rb_registry_slot *) levels[RB_REGISTRY_LEVELS];
    _Atomic unsigned last; // the highest level that ever held a key
};

// Returns the record of `key` or NULL. Lock-free.
void *rb_registry_find(struct rb_registry *registry, const void *key);

// Adds a key that is not in the registry. Returns false without memory.
bool rb_registry_put(struct rb_registry *registry, void *key, void *record);

// Removes a key. Returns its record, which the caller then owns, or NULL.
void *rb_registry_take(struct rb_registry *registry, const void *key);

#endif
