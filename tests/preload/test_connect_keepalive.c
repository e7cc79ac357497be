// SPDX-License-Identifier: MIT
// The keys socket.*: which options a TCP socket has after a connect, and which sockets stay as they are.
#include <sched.h>
#include <sys/mman.h>

#include "keepalive.h"
#include "park.h"

#define RETRIES "retry.backoff=fixed\nretry.base=1ms\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define ALL "[default]\n" FAILOVER("off") RETRIES "retry.attempts=100\n"
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

// Connects a new socket and returns it. errno must stay.
static int connected(const struct port *port)
{
    int fd = stream();
    errno = EDOM;
    CHECK_INT(dial(fd, port), 0);
    CHECK_INT(errno, EDOM);
    return fd;
}

static void blocking(void)
{
    struct port port = port_listening();
    check_options(connected(&port), &ours);
    CHECK_INT(test_log_lines(), 0);
}

static void only_keepalive(void)
{
    struct port port = port_listening();
    check_options(connected(&port), &(struct options){1, 30, 10, 3, 0});
}

static void only_timeout(void)
{
    struct port port = port_listening();
    struct options expected = none();
    expected.timeout = ours.timeout;
    check_options(connected(&port), &expected);
}

static void off(void)
{
    struct port port = port_listening();
    check_untouched(connected(&port));
}

// The options stay through the attempts of a blocking connect.
static void repeated(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    open_after(&opener);
    check_options(connected(&port), &ours);
    thread_end(opener.thread);
    CHECK_INT(test_log(RECOVERED, ""), 1);
}

// A failed connect also has them, and its own error.
static void refused(void)
{
    struct port port = port_new();
    int fd = stream();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    check_options(fd, &ours);
}

static void non_blocking(void)
{
    struct port port = port_listening();
    int fd = flying(&port);
    check_options(fd, &ours);
    CHECK_INT(finished(fd), 0);
    check_options(fd, &ours);
}

// A parked connect is made again on the same descriptor. What the program sets while it waits stays, too.
static void non_blocking_parked(void)
{
    struct port port = port_new();
    int fd = parked(&port);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 7);
    struct opener opener = {.port = &port, .count = 3};
    open_after(&opener);
    CHECK_INT(finished(fd), 0);
    thread_end(opener.thread);
    check_options(fd, &(struct options){1, 30, 10, 7, 40000});
    CHECK_INT(test_log(RECOVERED, ""), 1);
}

static void fast_open(void)
{
    struct port port = port_listening();
    int fd = stream();
    errno = EDOM;
    ssize_t sent = sendto(fd, "x", 1, MSG_FASTOPEN, (const struct sockaddr *) &port.address, sizeof(port.address));
    if (sent < 0 && errno == EOPNOTSUPP)
        test_skip("no TCP Fast Open");
    CHECK_INT(sent, 1);
    CHECK_INT(errno, EDOM);
    check_options(fd, &ours);
}

// Every combination of what a program can set before its connect. The program's own values stay. Those of keepalive
// count if SO_KEEPALIVE is on; if it is off, only values other than the default can be told from the default.
static void set_by_program(void)
{
    enum { ON = 1, IDLE = 2, INTERVAL = 4, COUNT = 8, LIMIT = 16, COMBINATIONS = 32 };
    struct port port = port_listening();
    for (unsigned set = 0; set < COMBINATIONS; set++) {
        int fd = stream();
        if (set & ON)
            set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        if (set & IDLE)
            set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 500);
        if (set & INTERVAL)
            set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 60);
        if (set & COUNT)
            set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
        if (set & LIMIT)
            set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 9000);
        struct options other = set & ON ? none() : ours;
        CHECK_INT(dial(fd, &port), 0);
        check_options(fd, &(struct options){1, set & IDLE ? 500 : other.idle, set & INTERVAL ? 60 : other.interval,
                                            set & COUNT ? 5 : other.count, set & LIMIT ? 9000 : ours.timeout});
        close(fd);
    }
}

// What the program sets after the connect counts.
static void set_later(void)
{
    struct port port = port_listening();
    int fd = connected(&port);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EISCONN);
    int second = connected(&port);
    set_option(second, IPPROTO_TCP, TCP_KEEPIDLE, 100);
    check_options(second, &(struct options){1, 100, 10, 3, 40000});
}

static void try_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    if (written < 0)
        test_skip(path);
}

// The administrator has changed the defaults: a value that is the default is not the program's.
static void other_defaults(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        test_skip("no network namespaces");
    try_write("/proc/sys/net/ipv4/tcp_keepalive_time", "600");
    try_write("/proc/sys/net/ipv4/tcp_keepalive_intvl", "20");
    try_write("/proc/sys/net/ipv4/tcp_keepalive_probes", "4");
    struct port port = {.address = {.sin_family = AF_INET, .sin_port = htons(9)}};
    CHECK_INT(inet_pton(AF_INET, "192.0.2.1", &port.address.sin_addr), 1);
    int plain = stream(), own = stream();
    CHECK_INT(option(plain, IPPROTO_TCP, TCP_KEEPIDLE), 600);
    CHECK_INT(dial(plain, &port), -1); // there is no route
    check_options(plain, &ours);
    set_option(own, IPPROTO_TCP, TCP_KEEPIDLE, 500);
    set_option(own, IPPROTO_TCP, TCP_KEEPCNT, 5);
    CHECK_INT(dial(own, &port), -1);
    check_options(own, &(struct options){1, 500, 10, 5, 40000});
}

static struct sockaddr_in6 six(const char *host, uint16_t port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = port};
    CHECK_INT(inet_pton(AF_INET6, host, &address.sin6_addr), 1);
    return address;
}

// IPv6, and IPv4 by an IPv4-mapped address.
static void ipv6(void)
{
    struct port port = port_listening();
    struct sockaddr_in6 mapped = six("::ffff:127.0.0.1", port.address.sin_port), own = six("::1", 0);
    socklen_t length = sizeof(own);
    int server = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0 || bind(server, (struct sockaddr *) &own, sizeof(own)) != 0)
        test_skip("no IPv6");
    CHECK_INT(listen(server, 4), 0);
    CHECK_INT(getsockname(server, (struct sockaddr *) &own, &length), 0);
    const struct sockaddr_in6 *addresses[] = {&mapped, &own};
    for (unsigned i = 0; i < 2; i++) {
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_INT(connect(fd, (const struct sockaddr *) addresses[i], sizeof(*addresses[i])), 0);
        check_options(fd, &ours);
    }
}

// Datagrams, Unix sockets and multipath TCP are left alone.
static void other_sockets(void)
{
    struct port port = port_listening();
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
        server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
        several = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    CHECK_INT(dial(udp, &port), 0);
    CHECK_INT(option(udp, SOL_SOCKET, SO_KEEPALIVE), 0);
    snprintf(path.sun_path, sizeof(path.sun_path), "%s", test_path("s.sock"));
    CHECK_INT(bind(server, (struct sockaddr *) &path, sizeof(path)), 0);
    CHECK_INT(listen(server, 1), 0);
    errno = EDOM;
    CHECK_INT(connect(local, (struct sockaddr *) &path, sizeof(path)), 0);
    CHECK_INT(errno, EDOM);
    CHECK_INT(option(local, SOL_SOCKET, SO_KEEPALIVE), 0);
    if (several < 0)
        test_skip("no multipath TCP");
    CHECK_INT(dial(several, &port), 0);
    CHECK_INT(option(several, SOL_SOCKET, SO_KEEPALIVE), 0);
}

// Each host has the values of its section.
static void sections(void)
{
    struct port first = port_listening(), second = port_at("127.0.0.2"), third = port_at("127.0.0.3");
    CHECK_INT(listen(second.fd, 4), 0);
    CHECK_INT(listen(third.fd, 4), 0);
    check_untouched(connected(&first));
    check_options(connected(&second), &ours);
    check_options(connected(&third), &(struct options){1, 5, 1, 2, 0});
}

// Also an invalid call has no side effect on errno or its result.
static void invalid(void)
{
    struct port port = port_listening();
    CHECK_INT(dial(-1, &port), -1);
    CHECK_INT(errno, EBADF);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ENOTSOCK);
    fd = stream();
    CHECK_INT(connect(fd, NULL, sizeof(port.address)), -1);
    CHECK_INT(errno, EFAULT);
    check_untouched(fd);
}

static const struct test tests[] = {
    {"blocking", ALL BOTH, blocking},
    {"only_keepalive", ALL KEEPALIVE, only_keepalive},
    {"only_timeout", ALL TIMEOUT, only_timeout},
    {"off", ALL, off},
    {"without_retries", "[default]\nretry.attempts=1\n" BOTH, blocking},
    {"repeated", ALL BOTH, repeated},
    {"refused", "[default]\nretry.attempts=2\n" BOTH, refused},
    {"non_blocking", ALL BOTH, non_blocking},
    {"non_blocking_off", ALL BOTH "connect.nonblocking=off\n", non_blocking},
    {"non_blocking_parked", ALL BOTH, non_blocking_parked},
    {"fast_open", ALL BOTH, fast_open},
    {"set_by_program", ALL BOTH, set_by_program},
    {"set_later", ALL BOTH, set_later},
    {"other_defaults", "[default]\nretry.attempts=1\n" BOTH, other_defaults},
    {"ipv6", ALL BOTH, ipv6},
    {"other_sockets", ALL BOTH "[local]\nhosts=unix:@DIR@/*.sock\n", other_sockets},
    {"no_section", "[other]\nhosts=127.0.0.2\n" BOTH, off},
    {"intercept_curl", ALL BOTH "intercept=curl\n", off},
    {"sections",
     ALL BOTH "[a]\nhosts=127.0.0.1\nsocket.keepalive=off\nsocket.user_timeout=off\n[b]\nhosts=127.0.0.3\n"
              "socket.keepalive=5s/1s/2\nsocket.user_timeout=off\n",
     sections},
    {"invalid", ALL BOTH, invalid},
};

TEST_MAIN(tests)
