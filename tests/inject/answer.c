// SPDX-License-Identifier: MIT
// The server of the sweep: counts connections, requests and bytes, and answers each request by the next status.
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"

enum { CONNECTIONS = 64, REQUEST = 4096, FIXED = 2, BACKLOG = 64, SUCCESS = 200 };

struct client {
    int fd;
    bool answered;
    size_t length;
    char request[REQUEST];
};

// Set by other threads, which then write to `wake`.
static atomic_bool listening, stopping;
static int door, wake;

static pthread_t server;
static const char *script;
static struct client clients[CONNECTIONS];
static unsigned open_clients;
static struct answer_seen seen;

static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

static unsigned next_status(void)
{
    char *end;
    unsigned long status = strtoul(script, &end, 10);
    if (*end == ',')
        script = end + 1;
    return (unsigned) status;
}

static void answer_request(struct client *c)
{
    char text[256], body[64];
    unsigned status = next_status();
    int size = snprintf(body, sizeof(body), "%s %u\n", status == SUCCESS ? "good" : "bad", status);
    int length = snprintf(text, sizeof(text), "HTTP/1.1 %u Said\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
                          status, size, body);
    seen.requests++;
    c->answered = true;
    send(c->fd, text, (size_t) length, MSG_NOSIGNAL);
    shutdown(c->fd, SHUT_WR);
}

static void accept_client(void)
{
    int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    seen.connections++;
    if (open_clients == CONNECTIONS) {
        close(fd);
        return;
    }
    clients[open_clients++] = (struct client){.fd = fd};
}

// Returns false when the client has closed the connection.
static bool read_client(struct client *c)
{
    ssize_t got = recv(c->fd, c->request + c->length, REQUEST - 1 - c->length, 0);
    if (got <= 0)
        return false;
    seen.bytes += (unsigned long) got;
    c->length += (size_t) got;
    c->request[c->length] = '\0';
    if (!c->answered && strstr(c->request, "\r\n\r\n"))
        answer_request(c);
    return true;
}

static void *serve(void *unused)
{
    (void) unused;
    while (!stopping || open_clients > 0) {
        struct pollfd polls[FIXED + CONNECTIONS] = {{.fd = wake, .events = POLLIN},
                                                    {.fd = listening ? door : -1, .events = POLLIN}};
        unsigned before = open_clients;
        for (unsigned i = 0; i < before; i++)
            polls[FIXED + i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        if (poll(polls, FIXED + before, -1) < 0)
            give_up("inject: poll");
        uint64_t count;
        if (polls[0].revents && read(wake, &count, sizeof(count)) < 0)
            give_up("inject: eventfd");
        for (unsigned i = before; i-- > 0;)
            if (polls[FIXED + i].revents && !read_client(&clients[i])) {
                close(clients[i].fd);
                clients[i] = clients[--open_clients];
            }
        if (polls[1].revents)
            accept_client();
    }
    return NULL;
}

static void wake_server(void)
{
    uint64_t one = 1;
    if (write(wake, &one, sizeof(one)) < 0)
        give_up("inject: eventfd");
}

uint16_t answer_start(const char *statuses)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(own);
    script = statuses;
    wake = eventfd(0, EFD_CLOEXEC);
    door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wake < 0 || door < 0 || bind(door, (struct sockaddr *) &own, length) != 0 ||
        getsockname(door, (struct sockaddr *) &own, &length) != 0)
        give_up("inject: bind");
    if (pthread_create(&server, NULL, serve, NULL) != 0)
        give_up("inject: pthread_create");
    return ntohs(own.sin_port);
}

void answer_listen(void)
{
    if (listen(door, BACKLOG) != 0)
        give_up("inject: listen");
    listening = true;
    wake_server();
}

// The client has ended, so every connection that it made waits in the queue of the port. A last connection of our own
// comes behind them: when the server has accepted and lost it, it has seen all the others.
struct answer_seen answer_stop(void)
{
    if (listening) {
        struct sockaddr_in own;
        socklen_t length = sizeof(own);
        int last = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (last < 0 || getsockname(door, (struct sockaddr *) &own, &length) != 0 ||
            connect(last, (struct sockaddr *) &own, length) != 0)
            give_up("inject: connect");
        char none;
        shutdown(last, SHUT_WR);
        if (read(last, &none, 1) != 0) // until the server closes
            give_up("inject: read");
        close(last);
    }
    stopping = true;
    wake_server();
    pthread_join(server, NULL);
    seen.connections -= listening ? 1 : 0;
    return seen;
}
