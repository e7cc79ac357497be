// SPDX-License-Identifier: MIT
// The earliest time of the next call per credential: a 429 limits the caller, not the host (RFC 6585, section 4).
//
// A slot belongs to a credential until its time has passed; then another credential may claim it. If all slots are
// taken, a further 429 is not shared: only the call that received it waits.
#ifndef RB_ENGINE_TENANTS_H
#define RB_ENGINE_TENANTS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/not_before.h"

// Credentials of one host that can be limited at the same time.
enum { RB_TENANTS = 4 };

// The hash for calls without a credential: they share one slot.
#define RB_TENANT_ANONYMOUS UINT64_C(1)

// Valid when zeroed.
struct rb_tenant {
    _Atomic uint64_t credential; // keyed hash of the credential; 0: free
    struct rb_not_before not_before;
};

struct rb_tenants {
    struct rb_tenant slots[RB_TENANTS];
};

// Returns the slot of a credential, or NULL. If two processes claimed a slot for it at the same time, the one with the
// longer time is returned.
//   credential: 0 means unknown and has no slot
struct rb_not_before *rb_tenants_find(struct rb_tenants *tenants, uint64_t credential, uint64_t now_ms);

// As rb_tenants_find, but claims a slot whose time has passed if the credential has none. NULL: no slot is free.
// Async-signal-safe.
struct rb_not_before *rb_tenants_claim(struct rb_tenants *tenants, uint64_t credential, uint64_t now_ms);

// Returns whether any credential has to wait. Only then a caller must compute its own credential before its first
// attempt.
static inline bool rb_tenants_wait(const struct rb_tenants *tenants, uint64_t now_ms)
{
    for (unsigned i = 0; i < RB_TENANTS; i++)
        if (rb_not_before_left_ms(&tenants->slots[i].not_before, now_ms, NULL) > 0)
            return true;
    return false;
}

#endif
