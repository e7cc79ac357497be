// SPDX-License-Identifier: MIT
// A small HTTP client that prints what it gets: the subject of the sweep.
//
//   client block|poll|select|epoll|edge HOST PORT
//
// It connects in the given way (block: a blocking connect), sends a request, and copies the answer to stdout. On
// failure it prints the call and the errno and ends with 1. At the end it prints whether a signal is blocked.
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 5000, FAILED = 1, USAGE = 2 };

static const char *way;
static int loop = -1, peer = -1; // the epoll and the socket

// What the library leaves behind would harm the program later.
static void print_left(void)
{
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    if (sigismember(&blocked, SIGTERM) == 1)
        puts("SIGTERM is blocked");
    if (loop >= 0)
        close(loop);
    if (peer >= 0)
        close(peer);
    if (dup(STDIN_FILENO) != STDERR_FILENO + 1) // the lowest free descriptor
        puts("a descriptor is open");
}

static void end_with(const char *call, int error)
{
    print_left();
    printf("%s: %s\n", call, strerrorname_np(error));
    exit(FAILED);
}

static int wait_poll(int fd, bool reads)
{
    struct pollfd p = {.fd = fd, .events = reads ? POLLIN : POLLOUT};
    return poll(&p, 1, WAIT_MS);
}

static int wait_select(int fd, bool reads)
{
    fd_set set;
    struct timeval limit = {.tv_sec = WAIT_MS / 1000};
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, reads ? &set : NULL, reads ? NULL : &set, NULL, &limit);
}

static int wait_epoll(void)
{
    struct epoll_event event;
    return epoll_wait(loop, &event, 1, WAIT_MS);
}

static void watch(int fd, bool reads)
{
    struct epoll_event event = {.events = reads ? EPOLLIN : EPOLLOUT, .data.fd = fd};
    event.events |= strcmp(way, "edge") == 0 ? EPOLLET : 0;
    if (epoll_ctl(loop, reads ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
        end_with("epoll_ctl", errno);
}

// As event loops do, a wait that a signal ended is made again.
static void wait_for(int fd, bool reads)
{
    int ready;
    if (loop >= 0)
        watch(fd, reads);
    do {
        if (loop >= 0)
            ready = wait_epoll();
        else
            ready = strcmp(way, "poll") == 0 ? wait_poll(fd, reads) : wait_select(fd, reads);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        end_with("wait", ready < 0 ? errno : ETIMEDOUT);
}

static void open_connection(const struct addrinfo *to)
{
    bool blocks = strcmp(way, "block") == 0;
    peer = socket(to->ai_family, SOCK_STREAM | (blocks ? 0 : SOCK_NONBLOCK), 0);
    if (peer < 0)
        end_with("socket", errno);
    if (connect(peer, to->ai_addr, to->ai_addrlen) == 0)
        return;
    if (blocks || errno != EINPROGRESS)
        end_with("connect", errno);
    wait_for(peer, false);
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(peer, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        end_with("getsockopt", errno);
    if (error)
        end_with("connect", error);
}

static void copy_answer(void)
{
    char bytes[4096];
    for (;;) {
        ssize_t got = read(peer, bytes, sizeof(bytes));
        if (got < 0 && errno == EAGAIN && strcmp(way, "block") != 0)
            wait_for(peer, true);
        else if (got < 0)
            end_with("read", errno);
        else if (got == 0)
            return;
        else
            fwrite(bytes, 1, (size_t) got, stdout);
    }
}

int main(int argc, char **argv)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    if (argc != 4) {
        fputs("usage: client block|poll|select|epoll|edge HOST PORT\n", stderr);
        return USAGE;
    }
    way = argv[1];
    struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *to;
    int error = getaddrinfo(argv[2], argv[3], &wanted, &to);
    if (error) {
        printf("getaddrinfo: %d\n", error);
        return FAILED;
    }
    if (strcmp(way, "epoll") == 0 || strcmp(way, "edge") == 0)
        loop = epoll_create1(EPOLL_CLOEXEC);
    open_connection(to);
    freeaddrinfo(to);
    if (write(peer, request, sizeof(request) - 1) != (ssize_t) sizeof(request) - 1)
        end_with("write", errno);
    copy_answer();
    print_left();
    return 0;
}
