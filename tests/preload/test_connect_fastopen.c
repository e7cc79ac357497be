// SPDX-License-Identifier: MIT
// Data that leaves with the SYN (TCP Fast Open): it is sent again only after a refusal. In a network namespace of its
// own, where Fast Open is switched on for clients and servers.
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <net/if.h>

#include "network.h"

#define ALL "[default]\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define THREE ALL "retry.base=1ms\nretry.attempts=3\n"
#define PATIENT ALL "retry.base=20ms\nretry.attempts=100\n"

enum { CLIENTS_AND_SERVERS = 3, ROUNDS = 600 };

static void try_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    if (written < 0)
        test_skip(path);
}

static void enter(void)
{
    char map[64];
    snprintf(map, sizeof(map), "0 %d 1", (int) getuid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        test_skip("no network namespaces");
    try_write("/proc/self/setgroups", "deny");
    try_write("/proc/self/uid_map", map);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = stream();
    CHECK_INT(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
    close(fd);
    char value[2] = {'0' + CLIENTS_AND_SERVERS};
    try_write("/proc/sys/net/ipv4/tcp_fastopen", value);
}

static ssize_t send_first(int fd, const struct port *port, const char *text, int flags)
{
    return sendto(fd, text, strlen(text), MSG_FASTOPEN | MSG_NOSIGNAL | flags, (const struct sockaddr *) &port->address,
                  sizeof(port->address));
}

// Accepts data with the SYN, counts it by its number, and resets.
static _Noreturn void serve(int listener, int *processed)
{
    for (;;) {
        char text[32] = "";
        int fd = accept(listener, NULL, NULL);
        if (recv(fd, text, sizeof(text) - 1, 0) > 0)
            processed[atoi(text)]++;
        struct linger at_once = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
    }
}

static struct port fast_port(void)
{
    int backlog = 64;
    struct port port = port_new();
    CHECK_INT(setsockopt(port.fd, IPPROTO_TCP, TCP_FASTOPEN, &backlog, sizeof(backlog)), 0);
    CHECK_INT(listen(port.fd, backlog), 0);
    return port;
}

// The kernel knows the cookie of the loopback address afterwards.
static void learn_cookie(const struct port *port)
{
    int fd = stream();
    CHECK_INT(send_first(fd, port, "0", 0), 1);
    close(fd);
}

static void reset_after_data(void)
{
    enter();
    struct port port = fast_port();
    int *processed = mmap(NULL, ROUNDS * sizeof(*processed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int resets = 0;
    CHECK(processed != MAP_FAILED);
    pid_t server = fork();
    if (server == 0)
        serve(port.fd, processed);
    learn_cookie(&port);
    for (int i = 1; i < ROUNDS; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%d", i);
        int fd = stream();
        resets += send_first(fd, &port, text, 0) < 0 && errno == ECONNRESET;
        close(fd);
    }
    kill(server, SIGKILL);
    CHECK_INT(waitpid(server, NULL, 0), server);
    for (int i = 1; i < ROUNDS; i++)
        CHECK_BETWEEN(processed[i], 0, 1);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(test_log(STOP, "\"reason\":\"method\""), resets);
}

// Nobody answers the SYN and its data: they may have been taken.
static void timeout_after_data(void)
{
    enter();
    struct port port = fast_port(), full = fast_port();
    int tries = 1, fds[8];
    learn_cookie(&port);
    CHECK_INT(listen(full.fd, 0), 0);
    for (int i = 0; i < 8; i++) { // fills the backlog
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        dial_bare(fds[i], &full);
    }
    int fd = stream();
    CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &tries, sizeof(tries)), 0);
    CHECK_INT(send_first(fd, &full, "x", 0), -1);
    CHECK_INT(errno, ETIMEDOUT);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(test_log(STOP, "\"reason\":\"method\""), 1);
}

// No route: a plain connect is repeated, data is not.
static void unreachable(void)
{
    enter();
    struct port port = port_new();
    CHECK_INT(inet_pton(AF_INET, "192.0.2.1", &port.address.sin_addr), 1);
    CHECK_INT(send_first(stream(), &port, "x", 0), -1);
    CHECK_INT(errno, ENETUNREACH);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(dial_once(&port), ENETUNREACH);
    CHECK_INT(test_log(RETRY, "\"cause\":\"unreachable\""), 2);
}

static void *listen_late(void *context)
{
    const struct port *port = context;
    test_await_log(RETRY, "\"cause\":\"refused\"", 2);
    CHECK_INT(listen(port->fd, 8), 0);
    return NULL;
}

// A refusal proves that nobody took the data: it is sent again, and arrives once.
static void refused(void)
{
    enter();
    struct port port = port_new();
    pthread_t thread;
    char text[16] = "";
    int fd = stream();
    CHECK_INT(pthread_create(&thread, NULL, listen_late, &port), 0);
    CHECK_INT(send_first(fd, &port, "hello", 0), 5);
    CHECK_INT(pthread_join(thread, NULL), 0);
    int peer = accept(port.fd, NULL, NULL);
    CHECK_INT(shutdown(fd, SHUT_WR), 0);
    CHECK_INT(recv(peer, text, sizeof(text), MSG_WAITALL), 5);
    CHECK_TEXT(text, "hello");
    CHECK_INT(test_log(RECOVERED, ""), 1);
}

// With a cookie the call says that the data was taken while the SYN is on its way. What becomes of it is the program's.
static void non_blocking(void)
{
    enter();
    struct port port = fast_port(), none = port_new();
    learn_cookie(&port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_INT(send_first(fd, &none, "x", 0), 1);
    CHECK_INT(finished(fd), ECONNREFUSED);
    fd = stream();
    CHECK_INT(send_first(fd, &none, "x", MSG_DONTWAIT), 1);
    CHECK_INT(finished(fd), ECONNREFUSED);
    CHECK_INT(test_log_lines(), 0);
}

// TCP_FASTOPEN_CONNECT: the connect says 0, and the write takes the data with the SYN.
static void by_option(void)
{
    enter();
    struct port port = fast_port(), none = port_new();
    int on = 1;
    learn_cookie(&port);
    int fd = stream();
    CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)), 0);
    CHECK_INT(dial(fd, &none), 0);
    CHECK_INT(write(fd, "x", 1), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(test_log_lines(), 0);
}

// sendmsg passes through.
static void message(void)
{
    enter();
    struct port port = port_new();
    struct iovec part = {"x", 1};
    struct msghdr head = {
        .msg_name = &port.address, .msg_namelen = sizeof(port.address), .msg_iov = &part, .msg_iovlen = 1};
    CHECK_INT(sendmsg(stream(), &head, MSG_FASTOPEN | MSG_NOSIGNAL), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(test_log_lines(), 0);
}

static const struct test tests[] = {
    {"reset_after_data", THREE, reset_after_data},
    {"timeout_after_data", THREE, timeout_after_data},
    {"unreachable", THREE, unreachable},
    {"refused", PATIENT, refused},
    {"non_blocking", THREE, non_blocking},
    {"by_option", THREE, by_option},
    {"message", THREE, message},
};

TEST_MAIN(tests)
