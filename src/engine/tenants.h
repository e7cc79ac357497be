// SPDX-License-Identifier: MIT
// When a host wants the next call of one credential: a 429 limits the caller, not the host (RFC 6585, section 4).
#ifndef RB_ENGINE_TENANTS_H
#define RB_ENGINE_TENANTS_H

#include "engine/not_before.h"

// Credentials of one host that can be limited at the same time.
enum { RB_TENANTS = 4 };

// Valid when zeroed.
struct rb_tenant {
    _Atomic uint64_t credential; // keyed hash of the credential; 0: free
    struct rb_not_before not_before;
};

struct rb_tenants {
    struct rb_tenant slots[RB_TENANTS];
};

#endif
