// SPDX-License-Identifier: MIT
// A program that locks its memory under a limit. Usage: locked ORDER PORT LIMIT
//
// ORDER: lock, connect, both. Sets RLIMIT_MEMLOCK to LIMIT KiB as a user without privileges. Locks all memory, present
// and future, before or after a connect, or before a connect and again after it. Prints the results of these calls, and
// how many blocks of 64 KiB the program can still map.
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOBODY = 65534, BLOCK = 1 << 16, MOST = 1024 };

static int port;

static int try_connect(int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | type, 0), error = 0;
    socklen_t size = sizeof(error);
    if (connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
        error = errno;
    if (error == EINPROGRESS) {
        poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 10000);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    close(fd);
    return error;
}

static void lock(void)
{
    printf("mlockall: %s\n", mlockall(MCL_CURRENT | MCL_FUTURE) == 0 ? "done" : strerror(errno));
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    port = atoi(argv[2]);
    struct rlimit limit = {(rlim_t) atol(argv[3]) * 1024, (rlim_t) atol(argv[3]) * 1024};
    if (getuid() == 0 && (setgroups(0, NULL) != 0 || setuid(NOBODY) != 0))
        return 3;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return 3;
    if (strcmp(argv[1], "connect") != 0)
        lock();
    printf("connect: %s\n", strerror(try_connect(0)));
    printf("connect: %s\n", strerror(try_connect(SOCK_NONBLOCK)));
    if (strcmp(argv[1], "lock") != 0)
        lock();
    int blocks = 0;
    while (blocks < MOST && mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        blocks++;
    printf("%d blocks\n", blocks);
    return 0;
}
