// SPDX-License-Identifier: MIT
// A plug-in that opens its neighbour by name, which only its own RUNPATH finds, and says what it is bound to.
#include <sys/socket.h>

typedef void *open_fn(const char *name, int flags);

void *opener_open(open_fn *open, const char *name, int flags);
void *opener_connect(void);
int curl_easy_perform(void *anything);

// Not a tail call, because of the volatile variable: the return address must be in here.
void *opener_open(open_fn *open, const char *name, int flags)
{
    void *volatile object = open(name, flags);
    return object;
}

// Whose connect a call from here would reach.
void *opener_connect(void)
{
    return (void *) connect;
}

// A namesake that has nothing to do with libcurl.
int curl_easy_perform(void *anything)
{
    return anything ? 1 : 2;
}
