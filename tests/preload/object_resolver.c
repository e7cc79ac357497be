// SPDX-License-Identifier: MIT
// A resolver that fails as often as it is told: preloaded behind ours, where libc would be. Every name has the
// addresses of resolver_says().
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void resolver_fails(int times, int result, int error);
void resolver_takes(int milliseconds);
void resolver_says(const char *addresses, const char *canonical);
int resolver_calls(void);
int resolver_errno_seen(void);

static _Atomic int calls, failures, delay_ms;
static int failure, failure_errno, errno_seen;
static const char *addresses = "127.0.0.1", *canonical = "canonical.test";

// result: an EAI_* code, also for the functions with h_errno, which say what it means there
void resolver_fails(int times, int result, int error)
{
    atomic_store(&calls, 0);
    atomic_store(&failures, times);
    failure = result;
    failure_errno = error;
}

void resolver_takes(int milliseconds)
{
    atomic_store(&delay_ms, milliseconds);
}

// addresses: literals separated by blanks
void resolver_says(const char *literals, const char *name)
{
    addresses = literals;
    canonical = name;
}

// Since resolver_fails.
int resolver_calls(void)
{
    return atomic_load(&calls);
}

// errno at the begin of the last call.
int resolver_errno_seen(void)
{
    return errno_seen;
}

static void *behind(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

// Returns whether this call fails; a failure leaves its errno.
static int fails(void)
{
    int ms = atomic_load(&delay_ms);
    struct timespec delay = {ms / 1000, (long) (ms % 1000) * 1000000};
    errno_seen = errno;
    atomic_fetch_add(&calls, 1);
    if (ms > 0)
        nanosleep(&delay, NULL);
    if (atomic_fetch_sub(&failures, 1) <= 0)
        return 0;
    errno = failure_errno;
    return 1;
}

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int append(struct addrinfo **list, const char *literal, const char *service, const struct addrinfo *hints)
{
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
    if (hints)
        numeric = (struct addrinfo){.ai_flags = AI_NUMERICHOST | hints->ai_flags,
                                    .ai_family = hints->ai_family,
                                    .ai_socktype = hints->ai_socktype,
                                    .ai_protocol = hints->ai_protocol};
    while (*list)
        list = &(*list)->ai_next;
    int answer = ((getaddrinfo_fn *) behind("getaddrinfo"))(literal, service, &numeric, list);
    for (struct addrinfo *at = *list; at; at = at->ai_next)
        at->ai_flags = hints ? hints->ai_flags : 0;
    return answer == EAI_ADDRFAMILY ? 0 : answer; // the other family was asked for
}

static void name_it(struct addrinfo *list)
{
    if (list && list->ai_canonname) {
        free(list->ai_canonname);
        list->ai_canonname = strdup(canonical);
    }
    for (list = list ? list->ai_next : NULL; list; list = list->ai_next) {
        free(list->ai_canonname);
        list->ai_canonname = NULL;
    }
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    char copy[256], *rest = copy;
    int answer = 0;
    if (!node || strcmp(node, "localhost") == 0 || strpbrk(node, ":") || (node[0] >= '0' && node[0] <= '9'))
        return ((getaddrinfo_fn *) behind("getaddrinfo"))(node, service, hints, result);
    if (fails())
        return failure;
    strncpy(copy, addresses, sizeof(copy) - 1);
    copy[sizeof(copy) - 1] = '\0';
    *result = NULL;
    for (char *one; answer == 0 && (one = strsep(&rest, " "));)
        answer = append(result, one, service, hints);
    name_it(*result);
    errno = ENOENT; // as libc leaves it where one of its files is missing
    return answer == 0 && !*result ? EAI_NONAME : answer;
}

static int host_failure(void)
{
    switch (failure) {
    case EAI_AGAIN:
        return TRY_AGAIN;
    case EAI_FAIL:
        return NO_RECOVERY;
    case EAI_SYSTEM:
        return NETDB_INTERNAL;
    default:
        return HOST_NOT_FOUND;
    }
}

int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                     struct hostent **result, int *error)
{
    typedef int fn(const char *, int, struct hostent *, char *, size_t, struct hostent **, int *);
    (void) name;
    if (!fails())
        return ((fn *) behind("gethostbyname2_r"))("127.0.0.1", family, entry, buffer, size, result, error);
    *result = NULL;
    *error = host_failure();
    return failure == EAI_SYSTEM ? failure_errno : failure == EAI_NONAME ? 0 : EAGAIN;
}

int gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                    int *error)
{
    return gethostbyname2_r(name, AF_INET, entry, buffer, size, result, error);
}

struct hostent *gethostbyname2(const char *name, int family)
{
    typedef struct hostent *fn(const char *, int);
    (void) name;
    if (!fails())
        return ((fn *) behind("gethostbyname2"))("127.0.0.1", family);
    h_errno = host_failure();
    return NULL;
}

struct hostent *gethostbyname(const char *name)
{
    return gethostbyname2(name, AF_INET);
}
