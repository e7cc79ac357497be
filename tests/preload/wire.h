// SPDX-License-Identifier: MIT
// A scripted HTTP server in a thread, for the tests of programs that speak HTTP themselves.
#ifndef RB_PRELOAD_WIRE_H
#define RB_PRELOAD_WIRE_H

#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "network.h"

#define WIRE "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define SOON WIRE "retry.base=5ms\n"
#define LATER WIRE "retry.base=300ms\n"
#define NEVER WIRE "retry.base=100s\nretry.cap=100s\ntimeout.total=1000s\n" // parked for good

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"

// What the server does with one request.
struct step {
    const char *reply;                         // NULL: none
    enum { KEEP, CLOSE, RESET, UNLISTEN } end; // of the connection. UNLISTEN: closes it, and its port refuses
    const char *later;                         // sent when the log has a retry
    const char *rest;                          // sent when the test sets `goes`
};

struct server {
    struct port port;
    const struct step *steps;
    _Atomic int requests, connections;
    _Atomic bool goes;
    pthread_t thread;
};

static inline void server_reset(int fd)
{
    struct linger hard = {.l_onoff = 1};
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
}

// Reads one request. Returns false at the end of the stream.
static inline bool server_request(int fd)
{
    char text[70000];
    size_t length = 0;
    while (length < sizeof(text) - 1) {
        if (read(fd, text + length, 1) <= 0)
            return false;
        text[++length] = '\0';
        if (length >= 4 && memcmp(text + length - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    const char *field = strstr(text, "Content-Length: ");
    for (int left = field ? atoi(field + 16) : 0; left > 0; left--)
        if (read(fd, text, 1) <= 0)
            return false;
    return true;
}

static inline void *server_run(void *context)
{
    struct server *server = context;
    const struct step *step = server->steps;
    for (int fd; (fd = accept4(server->port.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0; close(fd)) {
        server->connections++;
        while (server_request(fd)) {
            server->requests++;
            if (step->reply)
                CHECK_INT(send(fd, step->reply, strlen(step->reply), MSG_NOSIGNAL), (long) strlen(step->reply));
            if (step->later) {
                test_await_log(RETRY, "", 1);
                send(fd, step->later, strlen(step->later), MSG_NOSIGNAL);
            }
            while (step->rest && !server->goes)
                test_pause();
            if (step->rest)
                send(fd, step->rest, strlen(step->rest), MSG_NOSIGNAL);
            if (step->end == RESET)
                server_reset(fd);
            if (step->end == UNLISTEN)
                close(server->port.fd);
            if ((step++)->end != KEEP)
                break;
        }
    }
    return NULL;
}

static inline void server_start(struct server *server, const struct step *steps)
{
    *server = (struct server){.port = port_listening(), .steps = steps};
    CHECK_INT(pthread_create(&server->thread, NULL, server_run, server), 0);
}

static inline int ask(struct server *server, const char *request)
{
    int fd = stream();
    CHECK_INT(dial(fd, &server->port), 0);
    CHECK_INT(write(fd, request, strlen(request)), (long) strlen(request));
    return fd;
}

// Reads exactly this text.
static inline void expect(int fd, const char *text)
{
    char got[4096] = "";
    size_t length = strlen(text), used = 0;
    while (used < length) {
        ssize_t some = recv(fd, got + used, length - used, 0);
        CHECK(some > 0);
        used += (size_t) some;
    }
    CHECK_TEXT(got, text);
}

static inline void expect_end(int fd)
{
    char byte;
    CHECK_INT(recv(fd, &byte, 1, 0), 0);
}

static inline int readable(int fd, int timeout)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(poll(&p, 1, timeout) >= 0);
    return p.revents;
}

#endif
