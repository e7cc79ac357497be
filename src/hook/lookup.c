// SPDX-License-Identifier: MIT
// Name lookups, observed: what the program looked up tells later which name an address belongs to.
#include "hook/hook.h"
#include "net/names.h"
#include "real/libc.h"
#include "real/libcurl.h"

// libcurl looks names up on a thread of its own; what connects beneath it there must not be repeated a second time.
static unsigned enter(const void *caller)
{
    unsigned depth = rb_guard_depth;
    if (rb_libcurl_contains(caller))
        rb_guard_enter();
    return depth;
}

RB_HOOK int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    unsigned depth = enter(RB_CALLER);
    int answer = rb_libc_getaddrinfo(node, service, hints, result);
    rb_guard_leave(depth);
    if (answer == 0 && node && rb_process_active())
        rb_names_learn_addrinfo(node, *result);
    return answer;
}

static struct hostent *learn(const char *name, struct hostent *entry)
{
    if (entry && rb_process_active())
        rb_names_learn_hostent(name, entry);
    return entry;
}

RB_HOOK struct hostent *gethostbyname(const char *name)
{
    return learn(name, rb_libc_gethostbyname(name));
}

RB_HOOK struct hostent *gethostbyname2(const char *name, int family)
{
    return learn(name, rb_libc_gethostbyname2(name, family));
}

RB_HOOK int gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                            int *error)
{
    int answer = rb_libc_gethostbyname_r(name, entry, buffer, size, result, error);
    if (answer == 0)
        learn(name, *result);
    return answer;
}

RB_HOOK int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                             struct hostent **result, int *error)
{
    int answer = rb_libc_gethostbyname2_r(name, family, entry, buffer, size, result, error);
    if (answer == 0)
        learn(name, *result);
    return answer;
}
