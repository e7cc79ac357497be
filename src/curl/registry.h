// SPDX-License-Identifier: MIT
// From a pointer of libcurl's to our record of it: a lock-free registry that only grows.
//
// Readers need no lock, and a fork in a threaded program is harmless. Only the thread that owns a key puts it in or
// takes it out, so one key never stands twice.
#ifndef RB_HTTP_REGISTRY_H
#define RB_HTTP_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>

enum { RB_REGISTRY_FIRST = 64, RB_REGISTRY_LEVELS = 12 };

struct rb_registry_slot {
    _Atomic(void *) key;
    void *record;
};

// Zero-initialised: empty. Meant to be static: what it has allocated is never freed.
struct rb_registry {
    struct rb_registry_slot first[RB_REGISTRY_FIRST];
    _Atomic(struct rb_registry_slot *) levels[RB_REGISTRY_LEVELS];
    _Atomic unsigned last; // the last level in which a key was ever put
};

// The record of `key`, or NULL. Lock-free.
void *rb_registry_find(struct rb_registry *registry, const void *key);

// Adds a key that is not in the registry. Returns false without memory.
bool rb_registry_put(struct rb_registry *registry, void *key, void *record);

// Removes a key. Returns its record, which the caller owns from then on, or NULL.
void *rb_registry_take(struct rb_registry *registry, const void *key);

#endif
