// SPDX-License-Identifier: MIT
// Finds and claims the slots of credentials.
#include "engine/tenants.h"

struct rb_not_before *rb_tenants_find(struct rb_tenants *tenants, uint64_t credential, uint64_t now_ms)
{
    struct rb_not_before *found = NULL;
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < RB_TENANTS && credential != 0; i++) {
        struct rb_tenant *slot = &tenants->slots[i];
        if (atomic_load(&slot->credential) != credential)
            continue;
        uint64_t left_ms = rb_not_before_left_ms(&slot->not_before, now_ms, NULL);
        if (found && left_ms <= longest_ms)
            continue;
        found = &slot->not_before;
        longest_ms = left_ms;
    }
    return found;
}

// A call with the slot's former credential may have found the slot just before it is claimed and store its time just
// after. Then the new credential waits once for a time that was meant for another one.
struct rb_not_before *rb_tenants_claim(struct rb_tenants *tenants, uint64_t credential, uint64_t now_ms)
{
    struct rb_not_before *found = rb_tenants_find(tenants, credential, now_ms);
    for (unsigned i = 0; i < RB_TENANTS && credential != 0 && !found; i++) {
        struct rb_tenant *slot = &tenants->slots[i];
        uint64_t former = atomic_load(&slot->credential);
        if (rb_not_before_left_ms(&slot->not_before, now_ms, NULL) == 0 &&
            (atomic_compare_exchange_strong(&slot->credential, &former, credential) || former == credential))
            found = &slot->not_before;
    }
    return found;
}
