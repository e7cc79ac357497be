// SPDX-License-Identifier: MIT
// Next definitions of the hooked libc functions.
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "real/elf.h"
#include "real/libc.h"

enum {
    CONNECT,
    GETADDRINFO,
    GETHOSTBYNAME,
    GETHOSTBYNAME2,
    GETHOSTBYNAME_R,
    GETHOSTBYNAME2_R,
    RESOLVED, // these at initialisation, the loader's when they are wanted
    DLOPEN = RESOLVED,
    DLSYM,
    FUNCTIONS
};

static const char *const names[FUNCTIONS] = {
    [CONNECT] = "connect",
    [GETADDRINFO] = "getaddrinfo",
    [GETHOSTBYNAME] = "gethostbyname",
    [GETHOSTBYNAME2] = "gethostbyname2",
    [GETHOSTBYNAME_R] = "gethostbyname_r",
    [GETHOSTBYNAME2_R] = "gethostbyname2_r",
    [DLOPEN] = "dlopen",
    [DLSYM] = "dlsym",
};

static _Atomic(void *) found[FUNCTIONS];

// Two threads may both look; they find the same.
static void *function(unsigned which)
{
    void *address = atomic_load_explicit(&found[which], memory_order_acquire);
    if (address)
        return address;
    int saved = errno;
    address = rb_elf_next(names[which]);
    atomic_store_explicit(&found[which], address, memory_order_release);
    errno = saved;
    return address;
}

void rb_libc_resolve(void)
{
    for (unsigned i = 0; i < RESOLVED; i++)
        function(i);
}

int rb_libc_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = function(CONNECT);
    return real ? real(fd, address, length) : (int) syscall(SYS_connect, fd, address, length);
}

int rb_libc_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = function(GETADDRINFO);
    if (real)
        return real(node, service, hints, result);
    errno = ENOSYS;
    return EAI_SYSTEM;
}

struct hostent *rb_libc_gethostbyname(const char *name)
{
    struct hostent *(*real)(const char *) = function(GETHOSTBYNAME);
    return real ? real(name) : NULL;
}

struct hostent *rb_libc_gethostbyname2(const char *name, int family)
{
    struct hostent *(*real)(const char *, int) = function(GETHOSTBYNAME2);
    return real ? real(name, family) : NULL;
}

static int not_there(struct hostent **result, int *error)
{
    *result = NULL;
    *error = NO_RECOVERY;
    return ENOSYS;
}

int rb_libc_gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
                            int *error)
{
    int (*real)(const char *, struct hostent *, char *, size_t, struct hostent **, int *) = function(GETHOSTBYNAME_R);
    return real ? real(name, entry, buffer, size, result, error) : not_there(result, error);
}

int rb_libc_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                             struct hostent **result, int *error)
{
    int (*real)(const char *, int, struct hostent *, char *, size_t, struct hostent **, int *) =
        function(GETHOSTBYNAME2_R);
    return real ? real(name, family, entry, buffer, size, result, error) : not_there(result, error);
}

// Both at once: a program that unloads something has called dlopen before.
static RB_EARLY void *find_loader(unsigned which)
{
    int saved = errno;
    for (unsigned i = RESOLVED; i < FUNCTIONS; i++) {
        void *address = rb_elf_next_early(names[i]);
        if (!address)
            address = rb_elf_next(names[i]);
        atomic_store_explicit(&found[i], address, memory_order_release);
    }
    errno = saved;
    return atomic_load_explicit(&found[which], memory_order_acquire);
}

RB_EARLY rb_dlopen_fn *rb_libc_dlopen(void)
{
    void *address = atomic_load_explicit(&found[DLOPEN], memory_order_acquire);
    return address ? address : find_loader(DLOPEN);
}

RB_EARLY rb_dlsym_fn *rb_libc_dlsym(void)
{
    void *address = atomic_load_explicit(&found[DLSYM], memory_order_acquire);
    return address ? address : find_loader(DLSYM);
}
