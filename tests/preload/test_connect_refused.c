// SPDX-License-Identifier: MIT
// A connect that an open breaker refuses, by every way to learn of it: as a connect that the kernel refuses. A
// non-blocking one begins (EINPROGRESS) and then fails.
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

#include "network.h"

#define OPENS                                                                                                          \
    "retry.attempts=1\nbreaker.window=2\nbreaker.min_calls=2\nbreaker.refuse=always\nbreaker.open=1h\n"                \
    "breaker.open_max=1h\n"
#define LOCAL "[local]\nhosts=127.0.0.0/8, [::1], unix:@DIR@/*.sock\n" OPENS

enum { TICK_MS = 50 };

// --- a port whose breaker is open, although somebody listens

static struct port open_breaker(void)
{
    struct port port = port_new();
    for (int i = 0; i < 2; i++)
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(listen(port.fd, 16), 0);
    return port;
}

static int non_blocking(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    return fd;
}

static void check_refused(const struct port *port, unsigned times)
{
    CHECK(!anyone_waits(port));
    CHECK_INT(test_log(REFUSED, "\"reason\":\"breaker\""), times);
    CHECK_INT(test_log(RETRY, ""), 0);
}

// --- what a program sees, as text

struct seen {
    char text[1024];
};

static void see(struct seen *seen, const char *what, long value)
{
    size_t used = strlen(seen->text);
    snprintf(seen->text + used, sizeof(seen->text) - used, "%s=%lx ", what, value);
}

static void see_call(struct seen *seen, const char *what, long result)
{
    see(seen, what, result < 0 ? -errno : result);
}

typedef int dial_fn(int fd, const struct port *port);
typedef void way_fn(int fd, const struct port *port, dial_fn *connects, struct seen *seen);

static void see_dial(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    see_call(seen, "connect", connects(fd, port));
}

static void see_poll(int fd, short events, struct seen *seen)
{
    struct pollfd p = {.fd = fd, .events = events};
    see_call(seen, "poll", poll(&p, 1, TICK_MS));
    see(seen, "events", p.revents);
}

static void by_poll(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    see_dial(fd, port, connects, seen);
    see_poll(fd, POLLOUT, seen);
    see(seen, "error", pending_error(fd));
    see(seen, "error", pending_error(fd));
    see_poll(fd, POLLIN | POLLOUT, seen);
    see_poll(fd, 0, seen);
}

static void by_select(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    fd_set reads, writes;
    struct timeval limit = {.tv_usec = TICK_MS * 1000};
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(fd, &reads);
    FD_SET(fd, &writes);
    see_dial(fd, port, connects, seen);
    see_call(seen, "select", select(fd + 1, &reads, &writes, NULL, &limit));
    see(seen, "reads", FD_ISSET(fd, &reads));
    see(seen, "writes", FD_ISSET(fd, &writes));
    see(seen, "error", pending_error(fd));
}

static void see_epoll(int epfd, struct seen *seen)
{
    struct epoll_event event = {0};
    int count = epoll_wait(epfd, &event, 1, TICK_MS);
    see_call(seen, "epoll", count);
    see(seen, "events", count > 0 ? event.events : 0);
    see(seen, "data", count > 0 ? (long) event.data.u32 : 0);
}

static void watch(int epfd, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = 0x1234};
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
}

// before: the descriptor is registered before the connect, as nginx does it.
static void watched(int fd, const struct port *port, dial_fn *connects, struct seen *seen, uint32_t events, bool before)
{
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    if (before)
        watch(epfd, fd, events);
    see_dial(fd, port, connects, seen);
    if (!before)
        watch(epfd, fd, events);
    see_epoll(epfd, seen);
    see_epoll(epfd, seen);
    see(seen, "error", pending_error(fd));
    see_epoll(epfd, seen);
    close(epfd);
}

static void by_epoll_level(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    watched(fd, port, connects, seen, EPOLLOUT, false);
}

static void by_epoll_edge(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    watched(fd, port, connects, seen, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, false);
}

static void by_epoll_once(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    watched(fd, port, connects, seen, EPOLLOUT | EPOLLONESHOT, false);
}

static void by_epoll_level_before(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    watched(fd, port, connects, seen, EPOLLIN | EPOLLOUT, true);
}

static void by_epoll_edge_before(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    watched(fd, port, connects, seen, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, true);
}

static void by_error(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    see_dial(fd, port, connects, seen);
    see(seen, "error", pending_error(fd));
    see_poll(fd, POLLOUT, seen);
}

// haproxy, redis: the second connect reports, the third one begins anew.
static void by_second_connect(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    see_dial(fd, port, connects, seen);
    see_poll(fd, POLLOUT, seen);
    see_dial(fd, port, connects, seen);
    see(seen, "error", pending_error(fd));
    see_dial(fd, port, connects, seen);
    see_poll(fd, POLLOUT, seen);
    see(seen, "error", pending_error(fd));
}

static void by_read(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    char byte;
    see_dial(fd, port, connects, seen);
    see_poll(fd, POLLIN, seen);
    see_call(seen, "read", read(fd, &byte, 1));
    see_call(seen, "read", read(fd, &byte, 1));
    see(seen, "error", pending_error(fd));
}

static void by_recv(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    char byte;
    see_dial(fd, port, connects, seen);
    see_call(seen, "recv", recv(fd, &byte, 1, MSG_DONTWAIT));
    see(seen, "error", pending_error(fd));
}

static void by_send(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    see_dial(fd, port, connects, seen);
    see_call(seen, "send", send(fd, "x", 1, MSG_NOSIGNAL));
    see_call(seen, "send", send(fd, "x", 1, MSG_NOSIGNAL));
    see(seen, "error", pending_error(fd));
}

static void by_name(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    see_dial(fd, port, connects, seen);
    see_poll(fd, POLLOUT, seen);
    see_call(seen, "getpeername", getpeername(fd, (struct sockaddr *) &peer, &length));
    see(seen, "error", pending_error(fd));
}

static void by_shutdown(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    see_dial(fd, port, connects, seen);
    see_poll(fd, POLLOUT, seen);
    see_call(seen, "shutdown", shutdown(fd, SHUT_RDWR));
    see(seen, "error", pending_error(fd));
}

static void by_copy(int fd, const struct port *port, dial_fn *connects, struct seen *seen)
{
    see_dial(fd, port, connects, seen);
    int copy = dup(fd);
    see_poll(copy, POLLOUT, seen);
    see(seen, "error", pending_error(copy));
    see(seen, "error", pending_error(fd));
    close(copy);
}

static way_fn *const ways[] = {by_poll,
                               by_select,
                               by_epoll_level,
                               by_epoll_edge,
                               by_epoll_once,
                               by_error,
                               by_second_connect,
                               by_read,
                               by_recv,
                               by_send,
                               by_name,
                               by_shutdown,
                               by_copy,
                               by_epoll_level_before,
                               by_epoll_edge_before};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

// Each way gives the same as with a port where nobody listens, behind the library's back.
static void as_the_kernel(void)
{
    struct port port = open_breaker(), dead = port_new();
    for (unsigned i = 0; i < WAYS; i++) {
        struct seen bare = {""}, ours = {""};
        int one = non_blocking(AF_INET), other = non_blocking(AF_INET);
        ways[i](one, &dead, dial_bare, &bare);
        ways[i](other, &port, dial, &ours);
        CHECK_TEXT(ours.text, bare.text);
        CHECK(strstr(bare.text, "connect=ffffffffffffff8d")); // -EINPROGRESS
        close(one);
        close(other);
    }
    check_refused(&port, WAYS + 1); // one way connects twice
}

// A refused connect of a socket in blocking mode is told at once.
static void blocking(void)
{
    struct port port = open_breaker();
    int fd = stream();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(pending_error(fd), 0);
    check_refused(&port, 1);
}

// So is that of a Unix socket, as the kernel does it.
static void unix_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", test_path("a.sock"));
    for (int i = 0; i < 3; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
        CHECK_INT(errno, i < 2 ? ENOENT : ECONNREFUSED);
        close(fd);
    }
    CHECK_INT(test_log(REFUSED, ""), 1);
}

// Data with the handshake: the call begins a connect and takes nothing.
static void fast_open(void)
{
    struct port port = open_breaker();
    const struct sockaddr *address = (const struct sockaddr *) &port.address;
    int fd = non_blocking(AF_INET), other = stream();
    CHECK_INT(sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, address, sizeof(port.address)), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(finished(fd), ECONNREFUSED);
    CHECK_INT(sendto(other, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT, address, sizeof(port.address)), -1);
    CHECK_INT(errno, ECONNREFUSED);
    check_refused(&port, 2);
}

// Of a socket that is in use the kernel says what it is; nothing happens to its connection.
static void socket_in_use(void)
{
    struct port well = port_listening(), port = open_breaker();
    char byte = 0;
    int one = stream(), fd = non_blocking(AF_INET), listener = non_blocking(AF_INET);
    CHECK_INT(dial(one, &well), 0);
    int peer = accept(well.fd, NULL, NULL);
    CHECK_INT(dial(one, &port), -1);
    CHECK_INT(errno, EISCONN);
    CHECK_INT(dial_bare(fd, &well), -1);
    CHECK_INT(finished(fd), 0);
    CHECK_INT(dial(fd, &port) == 0 ? 0 : errno, 0); // its first connect has ended well
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EISCONN);
    CHECK_INT(listen(listener, 1), 0);
    CHECK_INT(dial(listener, &port), -1);
    CHECK_INT(errno, EISCONN);
    CHECK_INT(write(peer, "y", 1), 1);
    CHECK_INT(read(one, &byte, 1), 1);
    CHECK_INT(byte, 'y');
    check_refused(&port, 0);
}

// Bound to an address and a port of the program's own choice, which it keeps.
static void bound(void)
{
    struct port port = open_breaker(), own = port_at("127.0.0.3");
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    CHECK_INT(fcntl(own.fd, F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(dial(own.fd, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(finished(own.fd), ECONNREFUSED);
    CHECK_INT(getsockname(own.fd, (struct sockaddr *) &name, &length), 0);
    CHECK_INT(name.sin_addr.s_addr, own.address.sin_addr.s_addr);
    CHECK_INT(name.sin_port, own.address.sin_port);
    check_refused(&port, 1);
}

// IPv6, and an IPv4-mapped address.
static void ipv6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, mapped = loopback;
    struct port port = open_breaker();
    socklen_t length = sizeof(loopback);
    int reserved = non_blocking(AF_INET6);
    if (bind(reserved, (struct sockaddr *) &loopback, length) != 0)
        test_skip("no IPv6");
    CHECK_INT(getsockname(reserved, (struct sockaddr *) &loopback, &length), 0);
    for (int i = 0; i < 3; i++) {
        int fd = non_blocking(AF_INET6);
        CHECK_INT(connect(fd, (struct sockaddr *) &loopback, sizeof(loopback)), -1);
        CHECK_INT(errno, EINPROGRESS);
        CHECK_INT(finished(fd), ECONNREFUSED);
        close(fd);
    }
    CHECK_INT(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr), 1);
    mapped.sin6_port = port.address.sin_port;
    int fd = non_blocking(AF_INET6);
    CHECK_INT(connect(fd, (struct sockaddr *) &mapped, sizeof(mapped)), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(finished(fd), ECONNREFUSED);
    check_refused(&port, 2);
}

// The same socket gets through once the breaker lets it.
static void once_more(void)
{
    struct port port = port_new();
    int fd = non_blocking(AF_INET), error;
    for (int i = 0; i < 2; i++)
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(listen(port.fd, 16), 0);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINPROGRESS);
    CHECK_INT(finished(fd), ECONNREFUSED);
    do {
        if (dial(fd, &port) == 0)
            break;
        CHECK(errno == EINPROGRESS || errno == ECONNABORTED); // that one was to tell an error that was read
        error = errno == EINPROGRESS ? finished(fd) : ECONNREFUSED;
    } while (error == ECONNREFUSED);
    CHECK(is_peer(fd, &port));
    CHECK(test_log(REFUSED, "") >= 1);
}

// Closed without a look: nothing of it is left.
static void closed_at_once(void)
{
    struct port port = open_breaker(), well = port_listening();
    unsigned before = test_descriptors();
    for (int i = 0; i < 50; i++) {
        int fd = non_blocking(AF_INET);
        CHECK_INT(dial(fd, &port), -1);
        CHECK_INT(errno, EINPROGRESS);
        close(fd);
        fd = non_blocking(AF_INET);
        CHECK(dial(fd, &well) == 0 || errno == EINPROGRESS);
        CHECK_INT(finished(fd), 0);
        close(fd);
    }
    CHECK_INT(test_descriptors(), before);
    check_refused(&port, 50);
}

// Without a loopback interface the kernel cannot be made to refuse: then the call says so.
static void no_loopback(void)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct port port = {.fd = -1, .address = nobody};
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        test_skip("no namespaces");
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    CHECK_INT(inet_pton(AF_INET, "127.0.0.1", &port.address.sin_addr), 1);
    int fd = stream();
    CHECK_INT(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    lo.ifr_flags = 0;
    CHECK_INT(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
    fd = non_blocking(AF_INET);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(test_log(REFUSED, ""), 1);
}

// Bound to an interface with an address of its own, to one without, and to an address that is nobody's.
static void bound_elsewhere(void)
{
    struct port port = open_breaker();
    struct sockaddr_in foreign = {.sin_family = AF_INET};
    int on = 1, fd = non_blocking(AF_INET);
    if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0)
        test_skip("no permission to bind to an interface");
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    fd = non_blocking(AF_INET);
    CHECK_INT(inet_pton(AF_INET, "192.0.2.1", &foreign.sin_addr), 1);
    if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) != 0)
        test_skip("no permission to bind to foreign addresses");
    CHECK_INT(bind(fd, (struct sockaddr *) &foreign, sizeof(foreign)), 0);
    CHECK_INT(dial(fd, &port), -1);
    CHECK(errno == ECONNREFUSED || errno == EINPROGRESS);
    CHECK(errno == ECONNREFUSED || finished(fd) == ECONNREFUSED);
    check_refused(&port, 2);
}

static const struct test tests[] = {
    {"as_the_kernel", LOCAL, as_the_kernel},
    {"blocking", LOCAL, blocking},
    {"unix_socket", LOCAL, unix_socket},
    {"fast_open", LOCAL, fast_open},
    {"socket_in_use", LOCAL, socket_in_use},
    {"bound", LOCAL, bound},
    {"ipv6", LOCAL, ipv6},
    {"once_more",
     "[local]\nhosts=127.0.0.1\nretry.attempts=1\nbreaker.window=2\nbreaker.min_calls=2\n"
     "breaker.refuse=always\nbreaker.open=200ms\nbreaker.open_max=200ms\n",
     once_more},
    {"closed_at_once", LOCAL, closed_at_once},
    {"no_loopback", LOCAL, no_loopback},
    {"bound_elsewhere", LOCAL, bound_elsewhere},
};

TEST_MAIN(tests)
