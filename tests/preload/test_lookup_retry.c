// SPDX-License-Identifier: MIT
// Lookups that fail for a time: which are repeated, how long, and what the program sees of it.
#include "resolver.h"

#define HOST "[local]\nhosts=*.test\n" LOOKUP_QUICK "breaker=off\n"

static int look_up(const char *node, const char *service, const struct addrinfo *hints)
{
    struct addrinfo *list = NULL;
    int answer = getaddrinfo(node, service, hints, &list);
    if (answer == 0)
        freeaddrinfo(list);
    return answer;
}

// --- getaddrinfo

static void recovers_inner(void)
{
    struct addrinfo *list = NULL;
    resolver_fails(2, EAI_AGAIN, 0);
    CHECK_INT(getaddrinfo("a.test", "80", NULL, &list), 0);
    CHECK_INT(((struct sockaddr_in *) list->ai_addr)->sin_port, htons(80));
    freeaddrinfo(list);
    CHECK_INT(resolver_calls(), 3);
    CHECK_INT(test_log(RETRY, "\"host\":\"a.test:80\",\"api\":\"dns\",\"cause\":\"dns\""), 2);
    CHECK_INT(test_log(RECOVERED, "\"attempt\":3"), 1);
    CHECK_INT(test_log_lines(), 3);
}
RESOLVER_TEST(recovers)

static void gives_up_inner(void)
{
    resolver_fails(9, EAI_AGAIN, 0);
    CHECK_INT(look_up("a.test", NULL, NULL), EAI_AGAIN);
    CHECK_INT(resolver_calls(), 3);
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), 1);
}
RESOLVER_TEST(gives_up)

// What is not for a time is not repeated.
static void once_inner(void)
{
    static const struct {
        int result, error, calls;
    } rows[] = {
        {EAI_NONAME, 0, 1},      {EAI_NODATA, 0, 1},         {EAI_MEMORY, 0, 1},      {EAI_SERVICE, 0, 1},
        {EAI_SYSTEM, EMFILE, 1}, {EAI_SYSTEM, ETIMEDOUT, 3}, {EAI_SYSTEM, EAGAIN, 3}, {EAI_SYSTEM, ECONNREFUSED, 3},
        {EAI_FAIL, 0, 2}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        resolver_fails(9, rows[i].result, rows[i].error);
        CHECK_INT(look_up("a.test", NULL, NULL), rows[i].result);
        CHECK_INT(resolver_calls(), rows[i].calls);
    }
    CHECK_INT(test_log(STOP, ""), sizeof(rows) / sizeof(rows[0]));
}
RESOLVER_TEST(once)

// errno: each attempt begins with the program's, and what the last one left stays; an answer changes nothing.
static void keeps_errno_inner(void)
{
    resolver_fails(9, EAI_SYSTEM, ETIMEDOUT);
    errno = ENOTTY;
    CHECK_INT(look_up("a.test", NULL, NULL), EAI_SYSTEM);
    CHECK_INT(errno, ETIMEDOUT);
    CHECK_INT(resolver_errno_seen(), ENOTTY);
    resolver_fails(9, EAI_AGAIN, 0);
    errno = ENOTTY;
    CHECK_INT(look_up("a.test", NULL, NULL), EAI_AGAIN);
    CHECK_INT(errno, 0);
    resolver_fails(0, 0, 0);
    CHECK_INT(look_up("a.test", NULL, NULL), 0);
    CHECK_INT(errno, ENOENT); // what is not repeated is libc's own
    resolver_fails(2, EAI_AGAIN, EBADF);
    errno = ENOTTY;
    CHECK_INT(look_up("a.test", NULL, NULL), 0);
    CHECK_INT(errno, ENOTTY);
}
RESOLVER_TEST(keeps_errno)

static void unmatched_inner(void)
{
    struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST};
    static const char *const others[] = {"other.example", "test", "a.test.example"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        resolver_fails(9, EAI_AGAIN, 0);
        CHECK_INT(look_up(others[i], "80", NULL), EAI_AGAIN);
        CHECK_INT(resolver_calls(), 1);
    }
    resolver_fails(9, EAI_AGAIN, 0);
    CHECK_INT(look_up("a.test", NULL, &numeric), EAI_AGAIN);
    CHECK_INT(resolver_calls(), 1);
    CHECK_INT(look_up("127.0.0.1", "80", NULL), 0);
    CHECK_INT(look_up("::1", "80", &numeric), 0);
    CHECK_INT(look_up(NULL, "80", NULL), 0);
    CHECK_INT(test_log_lines(), 0);
}
RESOLVER_TEST(unmatched)

static void not_repeated_inner(void)
{
    resolver_fails(9, EAI_AGAIN, 0);
    CHECK_INT(look_up("a.test", "443", NULL), EAI_AGAIN);
    CHECK_INT(resolver_calls(), 1);
    CHECK_INT(gethostbyname("a.test") == NULL, true);
    CHECK_INT(resolver_calls(), 2);
    CHECK_INT(test_log(RETRY, ""), 0);
}
RESOLVER_TEST(not_repeated)

// Patterns with a port hold for lookups that name it, and for no others.
static void ports_inner(void)
{
    static const struct {
        const char *service;
        int calls;
    } rows[] = {{"443", 3}, {"https", 3}, {"80", 1}, {"http", 1}, {NULL, 1}, {"", 1}, {"0443", 3}, {"65979", 1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        resolver_fails(9, EAI_AGAIN, 0);
        CHECK_INT(look_up("A.Test.", rows[i].service, NULL), EAI_AGAIN);
        CHECK_INT(resolver_calls(), rows[i].calls);
    }
}
RESOLVER_TEST(ports)

// --- limits

static void total_inner(void)
{
    uint64_t began = test_now_ms();
    resolver_fails(1000, EAI_AGAIN, 0);
    CHECK_INT(look_up("a.test", NULL, NULL), EAI_AGAIN);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 100, 2000);
    CHECK_BETWEEN(resolver_calls(), 3, 8);
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 1);
}
RESOLVER_TEST(total)

// A resolver that lets each lookup run into its timeout: one more of the kind would end too late.
static void slow_inner(void)
{
    resolver_fails(1000, EAI_AGAIN, 0);
    resolver_takes(300);
    CHECK_INT(look_up("a.test", NULL, NULL), EAI_AGAIN);
    CHECK_INT(resolver_calls(), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 1);
}
RESOLVER_TEST(slow)

static void budget_inner(void)
{
    for (int i = 0; i < 40; i++) {
        resolver_fails(9, EAI_AGAIN, 0);
        CHECK_INT(look_up("a.test", i % 2 ? "80" : "443", NULL), EAI_AGAIN);
    }
    CHECK_BETWEEN(test_log(RETRY, ""), 10, 16);
    CHECK(test_log(STOP, "\"reason\":\"budget\"") > 0);
}
RESOLVER_TEST(budget)

// An open breaker of the host is no business of lookups, and they are none of its.
static void breaker_inner(void)
{
    for (int i = 0; i < 20; i++) {
        resolver_fails(9, EAI_AGAIN, 0);
        CHECK_INT(look_up("a.test", "80", NULL), EAI_AGAIN);
    }
    resolver_fails(1, EAI_AGAIN, 0);
    CHECK_INT(look_up("a.test", "80", NULL), 0);
    CHECK_INT(test_log(REFUSED, ""), 0);
    CHECK_INT(test_log(STOP, "\"reason\":\"breaker\""), 0);
}
RESOLVER_TEST(breaker)

// --- threads

static void *look_up_once(void *context)
{
    (void) context;
    return (void *) (intptr_t) look_up("a.test", NULL, NULL);
}

static void *cancel_in_wait(void *context)
{
    *(_Atomic pid_t *) context = test_thread_id();
    return look_up_once(NULL);
}

// The wait is a cancellation point, as getaddrinfo is.
static void cancelled_inner(void)
{
    _Atomic pid_t id = 0;
    pthread_t thread;
    void *result;
    resolver_fails(1000, EAI_AGAIN, 0);
    CHECK_INT(pthread_create(&thread, NULL, cancel_in_wait, &id), 0);
    test_await_log(RETRY, "", 1);
    test_await_call(id, SYS_clock_nanosleep);
    CHECK_INT(pthread_cancel(thread), 0);
    CHECK_INT(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    resolver_fails(0, 0, 0);
    CHECK_INT(look_up("a.test", NULL, NULL), 0);
}
RESOLVER_TEST(cancelled)

static void on_signal(int number)
{
    (void) number;
}

// A handled signal does not end it: no errno, no half result.
static void signalled_inner(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t thread;
    void *result;
    sigaction(SIGUSR1, &action, NULL);
    resolver_fails(1, EAI_AGAIN, 0);
    CHECK_INT(pthread_create(&thread, NULL, look_up_once, NULL), 0);
    test_await_log(RETRY, "", 1);
    for (int i = 0; i < 20; i++) {
        pthread_kill(thread, SIGUSR1);
        test_pause();
    }
    CHECK_INT(pthread_join(thread, &result), 0);
    CHECK_INT((intptr_t) result, 0);
    CHECK_INT(resolver_calls(), 2);
}
RESOLVER_TEST(signalled)

// --- gethostbyname and its kin

static void hosts_recover_inner(void)
{
    struct hostent entry, *found = NULL;
    char buffer[1024];
    int error = -7;
    resolver_fails(2, EAI_AGAIN, 0);
    found = gethostbyname("a.test");
    CHECK(found && resolver_calls() == 3);
    resolver_fails(2, EAI_AGAIN, 0);
    found = gethostbyname2("a.test", AF_INET);
    CHECK(found && resolver_calls() == 3);
    resolver_fails(2, EAI_AGAIN, 0);
    CHECK_INT(gethostbyname_r("a.test", &entry, buffer, sizeof(buffer), &found, &error), 0);
    CHECK(found == &entry && resolver_calls() == 3);
    resolver_fails(2, EAI_SYSTEM, ETIMEDOUT);
    CHECK_INT(gethostbyname2_r("a.test", AF_INET, &entry, buffer, sizeof(buffer), &found, &error), 0);
    CHECK(found == &entry && resolver_calls() == 3);
    CHECK_INT(test_log(RECOVERED, "\"host\":\"a.test\",\"api\":\"dns\""), 4);
    h_errno = 77;
    resolver_fails(2, EAI_AGAIN, 0);
    CHECK(gethostbyname("a.test") != NULL);
    CHECK_INT(h_errno, 77);
}
RESOLVER_TEST(hosts_recover)

static void hosts_fail_inner(void)
{
    static const struct {
        int result, error, host_error, calls;
    } rows[] = {{EAI_AGAIN, 0, TRY_AGAIN, 3},
                {EAI_FAIL, 0, NO_RECOVERY, 2},
                {EAI_NONAME, 0, HOST_NOT_FOUND, 1},
                {EAI_SYSTEM, EMFILE, NETDB_INTERNAL, 1},
                {EAI_SYSTEM, ETIMEDOUT, NETDB_INTERNAL, 3}};
    struct hostent entry, *found;
    char buffer[1024];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int error = 0;
        resolver_fails(9, rows[i].result, rows[i].error);
        CHECK(gethostbyname("a.test") == NULL);
        CHECK_INT(h_errno, rows[i].host_error);
        CHECK_INT(errno, rows[i].error);
        CHECK_INT(resolver_calls(), rows[i].calls);
        resolver_fails(9, rows[i].result, rows[i].error);
        found = &entry;
        gethostbyname_r("a.test", &entry, buffer, sizeof(buffer), &found, &error);
        CHECK(found == NULL);
        CHECK_INT(error, rows[i].host_error);
        CHECK_INT(resolver_calls(), rows[i].calls);
    }
}
RESOLVER_TEST(hosts_fail)

// A buffer that is too small is told at once, also in an attempt after the first.
static void small_buffer_inner(void)
{
    struct hostent entry, *found = &entry;
    char buffer[4];
    int error = 0;
    resolver_fails(0, 0, 0);
    CHECK_INT(gethostbyname_r("a.test", &entry, buffer, sizeof(buffer), &found, &error), ERANGE);
    CHECK_INT(resolver_calls(), 1);
    CHECK_INT(error, NETDB_INTERNAL);
    CHECK(found == NULL);
    resolver_fails(1, EAI_AGAIN, 0);
    CHECK_INT(gethostbyname_r("a.test", &entry, buffer, sizeof(buffer), &found, &error), ERANGE);
    CHECK_INT(resolver_calls(), 2);
    CHECK_INT(test_log(STOP, ""), 0);
}
RESOLVER_TEST(small_buffer)

#define ROLE(name)                                                                                                     \
    {                                                                                                                  \
#name "_inner", NULL, name##_inner                                                                             \
    }
#define LIMIT "[local]\nhosts=*.test\nretry.attempts=100\nretry.backoff=fixed\nretry.base=50ms\nretry.jitter=none\n"

static const struct test tests[] = {
    ROLE(recovers),
    ROLE(gives_up),
    ROLE(once),
    ROLE(keeps_errno),
    ROLE(unmatched),
    ROLE(not_repeated),
    ROLE(ports),
    ROLE(total),
    ROLE(slow),
    ROLE(budget),
    ROLE(breaker),
    ROLE(cancelled),
    ROLE(signalled),
    ROLE(hosts_recover),
    ROLE(hosts_fail),
    ROLE(small_buffer),
    {"recovers", HOST, recovers},
    {"recovers_by_default", "[default]\n" LOOKUP_QUICK, recovers},
    {"gives_up", HOST, gives_up},
    {"once", HOST, once},
    {"keeps_errno", HOST, keeps_errno},
    {"unmatched", HOST, unmatched},
    {"intercept_without_dns", HOST "intercept=curl, connect\n", not_repeated},
    {"cause_not_listed", HOST "retry.on=refused\n", not_repeated},
    {"one_attempt", HOST "retry.attempts=1\n", not_repeated},
    {"ports", "[local]\nhosts=a.test:443\n" LOOKUP_QUICK, ports},
    {"total", LIMIT "dns.total=200ms\n", total},
    {"total_of_the_call", LIMIT "timeout.total=200ms\n", total},
    {"slow", LIMIT "dns.total=500ms\n", slow},
    {"budget", "[local]\nhosts=*.test\nretry.base=1ms\nretry.jitter=none\nbudget.ratio=0%\nbudget.floor=1/s\n", budget},
    {"breaker",
     "[local]\nhosts=*.test\n" LOOKUP_QUICK "breaker.window=4\nbreaker.min_calls=2\nbreaker.failure_rate=50%\n"
     "breaker.refuse=always\n",
     breaker},
    {"cancelled", "[local]\nhosts=*.test\nretry.base=1s\nretry.jitter=none\n", cancelled},
    {"signalled", "[local]\nhosts=*.test\nretry.base=300ms\nretry.jitter=none\n", signalled},
    {"hosts_recover", HOST, hosts_recover},
    {"hosts_fail", HOST, hosts_fail},
    {"small_buffer", HOST, small_buffer},
};

TEST_MAIN(tests)
