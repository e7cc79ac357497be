// SPDX-License-Identifier: MIT
// Another library that stands in front of connect: preloaded before or after ours, it looks for what is behind it.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef int connect_fn(int, const struct sockaddr *, socklen_t);

int interposer_calls(void);
void *interposer_behind(void);
void *interposer_early(void);

static int calls;
static void *early;

// Runs before the constructor of a library that was preloaded before this one.
__attribute__((constructor)) static void begin(void)
{
    early = dlsym(dlopen("libc.so.6", RTLD_NOW), "getaddrinfo");
}

// What stood where when the process began.
void *interposer_early(void)
{
    return early;
}

int interposer_calls(void)
{
    return calls;
}

// RB_WAY: "next" by RTLD_NEXT, "handle" in libc itself. Not as a tail call: the return address must be in here.
void *interposer_behind(void)
{
    const char *way = getenv("RB_WAY");
    bool handle = way && strcmp(way, "handle") == 0;
    void *volatile found = dlsym(handle ? dlopen("libc.so.6", RTLD_NOW) : RTLD_NEXT, "connect");
    return found;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    connect_fn *behind = (connect_fn *) interposer_behind();
    calls++;
    return behind ? behind(fd, address, length) : -1;
}
