// SPDX-License-Identifier: MIT
// Matching a handle's URL, and keeping what came of it.
#include "http/route.h"

#include <stdlib.h>
#include <string.h>

#include "http/destination.h"
#include "state/cells.h"

static struct rb_route *make(const struct rb_section *section, const struct rb_target *target)
{
    size_t length = !target->name ? 0 : target->name_length < RB_NAME_SIZE ? target->name_length : RB_NAME_SIZE - 1;
    struct rb_route *route = malloc(sizeof *route + length);
    if (!route)
        return NULL;
    route->shares = 1;
    route->key = rb_cell_key(section, target);
    route->section = section;
    memcpy(route->policy, section->name, strlen(section->name) + 1);
    memcpy(&route->rules, &section->rules, offsetof(struct rb_rules, methods));
    route->target = *target;
    if (!target->name)
        return route;
    memcpy(route->name, target->name, length);
    route->target.name = route->name;
    route->target.name_length = length;
    return route;
}

// Returns false without memory; then *route is NULL as well as where the transfer is not ours.
static bool find(const struct rb_handle *handle, const struct rb_policy *policy, struct rb_route **route)
{
    struct rb_target target = {0};
    char *text;
    const struct rb_section *section =
        rb_destination(handle, &target, &text) ? rb_policy_match(policy, &target, NULL) : NULL;
    bool ours = section && (section->rules.intercept & RB_INTERCEPT_CURL);
    *route = ours ? make(section, &target) : NULL;
    if (text)
        handle->curl->free(text);
    return *route || !ours;
}

// A CURLU may change under us: what it says is never kept.
struct rb_route *rb_route_take(struct rb_handle *handle, const struct rb_policy *policy)
{
    struct rb_route *route;
    if (handle->parsed_url) {
        find(handle, policy, &route);
        return route;
    }
    if (handle->routed_by != rb_policy_serial(policy)) {
        rb_route_forget(handle);
        if (find(handle, policy, &handle->route))
            handle->routed_by = rb_policy_serial(policy);
    }
    route = handle->route;
    if (route)
        route->shares++;
    return route;
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
