// SPDX-License-Identifier: MIT
// Finds the policy section for a handle's URL. Keeps the result in the handle for its next transfers.
#include "curl/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "curl/destination.h"
#include "curl/via.h"
#include "engine/call.h"
#include "state/cells.h"
#include "state/netns.h"
#include "state/shared.h"

// Allocates the route, a copy of the section's rules and a copy of the host's name in one block. The lists of
// the section are not copied, because they are long and are used only when a transfer begins.
static struct rb_route *route_make(const struct rb_section *section, const struct rb_target *target, uint64_t via)
{
    const size_t rules = sizeof(section->rules);
    size_t length = !target->name ? 0 : target->name_length < RB_NAME_SIZE ? target->name_length : RB_NAME_SIZE - 1;
    struct rb_route *route = malloc(sizeof(*route) + rules + length);
    if (!route)
        return NULL;
    *route = (struct rb_route){.shares = 1, .section = section, .target = *target};
    route->key = rb_cell_key(section, target, via);
    memcpy(route->policy, section->name, strlen(section->name) + 1);
    route->repeats_get = rb_list_holds(section->values.methods, "GET", 3, false);
    route->socket = section->values.socket;
    route->rules = memcpy(route + 1, &section->rules, rules);
    if (!target->name)
        return route;
    route->target.name = memcpy((char *) (route + 1) + rules, target->name, length);
    route->target.name_length = length;
    return route;
}

// Sets *route to a new route, or to NULL if the transfer passes through. If there is not enough memory, sets *route to
// NULL and returns false, so that the caller does not keep NULL as the result.
static bool route_find(const struct rb_handle *handle, const struct rb_policy *policy, struct rb_route **route)
{
    struct rb_target target = {0};
    char *text;
    bool secure = false, proxied = false;
    const struct rb_section *section =
        rb_destination(handle, &target, &secure, &text) ? rb_policy_match(policy, &target, NULL) : NULL;
    bool ours = section && (section->rules.intercept & RB_INTERCEPT_CURL);
    *route = ours ? route_make(section, &target, rb_via_find(handle, &target, secure, &proxied)) : NULL;
    if (*route)
        (*route)->proxied = proxied;
    if (text)
        handle->curl->free(text);
    return *route || !ours;
}

// Returns the route, unless its section is switched off (`rebound policy off`). Then releases it and returns NULL.
static struct rb_route *in_force(struct rb_route *route)
{
    if (!route || !rb_shared_policy_is_off(route->policy))
        return route;
    rb_route_leave(route);
    return NULL;
}

// A route depends on the handle's options, the policy, the proxy variables in the environment and the network
// namespace. If the program gave the URL as a CURLU, the route is not kept in the handle. The program can change a
// CURLU at any time, and the library does not see the change.
struct rb_route *rb_route_take(struct rb_handle *handle, const struct rb_policy *policy)
{
    struct rb_route *route;
    if (handle->parsed_url) {
        route_find(handle, policy, &route);
        return in_force(route);
    }
    uint64_t place = rb_via_environment() + rb_netns() * RB_HASH_GOLDEN;
    if (handle->routed_by != rb_policy_serial(policy) || handle->routed_in != place) {
        rb_route_forget(handle);
        if (route_find(handle, policy, &handle->route))
            handle->routed_by = rb_policy_serial(policy);
        handle->routed_in = place;
    }
    if (handle->route)
        handle->route->shares++;
    return in_force(handle->route);
}

void rb_route_leave(struct rb_route *route)
{
    if (route && --route->shares == 0)
        free(route);
}

void rb_route_forget(struct rb_handle *handle)
{
    rb_route_leave(handle->route);
    handle->route = NULL;
    handle->routed_by = 0;
}
