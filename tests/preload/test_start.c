// SPDX-License-Identifier: MIT
// The start of a program: what is done before the first call that a policy concerns, and what holds afterwards.
#include <dlfcn.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "network.h"
#include "trace.h"

enum { NOBODY = 65534, CALLS = 1024, ADDITIONAL_MAPPINGS = 2 };

static const char *object_path(const char *name)
{
    static char path[600];
    const char *directory = getenv("RB_PLUGINS");
    snprintf(path, sizeof(path), "%s/object_%s.so", directory ? directory : RB_BUILD_DIR "/preload", name);
    return path;
}

static void skip_sanitized(void)
{
    if (test_is_sanitized())
        test_skip("the sanitizer makes system calls of its own");
}

// --- system calls of a program

// How often a traced program made each call, and how often the path that it gave named a file of ours.
struct traced {
    unsigned calls[CALLS];
    unsigned ours;
};

// The first 200 bytes of a text in the child, up to the end of its page.
static const char *text_at(pid_t child, uint64_t address)
{
    static char text[201];
    size_t length = 4096 - address % 4096;
    struct iovec here = {text, length < 200 ? length : 200}, there = {(void *) (uintptr_t) address, here.iov_len};
    ssize_t got = process_vm_readv(child, &here, 1, &there, 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static bool is_path_of_ours(const char *path)
{
    return strstr(path, getenv("RB_TEST_DIR")) || strstr(path, "rebound/policy.ini") || strstr(path, "/dev/shm") ||
           strstr(path, "/proc/");
}

static void note_call(void *context, pid_t child, const struct __ptrace_syscall_info *call)
{
    struct traced *traced = context;
    if (call->entry.nr < CALLS)
        traced->calls[call->entry.nr]++;
    if (call->entry.nr == SYS_openat || call->entry.nr == SYS_newfstatat || call->entry.nr == SYS_readlinkat)
        traced->ours += is_path_of_ours(text_at(child, call->entry.args[1]));
}

// Runs a program, or a role of this one, from its first instruction to its end.
static struct traced trace(const char *program, const char *role, const char *preload)
{
    struct traced traced = {0};
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        test_execute(program, role, preload);
    }
    trace_to_end(child, note_call, &traced);
    return traced;
}

// How many more there may be: our data is mapped, and the file behind stderr is asked for.
static unsigned more_calls(unsigned number)
{
    switch (number) {
    case SYS_mmap:
    case SYS_mprotect:
        return ADDITIONAL_MAPPINGS;
    case SYS_newfstatat:
        return 1;
    default:
        return 0;
    }
}

// The program makes no more system calls than with another library.
static void check_same_calls(const struct traced *ours, const struct traced *others)
{
    CHECK_INT(ours->ours, 0);
    for (unsigned i = 0; i < CALLS; i++) {
        bool few = ours->calls[i] <= others->calls[i] + more_calls(i);
        if (!few)
            dprintf(STDERR_FILENO, "system call %u: %u times, not %u\n", i, ours->calls[i], others->calls[i]);
        CHECK(few);
    }
}

static void start_of_true(void)
{
    skip_sanitized();
    struct traced others = trace("/bin/true", "true", object_path("opener"));
    struct traced ours = trace("/bin/true", "true", getenv("RB_PRELOAD"));
    check_same_calls(&ours, &others);
}

static void start_with_the_builtin_policy(void)
{
    setenv("REBOUND_POLICY", "builtin:default", 1);
    start_of_true();
}

static void start_without_a_policy(void)
{
    setenv("HOME", "/nonexistent", 1);
    unsetenv("REBOUND_POLICY");
    unsetenv("XDG_CONFIG_HOME");
    start_of_true();
}

static void start_switched_off(void)
{
    setenv("REBOUND_DISABLE", "1", 1);
    start_of_true();
}

// Calls that no policy concerns.
static void unconcerned(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct epoll_event event = {.events = EPOLLIN};
    struct sigaction action = {.sa_handler = SIG_IGN};
    int pipes[2], epfd = epoll_create1(0), datagram = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char byte = 0;
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    CHECK(libc && dlsym(libc, "connect") && dlsym(libc, "getpid") && dlsym(RTLD_DEFAULT, "connect"));
    CHECK_INT(dlclose(libc), 0);
    CHECK_INT(pipe(pipes), 0);
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, pipes[0], &event), 0);
    CHECK_INT(write(pipes[1], &byte, 1), 1);
    CHECK_INT(epoll_wait(epfd, &event, 1, -1), 1);
    CHECK_INT(read(pipes[0], &byte, 1), 1);
    CHECK_INT(poll(&(struct pollfd){.fd = pipes[1], .events = POLLOUT}, 1, -1), 1);
    CHECK(dup2(pipes[0], pipes[1]) >= 0);
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    (void) connect(datagram, (const struct sockaddr *) &address, sizeof(address));
    CHECK(connect(-1, (const struct sockaddr *) &address, sizeof(address)) < 0);
    CHECK(connect(pipes[0], (const struct sockaddr *) &address, sizeof(address)) < 0);
}

static void other_calls(void)
{
    skip_sanitized();
    CHECK_INT(trace(getenv("RB_TEST_PROGRAM"), "unconcerned", getenv("RB_PRELOAD")).ours, 0);
}

// The role that shows that the trace would see it.
static void one_connect(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
}

static void first_connect(void)
{
    skip_sanitized();
    CHECK(trace(getenv("RB_TEST_PROGRAM"), "one_connect", getenv("RB_PRELOAD")).ours > 0);
    CHECK_INT(test_log(RETRY, ""), 2);
}

// --- what the program changes before its first call

static void overwrite_environment(void)
{
    for (char **entry = environ; *entry; entry++)
        memset(*entry, 'x', strlen(*entry));
    environ = NULL;
}

static void changed_environment(void)
{
    char *directory = strdup(getenv("RB_TEST_DIR")), *preload = strdup(getenv("RB_PRELOAD"));
    struct port port = port_new();
    overwrite_environment();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    setenv("RB_TEST_DIR", directory, 1); // what the test itself needs
    setenv("RB_PRELOAD", preload, 1);
    CHECK_INT(test_log(RETRY, ""), 2);
    free(directory);
    free(preload);
}

static void changed_directory(void)
{
    struct port port = port_new();
    CHECK_INT(chdir("/"), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
}

static void relative_policy(void)
{
    CHECK_INT(chdir(getenv("RB_TEST_DIR")), 0);
    setenv("REBOUND_POLICY", "policy.ini", 1);
    CHECK_INT(test_under("changed_directory"), 0);
}

// --- processes

// The child and its parent each connect for the first time.
static void child_connects_first(void)
{
    struct port port = port_new();
    pid_t child = fork();
    if (child == 0)
        _exit(dial_once(&port) == ECONNREFUSED ? 0 : 1);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(test_log(RETRY, ""), 2);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 4);
}

static int dial_slow(struct port *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
    socklen_t length = sizeof(error);
    CHECK(dial(fd, port) < 0 && errno == EINPROGRESS);
    CHECK_INT(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1), 1);
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    close(fd);
    return error;
}

// A vfork child runs in the parent's memory. It must not claim that memory, or the parent would lose its connects in
// flight.
static void vfork_child_connects_first(void)
{
    static struct port port;
    port = port_new();
    pid_t child = vfork();
    if (child == 0) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        dial(fd, &port);
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    CHECK_INT(dial_slow(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
}

// A child looks a name up, and its parent connects.
static void child_looks_up(void)
{
    struct port port = port_new();
    pid_t child = fork();
    if (child == 0) {
        struct addrinfo *found = NULL, hints = {.ai_family = AF_INET};
        _exit(getaddrinfo("localhost", "80", &hints, &found));
    }
    if (test_status(child) != 0)
        test_skip("localhost is not known here");
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, "\"host\":\"localhost"), 2);
}

static void forks(void)
{
    for (int left = atoi(getenv("RB_WAY")); left > 0; left--) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        CHECK_INT(test_status(child), 0);
    }
}

// The table of names is made once.
static void each_fork_maps_nothing(void)
{
    skip_sanitized();
    setenv("RB_WAY", "1", 1);
    struct traced once = trace(getenv("RB_TEST_PROGRAM"), "forks", getenv("RB_PRELOAD"));
    setenv("RB_WAY", "9", 1);
    struct traced often = trace(getenv("RB_TEST_PROGRAM"), "forks", getenv("RB_PRELOAD"));
    CHECK_INT(often.calls[SYS_mmap], once.calls[SYS_mmap]);
}

// --- changes of the user and the root

// The test's directory is root's alone, but for the log, which is there already.
static void hide_policy(void)
{
    char log[512];
    if (geteuid() != 0)
        test_skip("only root can change the user");
    snprintf(log, sizeof(log), "/tmp/rebound-start-log.%d", (int) getpid());
    test_write(log, "");
    CHECK_INT(chmod(log, 0666), 0);
    CHECK_INT(chmod(getenv("RB_TEST_DIR"), 0700), 0);
    setenv("REBOUND_LOG", log, 1);
    setenv("REBOUND_STATE", "private", 1);
}

static unsigned retries_in(const char *log)
{
    unsigned count = 0;
    char *text = test_read(log, NULL);
    for (const char *at = text; (at = strstr(at, RETRY)); at++)
        count++;
    free(text);
    return count;
}

static void change_user(const char *way)
{
    gid_t group = NOBODY;
    if (strcmp(way, "setuid") == 0)
        CHECK_INT(setuid(NOBODY), 0);
    else if (strcmp(way, "seteuid") == 0)
        CHECK_INT(seteuid(NOBODY), 0);
    else if (strcmp(way, "setreuid") == 0)
        CHECK_INT(setreuid(NOBODY, NOBODY), 0);
    else if (strcmp(way, "setresuid") == 0)
        CHECK_INT(setresuid(NOBODY, NOBODY, NOBODY), 0);
    else if (strcmp(way, "setfsuid") == 0)
        CHECK_INT(setfsuid(NOBODY), 0);
    else if (strcmp(way, "chroot") == 0)
        CHECK_INT(chroot("/tmp"), 0);
    else if (strcmp(way, "unshare") == 0)
        CHECK(unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
              mount("none", getenv("RB_TEST_DIR"), "tmpfs", 0, NULL) == 0);
    else if (strcmp(way, "groups") == 0) // by a raw call what the hooks of the groups had to see before
        CHECK(setgroups(1, &group) == 0 && setgid(group) == 0 && syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0);
}

// A daemon that has dropped its rights before its first connect.
static void dropped(void)
{
    struct port port = port_new();
    change_user(getenv("RB_WAY"));
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(retries_in(getenv("REBOUND_LOG")), 2);
}

static void policy_is_read_before(void)
{
    static const char *const ways[] = {"setuid",   "seteuid", "setreuid", "setresuid",
                                       "setfsuid", "groups",  "chroot",   "unshare"};
    hide_policy();
    char *log = strdup(getenv("REBOUND_LOG"));
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        setenv("RB_WAY", ways[i], 1);
        test_write(log, "");
        bool below = strcmp(ways[i], "chroot") == 0; // the file's name in the new root
        setenv("REBOUND_LOG", below ? log + strlen("/tmp") : log, 1);
        int status = test_under("dropped");
        if (status != 0)
            dprintf(STDERR_FILENO, "%s: status %d\n", ways[i], status);
        CHECK_INT(status, 0);
    }
    unlink(log);
    free(log);
}

// Results and errno of these calls are the C library's.
static void tell_drops(void)
{
    int fd = test_open_report();
    gid_t group = NOBODY;
    errno = 0;
    dprintf(fd, "chroot %d %d\n", chroot("/nonexistent"), errno);
    dprintf(fd, "setgroups %d %d\n", setgroups((size_t) -1 / 8, &group), errno);
    dprintf(fd, "initgroups %d\n", initgroups("nobody", NOBODY));
    dprintf(fd, "setfsgid %d\n", setfsgid(NOBODY));
    dprintf(fd, "setfsgid %d\n", setfsgid((gid_t) -1));
    dprintf(fd, "setegid %d\n", setegid(NOBODY));
    dprintf(fd, "setregid %d\n", setregid((gid_t) -1, NOBODY));
    dprintf(fd, "setresgid %d\n", setresgid(NOBODY, NOBODY, NOBODY));
    dprintf(fd, "setgid %d\n", setgid(NOBODY));
    dprintf(fd, "setfsuid %d\n", setfsuid(NOBODY));
    dprintf(fd, "setfsuid %d\n", setfsuid((uid_t) -1));
    dprintf(fd, "seteuid %d\n", seteuid(NOBODY));
    dprintf(fd, "setreuid %d\n", setreuid((uid_t) -1, NOBODY));
    dprintf(fd, "setresuid %d\n", setresuid(NOBODY, NOBODY, NOBODY));
    dprintf(fd, "setuid %d\n", setuid(NOBODY));
    int result = setuid(0);
    dprintf(fd, "setuid %d %d\n", result, errno);
    result = setgid(0);
    dprintf(fd, "setgid %d %d\n", result, errno);
    close(fd);
}

static void drops_as_alone(void)
{
    test_same_report("tell_drops");
}

#define QUICK "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.jitter=none\nretry.base=2ms\nbreaker=off\n"
#define NAMED "[local]\nhosts=localhost\nretry.backoff=fixed\nretry.jitter=none\nretry.base=2ms\nbreaker=off\n"

static const struct test tests[] = {
    {"start_of_true", QUICK, start_of_true},
    {"start_with_the_builtin_policy", QUICK, start_with_the_builtin_policy},
    {"start_without_a_policy", QUICK, start_without_a_policy},
    {"start_switched_off", QUICK, start_switched_off},
    {"other_calls", QUICK, other_calls},
    {"first_connect", QUICK, first_connect},
    {"changed_environment", QUICK, changed_environment},
    {"relative_policy", QUICK, relative_policy},
    {"child_connects_first", QUICK, child_connects_first},
    {"vfork_child_connects_first", QUICK, vfork_child_connects_first},
    {"child_looks_up", NAMED, child_looks_up},
    {"each_fork_maps_nothing", QUICK, each_fork_maps_nothing},
    {"policy_is_read_before", QUICK, policy_is_read_before},
    {"drops_as_alone", QUICK, drops_as_alone},
    {"unconcerned", NULL, unconcerned},
    {"one_connect", NULL, one_connect},
    {"changed_directory", NULL, changed_directory},
    {"dropped", NULL, dropped},
    {"tell_drops", NULL, tell_drops},
    {"forks", NULL, forks},
};

TEST_MAIN(tests)
