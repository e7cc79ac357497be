// SPDX-License-Identifier: MIT
// Stack use of the hooks. Programs run coroutines and signal handlers on stacks of a few KiB.
//
// Each case runs in two new processes, alone and under the library. Each process makes the call on a stack of its own
// that was filled with a pattern, and counts the bytes that changed. The difference of the two counts is the stack of
// the library. Both processes bind all symbols at start: what lazy binding takes is the dynamic linker's stack, and its
// size depends on the processor.
#include <netdb.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "park.h"
#include "web.h"

enum {
    USUAL = 2048,   // limit for the library's part of a call without retries, in bytes
    RETRIED = 4096, // limit for a call with retries
    STACK_SIZE = 512 * 1024,
    PATTERN = 0xa5
};

#define STACK_QUICK POLICY "retry.base=2ms\nretry.attempts=3\nbudget.floor=1000/s\n"
#define STACK_NAMES                                                                                                    \
    "[local]\nhosts=127.0.0.0/8, localhost, *.invalid\nretry.backoff=fixed\nretry.base=2ms\nretry.jitter=none\n"       \
    "retry.attempts=3\nbudget.floor=1000/s\nbreaker=off\ndns.stale=1h\n"

struct stack_case {
    const char *name;
    int limit;
    void (*prepare)(void); // NULL: nothing to prepare
    void (*call)(void);
    bool warm; // the call is made once before the measured one
};

// --- measuring

static ucontext_t stack_back, stack_there;

// Makes the call on a painted stack. Returns how many bytes it used.
static long stack_depth(void (*call)(void))
{
    static char *stack;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (!stack)
        stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(stack != MAP_FAILED);
    memset(stack, PATTERN, STACK_SIZE);
    CHECK_INT(getcontext(&stack_there), 0);
    stack_there.uc_stack.ss_sp = stack;
    stack_there.uc_stack.ss_size = STACK_SIZE;
    stack_there.uc_link = &stack_back;
    makecontext(&stack_there, call, 0);
    CHECK_INT(swapcontext(&stack_back, &stack_there), 0);
    const char *lowest = stack;
    while ((unsigned char) *lowest == PATTERN)
        lowest++;
    return (long) (stack + STACK_SIZE - lowest);
}

// --- the calls; the descriptors are made by the preparation

static struct port stack_port;
static int stack_fd, stack_epoll, stack_ends[2];

static void prepare_refused(void)
{
    if (!stack_port.fd)
        stack_port = port_new();
    stack_fd = stream();
}

static void prepare_alive(void)
{
    if (!stack_port.fd)
        stack_port = port_listening();
    stack_fd = stream();
}

static void call_connect(void)
{
    dial(stack_fd, &stack_port);
}

static void prepare_nonblocking(void)
{
    if (!stack_port.fd)
        stack_port = port_new();
    stack_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void prepare_breaker_open(void)
{
    prepare_refused();
    call_connect();
    close(stack_fd);
    prepare_nonblocking();
}

static void prepare_unix(void)
{
    stack_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void call_connect_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", test_path("none.sock"));
    CHECK_INT(connect(stack_fd, (struct sockaddr *) &address, sizeof(address)), -1);
}

// A connect whose failure the kernel has, but nobody has asked for it.
static void prepare_failed(void)
{
    prepare_nonblocking();
    CHECK_INT(dial(stack_fd, &stack_port), -1);
}

// A connect that failed in a wait: alone it stays so, and the library has parked it.
static void prepare_parked(void)
{
    prepare_failed();
    for (int i = 0; i < 3; i++)
        ready_now(stack_fd, POLLOUT);
    stack_epoll = epoll_for(stack_fd, EPOLLOUT);
    CHECK_INT(pipe(stack_ends), 0);
}

// A connect that the kernel has not decided, and a ready pipe.
static void prepare_pending(void)
{
    static int fillers[2];
    struct epoll_event event = {.events = EPOLLIN};
    if (!fillers[0]) {
        stack_port = port_new();
        port_fill(&stack_port, fillers);
    }
    stack_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    dial(stack_fd, &stack_port);
    stack_epoll = epoll_for(stack_fd, EPOLLOUT);
    CHECK_INT(pipe(stack_ends), 0);
    CHECK_INT(write(stack_ends[1], "x", 1), 1);
    CHECK_INT(epoll_ctl(stack_epoll, EPOLL_CTL_ADD, stack_ends[0], &event), 0);
}

static void prepare_pipe(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_INT(pipe(stack_ends), 0);
    CHECK_INT(write(stack_ends[1], "x", 1), 1);
    stack_fd = stack_ends[0];
    stack_epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(epoll_ctl(stack_epoll, EPOLL_CTL_ADD, stack_fd, &event), 0);
}

static void call_poll(void)
{
    struct pollfd p[2] = {{.fd = stack_fd, .events = POLLOUT}, {.fd = stack_ends[0], .events = POLLIN}};
    CHECK(poll(p, stack_ends[0] ? 2 : 1, 10000) >= 0);
}

static void call_select(void)
{
    struct timeval limit = {.tv_sec = 10};
    fd_set reads, writes;
    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_SET(stack_fd, &writes);
    if (stack_ends[0])
        FD_SET(stack_ends[0], &reads);
    CHECK(select(stack_fd + stack_ends[0] + 1, &reads, &writes, NULL, &limit) >= 0);
}

static void call_epoll(void)
{
    struct epoll_event events[4];
    CHECK(epoll_wait(stack_epoll, events, 4, 10000) >= 0);
}

static void call_epoll_ctl(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
    CHECK_INT(epoll_ctl(stack_epoll, EPOLL_CTL_MOD, stack_fd, &event), 0);
}

static void call_getsockopt(void)
{
    int error;
    socklen_t length = sizeof(error);
    getsockopt(stack_fd, SOL_SOCKET, SO_ERROR, &error, &length);
}

static void call_read(void)
{
    char byte;
    ssize_t got = read(stack_fd, &byte, 1);
    (void) got;
}

static void call_write(void)
{
    ssize_t done = send(stack_fd, "x", 1, MSG_NOSIGNAL);
    (void) done;
}

static void call_close(void)
{
    close(stack_fd);
}

// A connection on which the program has not spoken.
static void prepare_connected(void)
{
    prepare_alive();
    call_connect();
}

static void call_lookup(void)
{
    struct addrinfo *list;
    if (getaddrinfo("localhost", "80", NULL, &list) == 0)
        freeaddrinfo(list);
}

static void call_lookup_unknown(void)
{
    struct addrinfo *list;
    CHECK(getaddrinfo("unknown.invalid", "80", NULL, &list) != 0);
}

static CURL *stack_easy;

static void prepare_curl_refused(void)
{
    static struct bytes body;
    prepare_refused();
    stack_easy = easy_new(port_url(&stack_port, "x"), &body);
}

static void prepare_curl(void)
{
    static struct bytes body;
    if (!web_port.address.sin_port)
        web_start();
    stack_easy = easy_new(web_url("x/ok"), &body);
}

static void prepare_curl_sick(void)
{
    static struct bytes body;
    if (!web_port.address.sin_port)
        web_start();
    stack_easy = easy_new(web_url("y/s503/ok"), &body);
}

static void call_curl(void)
{
    curl_easy_perform(stack_easy);
}

// A connect to a living server, after the policy file was replaced.
static void prepare_reload(void)
{
    prepare_alive();
    call_connect();
    close(stack_fd);
    close(accept(stack_port.fd, NULL, NULL));
    test_write(test_path("policy.ini"), "[local]\nhosts=127.0.0.0/8\ntimeout.total=7s\n");
}

// The library looks at the file once a second. The measured call is repeated until the library has loaded the file.
static void call_until_reloaded(void)
{
    do {
        stack_fd = stream();
        dial(stack_fd, &stack_port);
        close(stack_fd);
        close(accept(stack_port.fd, NULL, NULL));
        test_pause();
    } while (getenv("LD_PRELOAD") && test_log("\"reason\":\"reloaded\"", "") == 0);
}

static void prepare_large(void)
{
    enum { SECTIONS = 20000, ROOM = 64 };
    size_t used = 0;
    char *text = malloc(SECTIONS * ROOM);
    CHECK(text != NULL);
    for (unsigned i = 0; i < SECTIONS; i++)
        used += (size_t) snprintf(text + used, ROOM, "[s%u]\nhosts = *.h%u.example\n", i, i);
    snprintf(text + used, ROOM, "[local]\nhosts = 127.0.0.0/8\n");
    test_write(test_path("policy.ini"), text);
    free(text);
    prepare_alive();
}

static void prepare_invalid(void)
{
    test_write(test_path("policy.ini"), "[local]\nhosts = 127.0.0.0/8\nretry.attempst = 3\n");
    prepare_alive();
}

static const struct stack_case stack_unmatched[] = {
    {"connect, unmatched", USUAL, prepare_alive, call_connect, true},
    {"connect, unmatched, first", USUAL, prepare_alive, call_connect, false},
    {"poll, no flight", USUAL, prepare_pipe, call_poll, true},
    {"select, no flight", USUAL, prepare_pipe, call_select, true},
    {"epoll_wait, no flight", USUAL, prepare_pipe, call_epoll, true},
    {"epoll_ctl, no flight", USUAL, prepare_pipe, call_epoll_ctl, true},
    {"read, no flight", USUAL, prepare_pipe, call_read, true},
    {"close, no flight", USUAL, prepare_pipe, call_close, true},
    {"getaddrinfo, unmatched", USUAL, NULL, call_lookup, true},
    {"curl_easy_perform, unmatched", USUAL, prepare_curl, call_curl, true},
};

static const struct stack_case stack_matched[] = {
    {"connect, first", USUAL, prepare_alive, call_connect, false},
    {"connect, first, large policy", USUAL, prepare_large, call_connect, false},
    {"connect, first, invalid policy", USUAL, prepare_invalid, call_connect, false},
    {"connect", USUAL, prepare_alive, call_connect, true},
    {"close, connected", USUAL, prepare_connected, call_close, true},
    {"connect, refused", RETRIED, prepare_refused, call_connect, true},
    {"connect, refused, first", RETRIED, prepare_refused, call_connect, false},
    {"connect, no Unix socket", RETRIED, prepare_unix, call_connect_unix, true},
    {"connect, non-blocking", USUAL, prepare_nonblocking, call_connect, true},
    {"connect, reload", USUAL, prepare_reload, call_until_reloaded, false},
    {"poll, refused", RETRIED, prepare_failed, call_poll, false},
    {"select, refused", RETRIED, prepare_failed, call_select, false},
    {"epoll_wait, refused", RETRIED, prepare_parked, call_epoll, false},
    {"poll, pending", USUAL, prepare_pending, call_poll, true},
    {"select, pending", USUAL, prepare_pending, call_select, true},
    {"epoll_wait, pending", USUAL, prepare_pending, call_epoll, true},
    {"epoll_ctl, pending", USUAL, prepare_pending, call_epoll_ctl, true},
    {"getsockopt, pending", USUAL, prepare_pending, call_getsockopt, true},
    {"read, pending", USUAL, prepare_pending, call_read, true},
    {"send, pending", USUAL, prepare_pending, call_write, true},
    {"close, pending", USUAL, prepare_pending, call_close, false},
    {"getsockopt, failed", RETRIED, prepare_failed, call_getsockopt, false},
    {"read, failed", RETRIED, prepare_failed, call_read, false},
    {"send, failed", RETRIED, prepare_failed, call_write, false},
};

static const struct stack_case stack_breaker[] = {
    {"connect, breaker", USUAL, prepare_alive, call_connect, true},
    {"connect, refused, breaker", RETRIED, prepare_refused, call_connect, false},
    {"connect, breaker open", USUAL, prepare_refused, call_connect, true},
    {"connect, non-blocking, breaker open", USUAL, prepare_breaker_open, call_connect, false},
};

static const struct stack_case stack_parked[] = {
    {"getsockopt, parked", RETRIED, prepare_parked, call_getsockopt, false},
    {"read, parked", RETRIED, prepare_parked, call_read, false},
    {"send, parked", RETRIED, prepare_parked, call_write, false},
    {"close, parked", USUAL, prepare_parked, call_close, false},
    {"epoll_ctl, parked", USUAL, prepare_parked, call_epoll_ctl, false},
};

static const struct stack_case stack_names[] = {
    {"getaddrinfo, first", USUAL, NULL, call_lookup, false},
    {"getaddrinfo", USUAL, NULL, call_lookup, true},
    {"curl_easy_perform, first", USUAL, prepare_curl, call_curl, false},
    {"curl_easy_perform", USUAL, prepare_curl, call_curl, true},
    {"curl_easy_perform, refused", RETRIED, prepare_curl_refused, call_curl, true},
    {"curl_easy_perform, 503", RETRIED, prepare_curl_sick, call_curl, true},
};

// The cases of start.wait: the success that ends a wait, a connect that waits once, and calls that need not wait.
static const struct stack_case stack_start[] = {
    {"connect, start.wait, first", USUAL, prepare_alive, call_connect, false},
    {"connect, start.wait", USUAL, prepare_alive, call_connect, true},
    {"connect, non-blocking, start.wait", USUAL, prepare_nonblocking, call_connect, true},
    {"connect, refused, start.wait", RETRIED, prepare_refused, call_connect, false},
    {"poll, refused, start.wait", RETRIED, prepare_failed, call_poll, false},
    {"getaddrinfo, start.wait", USUAL, NULL, call_lookup, true},
    {"getaddrinfo, unknown name, start.wait", RETRIED, NULL, call_lookup_unknown, false},
    {"curl_easy_perform, refused, start.wait", RETRIED, prepare_curl_refused, call_curl, false},
};

// --- the two processes of a case

#define STACK_EACH(table, name)                                                                                        \
    for (size_t i_ = 0; i_ < sizeof(table) / sizeof((table)[0]); i_++)                                                 \
        if (strcmp((table)[i_].name, name) == 0)                                                                       \
            return &(table)[i_];

static const struct stack_case *stack_find(const char *name)
{
    STACK_EACH(stack_unmatched, name)
    STACK_EACH(stack_matched, name)
    STACK_EACH(stack_breaker, name)
    STACK_EACH(stack_parked, name)
    STACK_EACH(stack_names, name)
    STACK_EACH(stack_start, name)
    return NULL;
}

static void measure(void)
{
    char text[32];
    const struct stack_case *what = stack_find(getenv("RB_STACK"));
    CHECK(what != NULL);
    for (int again = what->warm; again >= 0; again--) {
        stack_fd = stack_epoll = stack_ends[0] = 0;
        if (what->prepare)
            what->prepare();
        if (again)
            what->call();
    }
    snprintf(text, sizeof(text), "%ld", stack_depth(what->call));
    test_write(test_path("depth"), text);
}

static long stack_of(const char *preload)
{
    CHECK_INT(test_role("measure", preload), 0);
    char *text = test_read(test_path("depth"), NULL);
    long depth = atol(text);
    CHECK(depth > 0);
    free(text);
    return depth;
}

static void stack_check(const struct stack_case *cases, size_t count)
{
    unsigned exceeded = 0;
    size_t length;
    char *policy = test_read(test_path("policy.ini"), &length);
    if (test_is_sanitized())
        test_skip("the sanitizer enlarges the stack frames");
    if (!getenv("RB_STACK_LAZY"))
        setenv("LD_BIND_NOW", "1", 1);
    for (size_t i = 0; i < count; i++) {
        setenv("RB_STACK", cases[i].name, 1);
        unlink(test_path("log"));
        unlink(test_path("state"));
        test_write(test_path("policy.ini"), policy);
        long alone = stack_of(NULL), ours = stack_of(getenv("RB_PRELOAD")) - alone;
        bool fits = ours <= cases[i].limit;
        if (!fits || getenv("RB_STACK_SHOW"))
            dprintf(STDERR_FILENO, "%s: %ld bytes of stack beside %ld; the limit is %d%s\n", cases[i].name, ours, alone,
                    cases[i].limit, fits ? "" : ": exceeded");
        exceeded += !fits;
    }
    free(policy);
    CHECK_INT(exceeded, 0);
}

#define STACK_TEST(table)                                                                                              \
    static void table##_calls(void)                                                                                    \
    {                                                                                                                  \
        stack_check(table, sizeof(table) / sizeof((table)[0]));                                                        \
    }

STACK_TEST(stack_unmatched)
STACK_TEST(stack_matched)
STACK_TEST(stack_breaker)
STACK_TEST(stack_parked)
STACK_TEST(stack_names)
STACK_TEST(stack_start)

static const struct test tests[] = {
    {"unmatched_calls", "[other]\nhosts=192.0.2.1\n", stack_unmatched_calls},
    {"matched_calls", STACK_QUICK, stack_matched_calls},
    {"calls_with_a_breaker",
     "[local]\nhosts=127.0.0.0/8\nretry.base=2ms\nretry.attempts=3\nbreaker.window=2\nbreaker.min_calls=2\n"
     "breaker.refuse=always\n",
     stack_breaker_calls},
    {"calls_on_parked_sockets", LONG, stack_parked_calls},
    {"lookups_and_transfers", STACK_NAMES, stack_names_calls},
    {"calls_that_wait_for_a_start", STACK_NAMES "start.wait=1500ms\n", stack_start_calls},
    {"measure", NULL, measure},
};

TEST_MAIN(tests)
