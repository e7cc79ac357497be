// SPDX-License-Identifier: MIT
// Lookups of names that do not exist yet (start.wait): which are tried again, and what ends the wait.
#include <setjmp.h>

#include "resolver.h"

#define WAITED "\"decision\":\"waited\""
#define INTERRUPTED "\"reason\":\"interrupted\""

enum { FOR_EVER = 1000 };

static int look_up_family(const char *node, int family)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int answer = getaddrinfo(node, "5432", &hints, &list);
    if (answer == 0)
        freeaddrinfo(list);
    return answer;
}

static int look_up(const char *node)
{
    return look_up_family(node, AF_UNSPEC);
}

// --- which lookups wait

static void waits_inner(void)
{
    resolver_fails(1, EAI_NONAME, 0);
    CHECK_INT(look_up("db"), 0);
    CHECK_INT(resolver_calls(), 2);
    resolver_fails(1, EAI_NONAME, 0);
    CHECK_INT(look_up("DB."), EAI_NONAME); // it has succeeded once
    CHECK_INT(resolver_calls(), 1);
    CHECK_INT(test_log(RETRY, "") + test_log(RECOVERED, ""), 0);
}
RESOLVER_TEST(waits)

// The name appears at the end of start.wait, so that a connect would not report the wait.
static void late_inner(void)
{
    resolver_takes(1600);
    resolver_fails(1, EAI_NONAME, 0);
    CHECK_INT(look_up("db"), 0);
    CHECK_INT(resolver_calls(), 2);
    CHECK_INT(test_log(WAITED, "\"host\":\"db:5432\",\"api\":\"dns\""), 1);
    CHECK_INT(test_log_lines(), 1);
}
RESOLVER_TEST(late)

static void passes_inner(void)
{
    static const int others[] = {EAI_NODATA, EAI_SERVICE, EAI_FAIL, EAI_MEMORY, EAI_FAMILY};
    char own[256];
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        resolver_fails(FOR_EVER, others[i], 0);
        CHECK_INT(look_up("db"), others[i]);
        CHECK_INT(resolver_calls(), 1);
    }
    CHECK_INT(gethostname(own, sizeof(own)), 0);
    resolver_fails(FOR_EVER, EAI_NONAME, 0);
    CHECK_INT(look_up(own), EAI_NONAME);
    CHECK_INT(look_up("db.example"), EAI_NONAME);
    CHECK_INT(look_up("db.example."), EAI_NONAME);
    CHECK_INT(resolver_calls(), 3);
    CHECK_INT(test_log(WAITED, ""), 0);
}
RESOLVER_TEST(passes)

// The name has addresses, but none of this family.
static void other_family_inner(void)
{
    struct hostent entry, *found;
    char buffer[1024];
    int error = 0;
    resolver_fails(1, EAI_NONAME, 0);
    CHECK_INT(look_up_family("db", AF_INET6), EAI_NONAME);
    CHECK_INT(resolver_calls(), 2);
    resolver_fails(1, EAI_NONAME, 0);
    CHECK(!gethostbyname2("cache", AF_INET6));
    CHECK_INT(h_errno, HOST_NOT_FOUND);
    CHECK_INT(resolver_calls(), 2);
    resolver_fails(1, EAI_NONAME, 0);
    CHECK(gethostbyname_r("web", &entry, buffer, sizeof(buffer), &found, &error) == 0 && !found);
    CHECK_INT(error, HOST_NOT_FOUND);
    CHECK_INT(resolver_calls(), 2);
    CHECK_INT(test_log(WAITED, ""), 0);
}
RESOLVER_TEST(other_family)

// --- what ends a wait

static _Atomic pid_t waiter;
static sigjmp_buf back;

static void *wait_for_name(void *node)
{
    waiter = test_thread_id();
    return (void *) (intptr_t) look_up(node);
}

static pthread_t start_waiting(void)
{
    static char node[] = "db";
    pthread_t thread;
    resolver_fails(FOR_EVER, EAI_NONAME, 0);
    CHECK_INT(pthread_create(&thread, NULL, wait_for_name, node), 0);
    while (!waiter)
        test_pause();
    test_await_sleep(waiter);
    return thread;
}

static int end_of(pthread_t thread)
{
    void *result;
    CHECK_INT(pthread_join(thread, &result), 0);
    CHECK(result != PTHREAD_CANCELED);
    return (int) (intptr_t) result;
}

static void on_signal(int number)
{
    (void) number;
}

static void signalled_inner(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    pthread_t thread = start_waiting();
    CHECK_INT(pthread_kill(thread, SIGUSR1), 0);
    CHECK_INT(end_of(thread), EAI_NONAME);
    CHECK_INT(test_log(STOP, INTERRUPTED), 1);
    CHECK_INT(test_log(WAITED, ""), 1);
}
RESOLVER_TEST(signalled)

static void cancelled_inner(void)
{
    void *result;
    pthread_t thread = start_waiting();
    CHECK_INT(pthread_cancel(thread), 0);
    CHECK_INT(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    resolver_fails(1, EAI_NONAME, 0);
    CHECK_INT(look_up("db"), 0);
    CHECK_INT(test_log(WAITED, ""), 0); // there was no connect
}
RESOLVER_TEST(cancelled)

static void leave(int number)
{
    (void) number;
    siglongjmp(back, 1);
}

static void jumped_inner(void)
{
    struct sigaction action = {.sa_handler = leave};
    sigaction(SIGALRM, &action, NULL);
    resolver_fails(FOR_EVER, EAI_NONAME, 0);
    if (sigsetjmp(back, 1) == 0) {
        alarm(1);
        look_up("db");
        CHECK(false);
    }
    resolver_fails(1, EAI_NONAME, 0);
    CHECK_INT(look_up("db"), 0);
    CHECK_INT(resolver_calls(), 2);
}
RESOLVER_TEST(jumped)

// Another thread forks during the wait. The child waits by itself, and joins its own threads.
static void forked_inner(void)
{
    pthread_t thread = start_waiting();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        resolver_fails(1, EAI_NONAME, 0);
        CHECK_INT(look_up("cache"), 0);
        CHECK_INT(resolver_calls(), 2);
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    resolver_fails(0, 0, 0);
    CHECK_INT(end_of(thread), 0);
}
RESOLVER_TEST(forked)

// --- joins

static int join_like_libuv(pthread_t thread, void **result)
{
    char path[600];
    const char *plugins = getenv("RB_PLUGINS");
    snprintf(path, sizeof(path), "%s/object_joiner.so", plugins ? plugins : RB_BUILD_DIR "/preload");
    void *object = dlopen(path, RTLD_NOW);
    CHECK(object != NULL);
    return ((int (*)(pthread_t, void **)) dlsym(object, "uv_library_shutdown"))(thread, result);
}

static void *nothing(void *context)
{
    return context;
}

static void joined_inner(void)
{
    void *result;
    pthread_t thread = start_waiting(), other;
    CHECK_INT(pthread_create(&other, NULL, nothing, NULL), 0);
    CHECK_INT(join_like_libuv(other, &result), 0);
    resolver_fails(1, EAI_NONAME, 0); // the wait goes on after the join of a thread that does not wait
    CHECK_INT(end_of(thread), 0);
    CHECK_INT(test_log_lines(), 0);
}
RESOLVER_TEST(joined)

static void pool_ends_inner(void)
{
    void *result;
    pthread_t thread = start_waiting();
    CHECK_INT(join_like_libuv(thread, &result), 0);
    CHECK_INT((intptr_t) result, EAI_NONAME);
    CHECK_INT(test_log(STOP, INTERRUPTED), 1);
    CHECK_INT(look_up("cache"), EAI_NONAME); // the program ends, so nothing waits any more
}
RESOLVER_TEST(pool_ends)

#define ROLE(name)                                                                                                     \
    {                                                                                                                  \
#name "_inner", NULL, name##_inner                                                                             \
    }
#define WAITING "[all]\nhosts=*\nretry.attempts=1\nstart.wait=1h\n"
#define TESTED(name)                                                                                                   \
    ROLE(name),                                                                                                        \
    {                                                                                                                  \
#name, WAITING, name                                                                                           \
    }

static const struct test tests[] = {
    ROLE(late),           {"late", "[all]\nhosts=*\nretry.attempts=1\nstart.wait=4s\n", late},
    TESTED(waits),        TESTED(passes),
    TESTED(other_family), TESTED(signalled),
    TESTED(cancelled),    TESTED(jumped),
    TESTED(forked),       TESTED(joined),
    TESTED(pool_ends),
};

TEST_MAIN(tests)
