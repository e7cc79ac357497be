// SPDX-License-Identifier: MIT
// Blocking connects that fail at first: repeated on the same descriptor, exactly as the policy says.
#include <netdb.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mount.h>

#include "network.h"
#include "trace.h"

#define QUICK "retry.backoff=fixed\nretry.base=5ms\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define PATIENT "[local]\nhosts=127.0.0.0/8\nretry.attempts=100\n" QUICK

// The port refuses three times, then it listens: the program sees one connect that succeeds, with errno as it was.
static void late_listener(void)
{
    struct port port = port_new();
    struct opener opener = {.port = &port, .count = 3};
    int fd = stream();
    open_after(&opener);
    errno = EXDEV;
    CHECK_INT(dial(fd, &port), 0);
    CHECK_INT(errno, EXDEV);
    CHECK(is_peer(fd, &port));
    thread_end(opener.thread);
    CHECK(test_log(RETRY, "\"cause\":\"refused\"") >= 3);
    CHECK_INT(test_log(RECOVERED, "\"policy\":\"local\""), 1);
    CHECK_INT(test_log(STOP, ""), 0);
}

// Options, source address, descriptor flags and epoll registrations belong to the socket, and the socket stays.
static void keeps_the_socket(void)
{
    struct port port = port_new(), source = port_at("127.0.0.5");
    struct opener opener = {.port = &port, .count = 2};
    struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 0x1234567890abcdef};
    struct sockaddr_in own;
    socklen_t length = sizeof(own);
    int fd = stream(), queue = epoll_create1(EPOLL_CLOEXEC), on = 1, value = 0;
    close(source.fd);
    CHECK_INT(bind(fd, (struct sockaddr *) &source.address, sizeof(source.address)), 0);
    CHECK_INT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
    CHECK_INT(epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event), 0);
    open_after(&opener);
    CHECK_INT(dial(fd, &port), 0);
    thread_end(opener.thread);
    CHECK_INT(getsockname(fd, (struct sockaddr *) &own, &length), 0);
    CHECK(own.sin_addr.s_addr == source.address.sin_addr.s_addr && own.sin_port == source.address.sin_port);
    length = sizeof(value);
    CHECK_INT(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
    CHECK(value != 0);
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &length), 0);
    CHECK(value != 0);
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    memset(&event, 0, sizeof(event));
    CHECK_INT(epoll_wait(queue, &event, 1, 0), 1);
    CHECK(event.data.u64 == 0x1234567890abcdef && event.events == EPOLLOUT);
}

// Four attempts are three retries and one refusal that the program gets, with the right errno.
static void gives_up(void)
{
    struct port port = port_new();
    int fd = stream();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 3);
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), 1);
    CHECK_INT(test_log(STOP, "\"attempt\":4,"), 1);
    CHECK_INT(pending_error(fd), 0);
    CHECK_INT(listen(port.fd, 1), 0);
    CHECK_INT(dial(fd, &port), 0); // the descriptor is as good as after a bare refusal
}

// The role of the traced child: one connect that is refused.
static void refused_once(void)
{
    struct port port = port_new();
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
}

static void count_connects(void *context, pid_t child, const struct __ptrace_syscall_info *call)
{
    (void) child;
    *(unsigned *) context += call->entry.nr == SYS_connect;
}

// The log and the kernel count the same: four attempts are four system calls.
static void counted_by_the_kernel(void)
{
    unsigned connects = 0;
    pid_t child = fork();
    if (child == 0) {
        refused_once();
        _exit(0);
    }
    trace_to_end(child, count_connects, &connects);
    CHECK_INT(connects, 4);
}

enum { GOOD_CONNECTS = 8 };

// One connect, between two calls that mark it for the trace.
static void marked_connect(const void *address)
{
    int fd = stream();
    getppid();
    CHECK_INT(connect(fd, address, sizeof(struct sockaddr_in)), 0);
    getppid();
    close(fd);
}

// The role of the traced child: connects with addresses on the heap and in an older part of the stack.
static __attribute__((noinline)) void connect_often(const struct sockaddr_in *on_stack)
{
    volatile char frame[8192] = "";
    struct sockaddr_in *on_heap = sbrk(4096);
    memcpy(on_heap, on_stack, sizeof(*on_heap));
    CHECK_INT(frame[1], 0);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    for (unsigned i = 0; i < GOOD_CONNECTS; i++) {
        marked_connect(on_stack);
        marked_connect(on_heap);
    }
}

struct marked_calls {
    bool inside;
    unsigned connects, asked;
    uint64_t heap; // where the address on the heap begins
};

// Counts the calls that ask about memory: they pass the address itself, or the begin of a page on the way to it, as a
// set of signals. The library passes other sets now and then.
static void count_asked(void *context, pid_t child, const struct __ptrace_syscall_info *call)
{
    enum { PAGE = 4096, WORD = 8 };
    struct marked_calls *calls = context;
    uint64_t set = call->entry.args[1];
    bool about_memory = set == calls->heap / WORD * WORD || (set != 0 && set % PAGE == 0);
    (void) child;
    calls->inside ^= call->entry.nr == SYS_getppid;
    calls->connects += calls->inside && call->entry.nr == SYS_connect;
    bool later = calls->connects >= 2; // the first two read the policy, attach the state and learn where the memory is
    calls->asked += calls->inside && later && call->entry.nr == SYS_rt_sigprocmask && about_memory;
}

// Whether the address can be read is not asked for each connect.
static void good_connects_are_cheap(void)
{
    struct marked_calls calls = {.heap = (uintptr_t) sbrk(0)};
    struct port port = port_listening();
    pid_t child = fork();
    if (child == 0) {
        connect_often(&port.address);
        _exit(0);
    }
    trace_to_end(child, count_asked, &calls);
    CHECK_INT(calls.connects, 2 * GOOD_CONNECTS);
    CHECK_INT(calls.asked, 0);
}

// The waits of the log are those of the policy (linear: 10, 20, 30 ms), and the call takes at least as long.
static void waits_as_told(void)
{
    struct port port = port_new();
    uint64_t began = test_now_ms();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 60, 10000);
    CHECK_INT(test_log(RETRY, "\"delay_ms\":10,"), 1);
    CHECK_INT(test_log(RETRY, "\"delay_ms\":20,"), 1);
    CHECK_INT(test_log(RETRY, "\"delay_ms\":30,"), 1);
}

// A failure whose cause is not in retry.on reaches the program at once.
static void other_causes(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log_lines(), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"cause\""), 1);
}

// Without a route: a network of its own whose loopback is down.
static void unreachable(void)
{
    struct port port = {.address = {.sin_family = AF_INET, .sin_port = htons(80)}};
    CHECK_INT(inet_pton(AF_INET, "127.0.0.1", &port.address.sin_addr), 1);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        test_skip("no namespaces");
    CHECK_INT(dial_once(&port), ENETUNREACH);
    CHECK_INT(test_log(RETRY, "\"cause\":\"unreachable\""), 2);
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), 1);
}

static void *bind_late(void *context)
{
    const struct sockaddr_un *address = context;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    test_await_log(RETRY, "unix:", 2);
    CHECK_INT(bind(fd, (const struct sockaddr *) address, sizeof(*address)), 0);
    test_await_log(RETRY, "unix:", 4); // now it is there but refuses
    CHECK_INT(listen(fd, 4), 0);
    return NULL;
}

// A Unix socket that a pattern names: absent, then refusing, then there.
static void unix_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", test_path("app.sock"));
    CHECK_INT(pthread_create(&thread, NULL, bind_late, &address), 0);
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
    thread_end(thread);
    CHECK_INT(test_log(RECOVERED, "app.sock"), 1);
}

// Another name in the same directory is not the pattern's: ENOENT at once.
static void unix_unmatched(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", test_path("app.other"));
    CHECK_INT(connect(fd, (struct sockaddr *) &address, sizeof(address)), -1);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(test_log_lines(), 0);
}

// A name with two addresses, in a hosts file of our own.
static struct addrinfo *look_up_pair(in_port_t port)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    test_write(test_path("hosts"), "127.0.0.2 pair.test\n127.0.0.3 pair.test\n");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || mount(test_path("hosts"), "/etc/hosts", NULL, MS_BIND, NULL) != 0)
        test_skip("no namespaces");
    CHECK_INT(getaddrinfo("pair.test", NULL, &hints, &list), 0);
    CHECK(list->ai_next && !list->ai_next->ai_next);
    for (struct addrinfo *at = list; at; at = at->ai_next)
        ((struct sockaddr_in *) at->ai_addr)->sin_port = port;
    return list;
}

static int dial_candidate(const struct addrinfo *candidate)
{
    int fd = stream();
    int error = connect(fd, candidate->ai_addr, candidate->ai_addrlen) == 0 ? 0 : errno;
    close(fd);
    return error;
}

// Of several addresses only the last is repeated: before that the program has its own way out.
static void last_candidate(void)
{
    struct port port = port_new();
    struct addrinfo *list = look_up_pair(port.address.sin_port);
    CHECK_INT(dial_candidate(list), ECONNREFUSED);
    CHECK_INT(test_log_lines(), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"next-candidate\""), 1);
    CHECK_INT(test_log(STOP, "\"host\":\"pair.test:"), 1);
    CHECK_INT(dial_candidate(list->ai_next), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 2);
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), 1);
    freeaddrinfo(list);
}

// A failed candidate is no word on the host's health: the breaker (open after two failures) stays closed.
static void candidates_spare_the_breaker(void)
{
    struct port port = port_new();
    struct addrinfo *list = look_up_pair(port.address.sin_port);
    for (int i = 0; i < 5; i++)
        CHECK_INT(dial_candidate(list), ECONNREFUSED);
    CHECK_INT(test_log(STOP, "\"reason\":\"next-candidate\""), 5);
    CHECK_INT(test_log(REFUSED, ""), 0);
    freeaddrinfo(list);
}

// A pattern by name covers the addresses that the program looked up under it, and no others.
static void by_name(void)
{
    struct port port = port_new();
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log_lines(), 0);
    CHECK_INT(getaddrinfo("localhost", NULL, &hints, &list), 0);
    freeaddrinfo(list);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, "\"host\":\"localhost:"), 2);
}

// The same through the older function.
static void by_old_name(void)
{
    struct port port = port_new();
    CHECK(gethostbyname("localhost") != NULL);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, "\"host\":\"localhost:"), 2);
}

// The process connects to the next server of its own list at once. The first change to another server takes a schedule.
static void failover_auto(void)
{
    struct port first = port_new(), second = port_new(), third = port_new();
    while (test_log(STOP, "\"reason\":\"failover\"") == 0) { // again if this process was not fast enough
        CHECK_INT(dial_once(&first), ECONNREFUSED);
        CHECK_INT(dial_once(&second), ECONNREFUSED);
    }
    unsigned retries = test_log(RETRY, "");
    CHECK(retries >= 2);
    CHECK_INT(dial_once(&third), ECONNREFUSED);
    CHECK_INT(dial_once(&first), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), retries);
    CHECK_INT(test_log(STOP, "\"reason\":\"failover\""), 3);
}

// The program tries the same server again: this is no list.
static void failover_to_the_same(void)
{
    struct port port = port_new();
    for (int i = 0; i < 3; i++)
        CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 6);
}

static void failover_program(void)
{
    struct port port = port_new();
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(test_log(STOP, "\"reason\":\"failover\""), 1);
    CHECK(gethostbyname("localhost") != NULL);
    CHECK_INT(dial_once(&port), ECONNREFUSED); // the address has a name now
    CHECK_INT(test_log(RETRY, "\"host\":\"localhost:"), 2);
}

static void failover_off(void)
{
    struct port first = port_new(), second = port_new();
    for (int i = 0; i < 2; i++) {
        CHECK_INT(dial_once(&first), ECONNREFUSED);
        CHECK_INT(dial_once(&second), ECONNREFUSED);
    }
    CHECK_INT(test_log(RETRY, ""), 8);
}

static const struct test tests[] = {
    {"late_listener", PATIENT, late_listener},
    {"keeps_the_socket", PATIENT, keeps_the_socket},
    {"gives_up", "[local]\nhosts=127.0.0.1\nretry.attempts=4\n" QUICK, gives_up},
    {"counted_by_the_kernel", "[local]\nhosts=127.0.0.1\nretry.attempts=4\n" QUICK, counted_by_the_kernel},
    {"good_connects_are_cheap", "[local]\nhosts=127.0.0.1\n" QUICK, good_connects_are_cheap},
    {"waits_as_told",
     "[local]\nhosts=127.0.0.1\nretry.attempts=4\nretry.backoff=linear\nretry.base=10ms\nretry.jitter=none\n",
     waits_as_told},
    {"other_causes", "[local]\nhosts=127.0.0.1\nretry.on=timeout, 503\n", other_causes},
    {"unreachable", "[local]\nhosts=127.0.0.1\n" QUICK, unreachable},
    {"unix_socket", "[local]\nhosts=unix:@DIR@/*.sock\nretry.attempts=100\n" QUICK, unix_socket},
    {"unix_unmatched", "[default]\n" QUICK "[local]\nhosts=unix:@DIR@/*.sock, *\n", unix_unmatched},
    {"last_candidate", "[local]\nhosts=pair.test\n" QUICK, last_candidate},
    {"candidates_spare_the_breaker",
     "[local]\nhosts=pair.test\nbreaker.window=2\nbreaker.min_calls=2\nbreaker.failure_rate=50%\n",
     candidates_spare_the_breaker},
    {"failover_auto", "[local]\nhosts=127.0.0.1\n" QUICK, failover_auto},
    {"failover_to_the_same", "[local]\nhosts=127.0.0.1\n" QUICK, failover_to_the_same},
    {"failover_program", "[local]\nhosts=127.0.0.1, localhost\nconnect.failover=program\n" QUICK, failover_program},
    {"failover_off", "[local]\nhosts=127.0.0.1\nconnect.failover=off\n" QUICK, failover_off},
    {"by_name", "[local]\nhosts=localhost\n" QUICK, by_name},
    {"by_old_name", "[local]\nhosts=localhost\n" QUICK, by_old_name},
};

TEST_MAIN(tests)
