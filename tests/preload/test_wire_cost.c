// SPDX-License-Identifier: MIT
// What other protocols cost on hosts that the policy covers: the library runs the same instructions for their
// connection as for one that it has never followed. The test counts them: a parent steps through the calls of its
// child.
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "wire.h"

// --- the parent

static unsigned long library_start, library_end;

static void find_library(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long start, end;
        if (!strstr(line, "librebound.so"))
            continue;
        CHECK_INT(sscanf(line, "%lx-%lx", &start, &end), 2);
        library_start = library_start ? library_start : start;
        library_end = end;
    }
    fclose(maps);
    CHECK(library_start > 0);
}

static unsigned long program_counter(pid_t child)
{
#if defined(__x86_64__) || defined(__aarch64__)
    struct user_regs_struct registers;
    struct iovec part = {&registers, sizeof(registers)};
    CHECK_INT(ptrace(PTRACE_GETREGSET, child, 1, &part), 0); // NT_PRSTATUS
#ifdef __x86_64__
    return registers.rip;
#else
    return registers.pc;
#endif
#else
    (void) child;
    test_skip("another processor");
    return 0;
#endif
}

// System calls that the library has made itself during the steps, since the warm-up.
static unsigned own_calls;

static bool is_system_call(pid_t child, unsigned long at)
{
    unsigned long word = (unsigned long) ptrace(PTRACE_PEEKTEXT, child, at, NULL);
#ifdef __x86_64__
    return (word & 0xffff) == 0x050f;
#else
    return (word & 0xffffffff) == 0xd4000001;
#endif
}

// Steps from one SIGSTOP of the child to the next. Returns how many instructions were those of the library.
static unsigned count_steps(pid_t child)
{
    unsigned count = 0;
    int status = 0;
    for (bool stopped = false; !stopped;) {
        CHECK_INT(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK(WIFSTOPPED(status));
        stopped = WSTOPSIG(status) == SIGSTOP;
        unsigned long at = stopped ? 0 : program_counter(child);
        bool ours = at >= library_start && at < library_end;
        count += ours;
        own_calls += ours && is_system_call(child, at);
    }
    return count;
}

// The connections: one that warms the process up, one that the policy covers, one that it does not.
enum { CALLS = 5, WARM = 0, COVERED, OTHER, PLACES };

// The child stops before and after each call. Returns the counts of a connection.
static void count_calls(pid_t child, unsigned counts[CALLS])
{
    int status;
    for (int i = 0; i < CALLS; i++) {
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        counts[i] = count_steps(child);
        CHECK_INT(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
    }
}

// --- the child

struct talk {
    bool server_first;
    const char *asks, *answer;
    int length; // of asks; 0: up to its NUL
};

struct peers {
    int client, server;
};

static struct peers connect_to(const char *host)
{
    struct port port = port_at(host);
    struct peers peers = {.client = stream()};
    CHECK_INT(listen(port.fd, 1), 0);
    CHECK_INT(dial(peers.client, &port), 0);
    peers.server = accept(port.fd, NULL, NULL);
    CHECK(peers.server >= 0);
    close(port.fd);
    return peers;
}

static void say(int from, int to, const char *text, size_t length)
{
    char got[200];
    CHECK_INT(send(from, text, length, 0), (long) length);
    for (size_t had = 0; had < length;) {
        ssize_t some = recv(to, got + had, length - had, 0);
        CHECK(some > 0);
        had += (size_t) some;
    }
}

static void talk(const struct peers *peers, const struct talk *talk)
{
    size_t length = talk->length ? (size_t) talk->length : strlen(talk->asks);
    if (talk->server_first)
        say(peers->server, peers->client, talk->answer, strlen(talk->answer));
    say(peers->client, peers->server, talk->asks, length);
    if (!talk->server_first)
        say(peers->server, peers->client, talk->answer, strlen(talk->answer));
}

#define MEASURE(call)                                                                                                  \
    do {                                                                                                               \
        raise(SIGSTOP);                                                                                                \
        long result = (call);                                                                                          \
        raise(SIGSTOP);                                                                                                \
        CHECK_INT(result, 1);                                                                                          \
    } while (0)

static void measure_calls(const struct peers *peers)
{
    char byte = 'x';
    struct pollfd p = {.fd = peers->client, .events = POLLIN};
    CHECK_INT(syscall(SYS_write, peers->server, "abc", 3), 3);
    MEASURE(poll(&p, 1, 0));
    MEASURE(recv(peers->client, &byte, 1, 0));
    MEASURE(read(peers->client, &byte, 1));
    MEASURE(send(peers->client, &byte, 1, 0));
    MEASURE(write(peers->client, &byte, 1));
}

static void be_measured(const struct talk *said, bool others)
{
    CHECK_INT(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
    CHECK_INT(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    struct peers peers[PLACES] = {connect_to("127.0.0.2"), connect_to("127.0.0.1"), connect_to("127.0.0.2")};
    if (others) // a connection that the library follows
        connect_to("127.0.0.1");
    for (int i = 0; i < PLACES; i++)
        talk(&peers[i], said);
    for (int i = 0; i < PLACES; i++)
        measure_calls(&peers[i]);
    _exit(0);
}

static void measure(const struct talk *said, bool others, unsigned counts[PLACES][CALLS])
{
    find_library();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        be_measured(said, others);
    int status;
    for (int i = 0; i < PLACES; i++) {
        own_calls = i == COVERED ? 0 : own_calls;
        count_calls(child, counts[i]);
    }
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void check_same(const struct talk *said)
{
    for (int others = 0; others < 2; others++) {
        unsigned counts[PLACES][CALLS];
        measure(said, others, counts);
        for (int i = 0; i < CALLS; i++) {
            CHECK(counts[OTHER][i] > 0); // the call was seen
            CHECK_INT(counts[COVERED][i], counts[OTHER][i]);
        }
    }
}

static void postgresql(void)
{
    check_same(
        &(struct talk){.asks = "\0\0\0\x21\0\x03\0\0user\0me\0database\0me\0\0\0\0\0\0", .answer = "R", .length = 33});
}

static void redis(void)
{
    check_same(&(struct talk){.asks = "*1\r\n$4\r\nPING\r\n", .answer = "+PONG\r\n"});
}

static void redis_inline(void)
{
    check_same(&(struct talk){.asks = "GET key\r\n", .answer = "$-1\r\n"});
}

static void ssh(void)
{
    check_same(&(struct talk){.server_first = true, .asks = "SSH-2.0-me\r\n", .answer = "SSH-2.0-you\r\n"});
}

static void binary_that_begins_with_get(void)
{
    check_same(&(struct talk){.asks = "GET \0\1\2\3", .answer = "\1", .length = 8});
}

static void http_0_9(void)
{
    check_same(&(struct talk){.asks = "GET /\r\n", .answer = "<html>"});
}

static void http_2(void)
{
    check_same(&(struct talk){.asks = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .answer = "\4"});
}

// The connection may still turn out to carry HTTP, so its link stays. That costs some instructions, and no system call.
static void tls_without_http(void)
{
    enum { SOME = 800 };
    static const struct talk hello = {.asks = "\x16\x03\x01\0\5\1\0\0\1\0", .answer = "\x15\3\1", .length = 10};
    unsigned counts[PLACES][CALLS];
    measure(&hello, false, counts);
    CHECK_INT(own_calls, 0);
    for (int i = 0; i < CALLS && !test_is_sanitized(); i++)
        CHECK_BETWEEN(counts[COVERED][i], counts[OTHER][i], counts[OTHER][i] + SOME);
}

#define POLICY "[local]\nhosts=127.0.0.1\n"

static const struct test tests[] = {
    {"postgresql", POLICY, postgresql},
    {"redis", POLICY, redis},
    {"redis_inline", POLICY, redis_inline},
    {"ssh", POLICY, ssh},
    {"binary_that_begins_with_get", POLICY, binary_that_begins_with_get},
    {"http_0_9", POLICY, http_0_9},
    {"http_2", POLICY, http_2},
    {"tls_without_http", POLICY, tls_without_http},
};

TEST_MAIN(tests)
