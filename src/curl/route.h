// SPDX-License-Identifier: MIT
// The route of a handle: its target and the policy section for it. Found once and kept until the handle's options or
// the policy change.
#ifndef RB_CURL_ROUTE_H
#define RB_CURL_ROUTE_H

#include "curl/handle_data.h"
#include "policy/policy.h"

// Immutable. A transfer holds its own reference, because it may last longer than the policy, the handle's URL and its
// options.
struct rb_route {
    unsigned shares; // references: one from the handle and one from its transfer, which only one thread uses at a time
    uint64_t key;    // key of the cell
    bool proxied;    // the transfer uses a proxy
    struct rb_target target;          // target.name and `rules` lie in the same allocation
    const struct rb_section *section; // valid only when a transfer begins, because the policy may be replaced later
    char policy[RB_SECTION_NAME_SIZE];
    bool repeats_get;             // `retry.methods` of the section contains GET
    struct rb_keepalive socket;   // the keys socket.* of the section
    const struct rb_rules *rules; // a copy
};

// Returns the route of the handle's next transfer with a reference for the caller. NULL if no section matches, the
// section does not cover libcurl, the transfer is not HTTP, or without memory.
struct rb_route *rb_route_take(struct rb_handle *handle, const struct rb_policy *policy);

// Releases a reference. NULL is allowed.
void rb_route_leave(struct rb_route *route);

// Drops the handle's route after its options have changed.
void rb_route_forget(struct rb_handle *handle);

#endif
