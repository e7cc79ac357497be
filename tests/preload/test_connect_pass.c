// SPDX-License-Identifier: MIT
// Connects that are not ours: they do exactly what the bare call does, and no decision is logged.
#include "network.h"

#include <sched.h>
#include <sys/mman.h>

#define QUICK "retry.backoff=fixed\nretry.base=5s\nretry.cap=10s\nretry.jitter=none\n"
#define LOCAL "[local]\nhosts=127.0.0.0/8\n" QUICK

static void check_untouched(uint64_t began)
{
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 4000);
    CHECK_INT(test_log_lines(), 0);
}

// A non-blocking socket gets the kernel's answer at once, and its failure is reported in the kernel's way.
static void non_blocking(void)
{
    struct port port = port_new();
    uint64_t began = test_now_ms();
    int ours = stream(), bare = stream();
    CHECK_INT(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(fcntl(bare, F_SETFL, O_NONBLOCK), 0);
    int expected = dial_bare(bare, &port) == 0 ? 0 : errno;
    CHECK_INT(dial(ours, &port) == 0 ? 0 : errno, expected);
    if (expected == EINPROGRESS)
        CHECK_INT(finished(ours), ECONNREFUSED);
    CHECK(fcntl(ours, F_GETFL) & O_NONBLOCK);
    check_untouched(began);
}

// The same for one that succeeds.
static void non_blocking_success(void)
{
    struct port port = port_listening();
    uint64_t began = test_now_ms();
    int fd = stream();
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    CHECK(dial(fd, &port) == 0 || errno == EINPROGRESS);
    CHECK_INT(finished(fd), 0);
    CHECK(is_peer(fd, &port));
    check_untouched(began);
}

// Datagram sockets connect to nobody: a port that refuses shows at the next send, never here.
static void datagram(void)
{
    struct port port = port_new();
    uint64_t began = test_now_ms();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(dial(fd, &port), 0);
    CHECK(is_peer(fd, &port));
    check_untouched(began);
}

static int dial_unix(int type, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", test_path(name));
    int error = connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0 ? 0 : errno;
    close(fd);
    return error;
}

// Failures that come at once are no reason to wait either, where the program asked never to wait or the socket makes no
// connections. The first one shows that the pattern holds.
static void at_once(void)
{
    CHECK_INT(dial_unix(SOCK_STREAM, "app.sock"), ENOENT);
    CHECK_INT(test_log(RETRY, ""), 1);
    unsigned lines = test_log_lines();
    CHECK_INT(dial_unix(SOCK_DGRAM, "app.sock"), ENOENT);
    CHECK_INT(dial_unix(SOCK_SEQPACKET, "app.sock"), ENOENT);
    CHECK_INT(test_log_lines(), lines);
}

static void refused_at_once(void)
{
    struct port port = port_new();
    uint64_t began = test_now_ms();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    check_untouched(began);
}

// The failing connects that every program makes to D-Bus, nscd or the journal: no section names them, and the default
// section is not for them.
static void unix_by_default(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/system_bus_socket"};
    uint64_t began = test_now_ms();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, ENOENT);
    address.sun_path[0] = '\0'; // an abstract one
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, ECONNREFUSED);
    check_untouched(began);
}

static int error_of(int fd, const void *address, socklen_t length)
{
    return connect(fd, address, length) == 0 ? 0 : errno;
}

// Arguments that the kernel refuses are refused by the kernel.
static void bad_arguments(void)
{
    struct port port = port_new();
    struct sockaddr_storage none = {.ss_family = AF_UNSPEC};
    uint64_t began = test_now_ms();
    int fd = stream();
    CHECK_INT(error_of(-1, &port.address, sizeof(port.address)), EBADF);
    CHECK_INT(error_of(fileno(stderr), &port.address, sizeof(port.address)), ENOTSOCK);
    CHECK_INT(error_of(fd, &port.address, 3), EINVAL);
    CHECK_INT(error_of(fd, &port.address, 0), EINVAL);
    CHECK_INT(error_of(fd, NULL, sizeof(port.address)), EFAULT);
    CHECK_INT(error_of(fd, (void *) -1, sizeof(port.address)), EFAULT);
    CHECK_INT(error_of(fd, (void *) 16, sizeof(port.address)), EFAULT);
    char *hole = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *end = hole + 4096;
    CHECK_INT(mprotect(hole, 4096, PROT_READ | PROT_WRITE), 0);
    memcpy(end - 8, &port.address, 8);
    CHECK_INT(error_of(fd, end, sizeof(port.address)), EFAULT);
    CHECK_INT(error_of(fd, end - 8, sizeof(port.address)), EFAULT);
    CHECK_INT(sendto(fd, "x", 1, MSG_FASTOPEN, (void *) end, sizeof(port.address)), -1);
    CHECK_INT(errno, EFAULT);
    CHECK_INT(error_of(fd, &port.address, sizeof(none) + 1), EINVAL);
    CHECK_INT(error_of(fd, &none, sizeof(none)), 0); // back to unconnected
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 4000);
    CHECK_INT(test_log(RETRY, ""), 0);
}

// A connected socket says so.
static void connected_already(void)
{
    struct port port = port_listening();
    uint64_t began = test_now_ms();
    int fd = stream();
    CHECK_INT(dial(fd, &port), 0);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EISCONN);
    check_untouched(began);
}

// A listening socket cannot connect: not a failure of the peer.
static void local_mistake(void)
{
    struct port port = port_listening(), other = port_listening();
    uint64_t began = test_now_ms();
    CHECK_INT(dial(port.fd, &other), -1);
    CHECK_INT(errno, EISCONN);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        CHECK_INT(dial(fd, &other), -1);
        CHECK(errno == EAFNOSUPPORT || errno == EINVAL);
    }
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 4000);
    CHECK_INT(test_log(RETRY, ""), 0);
}

// A success is no news, whatever section covers it.
static void success(void)
{
    struct port port = port_listening();
    uint64_t began = test_now_ms();
    errno = EXDEV;
    int fd = stream();
    CHECK_INT(dial(fd, &port), 0);
    CHECK_INT(errno, EXDEV);
    CHECK(is_peer(fd, &port));
    check_untouched(began);
}

// Results and errno of the calls that change namespaces are the kernel's.
static void namespaces(void)
{
    errno = EXDEV;
    CHECK_INT(unshare(0), 0);
    CHECK_INT(unshare(CLONE_FILES), 0);
    CHECK_INT(errno, EXDEV);
    CHECK_INT(unshare(-1), -1);
    CHECK_INT(errno, EINVAL);
    CHECK_INT(setns(-1, 0), -1);
    CHECK_INT(errno, EBADF);
}

static const struct test tests[] = {
    {"non_blocking", LOCAL "connect.nonblocking=off\n", non_blocking},
    {"non_blocking_success", LOCAL, non_blocking_success},
    {"datagram", LOCAL, datagram},
    {"at_once", "[local]\nhosts=unix:@DIR@/*.sock\nretry.base=2ms\nretry.attempts=2\n", at_once},
    {"unmatched_host", "[other]\nhosts=127.0.0.2, 10.0.0.0/8, *.example.com, 127.0.0.1:1\n" QUICK, refused_at_once},
    {"other_program", "[rebound]\nskip=test_connect_*\n" LOCAL, refused_at_once},
    {"intercept_off", LOCAL "intercept=off\n", refused_at_once},
    {"intercept_curl", LOCAL "intercept=curl\n", refused_at_once},
    {"unix_by_default", "[default]\n" QUICK "[all]\nhosts=*\n", unix_by_default},
    {"bad_arguments", LOCAL, bad_arguments},
    {"connected_already", LOCAL, connected_already},
    {"local_mistake", LOCAL, local_mistake},
    {"success", LOCAL, success},
    {"namespaces", LOCAL, namespaces},
};

TEST_MAIN(tests)
