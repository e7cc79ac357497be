// SPDX-License-Identifier: MIT
// Name lookups. A lookup is repeated while the resolver fails temporarily. Each result is recorded, so that a later
// connect can find the name of an address.
#include "net/lookup/lookup.h"
#include "hook/hook.h"
#include "net/lookup/names.h"
#include "real/libcurl.h"

// One call of a lookup hook.
struct entry {
    unsigned depth; // rb_guard_depth before the call
    enum rb_lookup_caller caller;
    const struct rb_policy *policy; // NULL: the call passes through
};

// libcurl looks up names in a thread of its own. The guard makes connects inside such a lookup pass through; they must
// not be repeated in addition to the lookup.
static struct entry enter(const void *caller)
{
    bool libcurl = rb_libcurl_contains(caller);
    bool passes = libcurl ? !rb_process_active() : rb_hook_passes();
    struct entry entry = {.depth = rb_guard_depth, .caller = libcurl ? RB_LOOKUP_LIBCURL : RB_LOOKUP_PROGRAM};
    entry.policy = passes ? NULL : rb_process_policy();
    if (libcurl)
        rb_guard_enter();
    return entry;
}

static struct hostent *leave(const struct entry *entry, const char *name, struct hostent *found)
{
    rb_guard_leave(entry->depth);
    if (found && rb_process_active())
        rb_names_learn_hostent(name, found);
    return found;
}

RB_HOOK int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    struct entry entry = enter(RB_CALLER);
    int answer = rb_lookup_getaddrinfo(entry.policy, entry.caller, node, service, hints, result);
    rb_guard_leave(entry.depth);
    if (answer == 0 && node && rb_process_active())
        rb_names_learn_addrinfo(node, *result);
    return answer;
}

RB_HOOK struct hostent *gethostbyname(const char *name)
{
    struct entry entry = enter(RB_CALLER);
    return leave(&entry, name, rb_lookup_gethostbyname(entry.policy, entry.caller, name, RB_LOOKUP_PLAIN));
}

RB_HOOK struct hostent *gethostbyname2(const char *name, int family)
{
    struct entry entry = enter(RB_CALLER);
    return leave(&entry, name, rb_lookup_gethostbyname(entry.policy, entry.caller, name, family));
}

RB_HOOK int gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                            int *error)
{
    struct entry call = enter(RB_CALLER);
    int answer =
        rb_lookup_gethostbyname_r(call.policy, call.caller, name, RB_LOOKUP_PLAIN, entry, buffer, size, result, error);
    leave(&call, name, answer == 0 ? *result : NULL);
    return answer;
}

RB_HOOK int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                             struct hostent **result, int *error)
{
    struct entry call = enter(RB_CALLER);
    int answer = rb_lookup_gethostbyname_r(call.policy, call.caller, name, family, entry, buffer, size, result, error);
    leave(&call, name, answer == 0 ? *result : NULL);
    return answer;
}
