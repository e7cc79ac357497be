// SPDX-License-Identifier: MIT
// Lookups against a resolver that fails as it is told: roles of a test program with the stand-in behind the library.
#ifndef RB_PRELOAD_RESOLVER_H
#define RB_PRELOAD_RESOLVER_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <signal.h>

#include "support.h"

#define LOOKUP_QUICK "retry.backoff=fixed\nretry.base=10ms\nretry.jitter=none\nbudget.floor=1000/s\n"

// Runs a role of the program behind the library and in front of the stand-in.
static inline void resolver_role(const char *role)
{
    char preload[1800];
    const char *plugins = getenv("RB_PLUGINS");
    snprintf(preload, sizeof(preload), "%s:%s/object_resolver.so", getenv("RB_PRELOAD"),
             plugins ? plugins : RB_BUILD_DIR "/preload");
    CHECK_INT(test_role(role, preload), 0);
}

static inline void *resolver_function(const char *name)
{
    void *function = dlsym(RTLD_DEFAULT, name);
    CHECK(function != NULL);
    return function;
}

static inline void resolver_fails(int times, int result, int error)
{
    ((void (*)(int, int, int)) resolver_function("resolver_fails"))(times, result, error);
}

static inline void resolver_takes(int milliseconds)
{
    ((void (*)(int)) resolver_function("resolver_takes"))(milliseconds);
}

static inline void resolver_says(const char *addresses, const char *canonical)
{
    ((void (*)(const char *, const char *)) resolver_function("resolver_says"))(addresses, canonical);
}

static inline int resolver_calls(void)
{
    return ((int (*)(void)) resolver_function("resolver_calls"))();
}

static inline int resolver_errno_seen(void)
{
    return ((int (*)(void)) resolver_function("resolver_errno_seen"))();
}

// One test is a role that runs behind the library: `name` with the policy, `name_inner` what it does.
#define RESOLVER_TEST(name)                                                                                            \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        resolver_role(#name "_inner");                                                                                 \
    }

// The list in one line: "family socktype protocol flags address port [name];..."
static inline const char *list_text(const struct addrinfo *list)
{
    static __thread char texts[4][2048];
    static __thread unsigned next;
    char *text = texts[next++ % 4], host[NI_MAXHOST], port[NI_MAXSERV];
    size_t used = 0;
    text[0] = '\0';
    for (; list; list = list->ai_next) {
        CHECK_INT(getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof(host), port, sizeof(port),
                              NI_NUMERICHOST | NI_NUMERICSERV),
                  0);
        used += (size_t) snprintf(text + used, sizeof(texts[0]) - used, "%d %d %d %x %s %s %s;", list->ai_family,
                                  list->ai_socktype, list->ai_protocol, (unsigned) list->ai_flags, host, port,
                                  list->ai_canonname ? list->ai_canonname : "-");
        CHECK(used < sizeof(texts[0]));
    }
    return text;
}

#endif
