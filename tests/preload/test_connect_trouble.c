// SPDX-License-Identifier: MIT
// Connects where the means run short: no descriptors, no timers, no /proc, and sockets that would meet themselves.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "network.h"

#define LOCAL "[local]\nhosts=127.0.0.0/8\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define SLOW LOCAL "retry.base=8s\n"
#define FAST LOCAL "retry.base=1ms\n"

static void check_at_once(const struct port *port, int fd)
{
    uint64_t began = test_now_ms();
    CHECK_INT(dial(fd, port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 6000);
}

// No descriptor is left for a timer: the program gets its own failure, not EMFILE, and no wait.
static void no_descriptors(void)
{
    struct port port = port_new();
    int fd = stream();
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (dup(fd) >= 0)
        continue;
    CHECK_INT(errno, EMFILE);
    check_at_once(&port, fd);
}

// The same by a limit below what is open already.
static void lowered_limit(void)
{
    struct port port = port_new();
    int fd = stream();
    struct rlimit limit = {.rlim_cur = 0};
    struct rlimit before;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit.rlim_max = before.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    check_at_once(&port, fd);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void refuse_call(unsigned number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        test_skip("no seccomp");
}

// A sandbox without timers: likewise, and the log says why.
static void no_timers(void)
{
    struct port port = port_new();
    int fd = stream();
    refuse_call(SYS_timerfd_create);
    check_at_once(&port, fd);
    CHECK_INT(test_log(STOP, "\"reason\":\"resource\""), 1);
}

// A sandbox without random numbers still gets its jitter.
static void no_random(void)
{
    struct port port = port_new();
    refuse_call(SYS_getrandom);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
}

// A thousand calls that fail leave the descriptor table as it was.
static void no_leak(void)
{
    enum { CALLS = 1000 };
    struct port port = port_new();
    int fd = stream();
    unsigned before = test_descriptors();
    for (int i = 0; i < CALLS; i++) {
        CHECK_INT(dial(fd, &port), -1);
        CHECK_INT(errno, ECONNREFUSED);
    }
    CHECK_INT(test_descriptors(), before);
    CHECK_INT(test_log(STOP, ""), CALLS);
}

static void refused_with_retries(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
}

// Without /proc the library works all the same.
static void no_proc(void)
{
    if (test_is_sanitized())
        test_skip("the address sanitizer needs /proc");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || mount("none", "/proc", "tmpfs", 0, NULL) != 0)
        test_skip("no namespaces");
    CHECK_INT(access("/proc/self", F_OK), -1);
    CHECK_INT(test_under("refused_with_retries"), 0);
    CHECK_INT(test_log(RETRY, ""), 2);
}

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

// A socket whose source port comes from the four ports that begin with the target's.
static int narrow_stream(const struct port *port)
{
    unsigned first = ntohs(port->address.sin_port), range = first | (first + 3) << 16;
    int fd = stream();
    if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) != 0)
        test_skip("no port range by socket");
    return fd;
}

// A bound port is nobody's source port; one that no one has bound may be.
static struct port port_below(unsigned highest)
{
    struct port port = port_new();
    while (ntohs(port.address.sin_port) > highest) {
        close(port.fd);
        port = port_new();
    }
    return port;
}

static bool meets_itself(int fd, const struct port *port)
{
    struct sockaddr_in own;
    socklen_t length = sizeof(own);
    CHECK_INT(getsockname(fd, (struct sockaddr *) &own, &length), 0);
    return own.sin_port == port->address.sin_port;
}

// Shows that the kernel does connect such a socket to itself now and then, or the next test would prove nothing.
static void check_that_it_happens(const struct port *port)
{
    for (bool met = false; !met;) {
        int fd = narrow_stream(port);
        met = dial_bare(fd, port) == 0 && meets_itself(fd, port);
        struct linger at_once = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
    }
}

static void *free_the_port(void *context)
{
    const struct port *port = context;
    test_await_log(RETRY, "", test_log(STOP, "") * 99 + 1);
    close(port->fd);
    return NULL;
}

// A closed port of the range that source ports come from: of 100 attempts some would meet themselves. They count as
// refused, the call never ends connected to itself. (The first attempt is the kernel's own business.)
static void never_meets_itself(void)
{
    struct port port = port_below(65000);
    pthread_t thread;
    int fd = narrow_stream(&port);
    CHECK_INT(pthread_create(&thread, NULL, free_the_port, &port), 0);
    CHECK_INT(dial(fd, &port), -1);
    CHECK(errno == ECONNREFUSED || errno == EADDRNOTAVAIL);
    CHECK(test_log(RETRY, "") > 1);
    CHECK_INT(test_log(RECOVERED, ""), 0);
    thread_end(thread);
    check_that_it_happens(&port);
}

// The log is a full disk, a directory, a pipe that nobody reads: the connect does not care.
static void log_to_full_disk(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
}

static void bad_logs(void)
{
    static const char *const logs[] = {"/dev/full", "/", "/nonexistent/log", "stderr"};
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        setenv("REBOUND_LOG", logs[i], 1);
        int saved = dup(STDERR_FILENO);
        if (strcmp(logs[i], "stderr") == 0)
            close(STDERR_FILENO);
        CHECK_INT(test_under("log_to_full_disk"), 0);
        dup2(saved, STDERR_FILENO);
        close(saved);
    }
}

static const struct test tests[] = {
    {"no_descriptors", SLOW, no_descriptors},
    {"lowered_limit", SLOW, lowered_limit},
    {"no_timers", SLOW, no_timers},
    {"no_random", LOCAL "retry.base=2ms\n", no_random},
    {"no_leak", FAST "retry.attempts=2\n", no_leak},
    {"refused_with_retries", NULL, refused_with_retries},
    {"no_proc", FAST, no_proc},
    {"never_meets_itself", FAST "retry.attempts=100\n", never_meets_itself},
    {"log_to_full_disk", NULL, log_to_full_disk},
    {"bad_logs", FAST, bad_logs},
};

TEST_MAIN(tests)
