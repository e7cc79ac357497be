// SPDX-License-Identifier: MIT
// Connects where the means run short: no descriptors, no sleep, no /proc, and sockets that would meet themselves.
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "network.h"
#include "sandbox.h"

#define LOCAL "[local]\nhosts=127.0.0.0/8\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define SLOW LOCAL "retry.base=8s\n"
#define FAST LOCAL "retry.base=1ms\n"

// The first connect reads the policy, which needs a descriptor.
static void read_the_policy(void)
{
    struct port port = port_listening();
    CHECK_INT(dial_once(&port), 0);
    close(port.fd);
}

// A process that makes a port listen as soon as its parent waits for the next attempt.
static pid_t open_in_wait(const struct port *port)
{
    pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (child != 0)
        return child;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int) parent);
    alarm(TEST_LIMIT_S); // the parent may have failed
    for (long number = -1; number != SYS_clock_nanosleep && number != SYS_nanosleep; test_pause()) {
        char *text = test_read(path, NULL);
        number = text[0] >= '0' && text[0] <= '9' ? atol(text) : -1;
        free(text);
    }
    CHECK_INT(listen(port->fd, 16), 0);
    _exit(0);
}

// No descriptor is left. Waits need none, so the connect is repeated.
static void no_descriptors(void)
{
    struct port port = port_new();
    int fd = stream();
    struct rlimit limit;
    read_the_policy();
    pid_t child = open_in_wait(&port);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (dup(fd) >= 0)
        continue;
    CHECK_INT(errno, EMFILE);
    CHECK_INT(dial(fd, &port), 0);
    CHECK_INT(test_status(child), 0);
}

// The same by a limit below what is open already.
static void lowered_limit(void)
{
    struct port port = port_new();
    int fd = stream();
    struct rlimit limit = {.rlim_cur = 0};
    struct rlimit before;
    read_the_policy();
    pid_t child = open_in_wait(&port);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit.rlim_max = before.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_INT(dial(fd, &port), 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(test_status(child), 0);
}

// A sandbox without sleep: the program gets its own failure, and the log says why.
static void no_sleep(void)
{
    struct port port = port_new();
    int fd = stream();
    refuse_call(SYS_clock_nanosleep);
    refuse_call(SYS_nanosleep);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
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
    {"no_sleep", SLOW, no_sleep},
    {"no_random", LOCAL "retry.base=2ms\n", no_random},
    {"no_leak", FAST "retry.attempts=2\n", no_leak},
    {"refused_with_retries", NULL, refused_with_retries},
    {"no_proc", FAST, no_proc},
    {"never_meets_itself", FAST "retry.attempts=100\n", never_meets_itself},
    {"log_to_full_disk", NULL, log_to_full_disk},
    {"bad_logs", FAST, bad_logs},
};

TEST_MAIN(tests)
