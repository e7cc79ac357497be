// SPDX-License-Identifier: MIT
// Whom a handle's transfers are for and what the policy says of it: found once, and kept until either changes.
#ifndef RB_HTTP_ROUTE_H
#define RB_HTTP_ROUTE_H

#include "curl/handle.h"
#include "policy/policy.h"

// Immutable. A transfer may outlast the policy, the handle's URL and even its options: it has a share of its own.
struct rb_route {
    unsigned shares;                  // of a handle and its transfer, which one thread uses at a time
    uint64_t key;                     // of the cell
    bool proxied;                     // it goes by way of a proxy
    struct rb_target target;          // its name and the rules are part of the route's memory
    const struct rb_section *section; // only to be used where a transfer begins: the policy is in force then
    char policy[RB_SECTION_NAME_SIZE];
    bool repeats_get;             // methods has GET
    const struct rb_rules *rules; // a copy up to methods, which like idempotency_headers counts at the beginning only
};

// The route of the handle's next transfer, with a share for the caller. NULL: no section matches, it does not act on
// libcurl, the transfer is not HTTP, or memory ran out.
struct rb_route *rb_route_take(struct rb_handle *handle, const struct rb_policy *policy);

// Gives a share back. NULL is allowed.
void rb_route_leave(struct rb_route *route);

// The handle's options have changed: its next transfer finds its route anew.
void rb_route_forget(struct rb_handle *handle);

#endif
