// SPDX-License-Identifier: MIT
// Connects once and says so: built against musl and run under the library, it shows that the library loads there and
// hands calls on.
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// A library that cannot be loaded is passed over in silence by musl.
static int library_is_loaded(void)
{
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof(line), maps))
        found |= strstr(line, "rebound.so") != NULL;
    if (maps)
        fclose(maps);
    return found;
}

// The loader's functions go through the library too, and answer with its connect where it acts.
static int look_ups_work(void)
{
    const char *policy = getenv("REBOUND_POLICY");
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    if (!libc || dlsym(libc, "no_such_function") || !dlerror() ||
        dlsym(libc, "getpid") != dlsym(RTLD_DEFAULT, "getpid"))
        return 0;
    void *ours = dlsym(RTLD_NEXT, "connect"); // the library is preloaded: it comes next
    return (dlsym(libc, "connect") == ours) == (policy && *policy);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *) &address, length) || listen(server, 1) ||
        getsockname(server, (struct sockaddr *) &address, &length))
        return 2;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *) &address, length))
        return 3;
    if (connect(-1, (struct sockaddr *) &address, length) != -1 || errno != EBADF)
        return 4;
    if (!library_is_loaded())
        return 5;
    if (!look_ups_work())
        return 6;
    puts("connected");
    return 0;
}
