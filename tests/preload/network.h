// SPDX-License-Identifier: MIT
// Sockets for the connect tests: ports that refuse and later listen, full backlogs.
#ifndef RB_PRELOAD_NETWORK_H
#define RB_PRELOAD_NETWORK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support.h"

// A bound socket and its address. While it does not listen its port refuses.
struct port {
    int fd;
    struct sockaddr_in address;
};

static inline struct port port_at(const char *host)
{
    struct port port = {.address = {.sin_family = AF_INET}};
    socklen_t length = sizeof(port.address);
    CHECK_INT(inet_pton(AF_INET, host, &port.address.sin_addr), 1);
    port.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(port.fd >= 0);
    CHECK_INT(bind(port.fd, (struct sockaddr *) &port.address, length), 0);
    CHECK_INT(getsockname(port.fd, (struct sockaddr *) &port.address, &length), 0);
    return port;
}

static inline struct port port_new(void)
{
    return port_at("127.0.0.1");
}

static inline struct port port_listening(void)
{
    struct port port = port_new();
    CHECK_INT(listen(port.fd, 64), 0);
    return port;
}

static inline int stream(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    return fd;
}

// The call under test.
static inline int dial(int fd, const struct port *port)
{
    return connect(fd, (const struct sockaddr *) &port->address, sizeof(port->address));
}

// The same by a bare system call, behind the library's back.
static inline int dial_bare(int fd, const struct port *port)
{
    return (int) syscall(SYS_connect, fd, &port->address, sizeof(port->address));
}

// Connects a new socket and closes it. Returns 0 or errno.
static inline int dial_once(const struct port *port)
{
    int fd = stream();
    int error = dial(fd, port) == 0 ? 0 : errno;
    close(fd);
    return error;
}

static inline bool is_peer(int fd, const struct port *port)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    return getpeername(fd, (struct sockaddr *) &peer, &length) == 0 && peer.sin_port == port->address.sin_port &&
           peer.sin_addr.s_addr == port->address.sin_addr.s_addr;
}

static inline int pending_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

// Waits for the end of a connect that goes on. Returns what SO_ERROR says.
static inline int finished(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    CHECK_INT(poll(&ready, 1, -1), 1);
    return pending_error(fd);
}

static inline bool anyone_waits(const struct port *port)
{
    struct pollfd ready = {.fd = port->fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

// Makes a listener whose backlog is full, so that a further connect hangs. `fillers` receives two sockets.
static inline void port_fill(const struct port *port, int fillers[2])
{
    CHECK_INT(listen(port->fd, 0), 0);
    for (int i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        dial_bare(fillers[i], port);
    }
    CHECK_INT(finished(fillers[0]), 0);
}

// A thread that makes a port listen after `count` retries stand in the log.
struct opener {
    const struct port *port;
    unsigned count;
    pthread_t thread;
};

static inline void *opener_run(void *context)
{
    const struct opener *opener = context;
    test_await_log(RETRY, "", opener->count);
    CHECK_INT(listen(opener->port->fd, 64), 0);
    return NULL;
}

static inline void open_after(struct opener *opener)
{
    CHECK_INT(pthread_create(&opener->thread, NULL, opener_run, opener), 0);
}

static inline void thread_end(pthread_t thread)
{
    CHECK_INT(pthread_join(thread, NULL), 0);
}

#endif
