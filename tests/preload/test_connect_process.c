// SPDX-License-Identifier: MIT
// Connects in forked and vforked children, in threads, and in threads that are cancelled.
#include <signal.h>

#include "network.h"

#define LOCAL(base)                                                                                                    \
    "[local]\nhosts=127.0.0.1\nretry.attempts=100\nretry.backoff=fixed\nretry.base=" base                              \
    "\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\ntimeout.total=60s\n"
#define CHILD "[child]\nhosts=127.0.0.2\nretry.backoff=fixed\nretry.base=2ms\nretry.jitter=none\n"

#define HOUR                                                                                                           \
    "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.base=1h\nretry.cap=1h\nretry.jitter=none\nbreaker=off\n"     \
    "budget.floor=1000/s\ntimeout.total=10h\n"

struct dialler {
    const struct port *port;
    pthread_t thread;
    pid_t id;
    int fd;
    int error;
};

static void close_it(void *context)
{
    const struct dialler *dialler = context;
    close(dialler->fd);
}

static void *dialler_run(void *context)
{
    struct dialler *dialler = context;
    __atomic_store_n(&dialler->id, test_thread_id(), __ATOMIC_RELEASE);
    dialler->fd = stream();
    pthread_cleanup_push(close_it, dialler);
    dialler->error = dial(dialler->fd, dialler->port) == 0 ? 0 : errno;
    pthread_cleanup_pop(1);
    return NULL;
}

static void dialler_start(struct dialler *dialler, const struct port *port)
{
    *dialler = (struct dialler){.port = port, .fd = -1, .error = -1};
    CHECK_INT(pthread_create(&dialler->thread, NULL, dialler_run, dialler), 0);
}

// A child forked while another thread waits for its next attempt connects as ever, and so does that thread.
static void fork_in_a_threaded_program(void)
{
    struct port port = port_new(), childs = port_at("127.0.0.2"), good = port_at("127.0.0.2");
    struct dialler dialler;
    CHECK_INT(listen(good.fd, 64), 0);
    dialler_start(&dialler, &port);
    test_await_log(RETRY, "\"policy\":\"local\"", 1);
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            CHECK_INT(dial_once(&childs), ECONNREFUSED);
            CHECK_INT(dial_once(&good), 0);
            _exit(0);
        }
        CHECK_INT(test_status(child), 0);
    }
    CHECK_INT(listen(port.fd, 8), 0);
    thread_end(dialler.thread);
    CHECK_INT(dialler.error, 0);
    CHECK_INT(test_log(STOP, "\"policy\":\"child\""), 10);
    CHECK_INT(test_log(RETRY, "\"policy\":\"child\""), 20);
}

// A vfork child shares the parent's memory: it connects, and the parent finds everything as it was.
static void vfork_child(void)
{
    struct port port = port_at("127.0.0.2");
    int status = 0;
    unsigned before = test_descriptors();
    int fd = stream();
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(dial(fd, &port) == -1 && errno == ECONNREFUSED ? 0 : 1);
    close(fd);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    CHECK_INT(test_log(RETRY, ""), 2);
    CHECK_INT(dial_once(&port), ECONNREFUSED);
    CHECK_INT(test_log(RETRY, ""), 4);
    CHECK_INT(test_descriptors(), before);
}

// A thread that is cancelled while its connect waits ends at once, and leaves no descriptor behind. Its next attempt
// would be due after the time limit of the test.
static void cancelled(void)
{
    struct port port = port_new();
    struct dialler dialler;
    void *result = NULL;
    unsigned before = test_descriptors();
    for (int i = 1; i <= 5; i++) {
        dialler_start(&dialler, &port);
        test_await_log(RETRY, "", (unsigned) i);
        test_await_sleep(__atomic_load_n(&dialler.id, __ATOMIC_ACQUIRE));
        CHECK_INT(pthread_cancel(dialler.thread), 0);
        CHECK_INT(pthread_join(dialler.thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED);
    }
    CHECK_INT(test_descriptors(), before);
}

static void ignore(int number)
{
    (void) number;
}

// The same where some handlers have SA_RESTART and others do not.
static void cancelled_with_mixed_handlers(void)
{
    struct sigaction restarting = {.sa_handler = ignore, .sa_flags = SA_RESTART}, ending = {.sa_handler = ignore};
    CHECK_INT(sigaction(SIGUSR1, &restarting, NULL), 0);
    CHECK_INT(sigaction(SIGUSR2, &ending, NULL), 0);
    cancelled();
}

// A cancellation that is disabled does not act, and the thread keeps its cancellation type.
static void *dial_uncancelled(void *context)
{
    int type = -1;
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    dialler_run(context);
    CHECK_INT(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type), 0);
    CHECK_INT(type, PTHREAD_CANCEL_DEFERRED);
    return context;
}

static void cancel_disabled(void)
{
    struct port port = port_new();
    struct dialler dialler = {.port = &port, .fd = -1, .error = -1};
    void *result = NULL;
    CHECK_INT(pthread_create(&dialler.thread, NULL, dial_uncancelled, &dialler), 0);
    test_await_log(RETRY, "", 1);
    CHECK_INT(pthread_cancel(dialler.thread), 0);
    CHECK_INT(listen(port.fd, 16), 0);
    CHECK_INT(pthread_join(dialler.thread, &result), 0);
    CHECK(result == &dialler);
    CHECK_INT(dialler.error, 0);
}

static void cancel_disabled_with_mixed_handlers(void)
{
    struct sigaction restarting = {.sa_handler = ignore, .sa_flags = SA_RESTART}, ending = {.sa_handler = ignore};
    CHECK_INT(sigaction(SIGUSR1, &restarting, NULL), 0);
    CHECK_INT(sigaction(SIGUSR2, &ending, NULL), 0);
    cancel_disabled();
}

// A wait opens no descriptor that other threads could close, or that a forked child could keep.
static void waits_without_a_descriptor(void)
{
    struct port port = port_new();
    struct dialler dialler;
    unsigned before = test_descriptors();
    dialler_start(&dialler, &port);
    test_await_log(RETRY, "", 1);
    test_await_sleep(__atomic_load_n(&dialler.id, __ATOMIC_ACQUIRE));
    CHECK_INT(test_descriptors(), before + 1); // the socket
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(test_descriptors() == before + 1 ? 0 : 1);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(pthread_cancel(dialler.thread), 0);
    thread_end(dialler.thread);
}

// A program that ends a connect by closing its socket in another thread: whatever has the number next is left alone.
static void *replace_socket(void *context)
{
    const int *fds = context; // the socket that connects, and the one that takes its place
    test_await_log(RETRY, "", 1);
    CHECK(dup2(fds[1], fds[0]) == fds[0]);
    return NULL;
}

static void replaced_socket(void)
{
    struct port port = port_new();
    pthread_t thread;
    int fds[2] = {stream(), stream()};
    CHECK_INT(pthread_create(&thread, NULL, replace_socket, fds), 0);
    CHECK_INT(dial(fds[0], &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    thread_end(thread);
    CHECK_INT(test_log(RETRY, ""), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"interrupted\""), 1);
    CHECK_INT(listen(port.fd, 4), 0);
    CHECK(!is_peer(fds[0], &port));
    CHECK_INT(dial(fds[0], &port), 0);
}

// Many threads at once, each with its own call: all get through when the server comes up.
static void many_threads(void)
{
    enum { THREADS = 16 };
    struct port port = port_new();
    struct dialler diallers[THREADS];
    unsigned before = test_descriptors();
    for (int i = 0; i < THREADS; i++)
        dialler_start(&diallers[i], &port);
    test_await_log(RETRY, "", (THREADS * 2));
    CHECK_INT(listen(port.fd, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        thread_end(diallers[i].thread);
        CHECK_INT(diallers[i].error, 0);
    }
    CHECK_INT(test_descriptors(), before);
}

// Children that a threaded program forks at any moment, while other threads connect, are never stuck.
static void *dial_until(void *context)
{
    const bool *over = context;
    struct port port = port_at("127.0.0.2");
    while (!__atomic_load_n(over, __ATOMIC_ACQUIRE))
        dial_once(&port);
    return NULL;
}

static void forks_at_any_moment(void)
{
    enum { THREADS = 2, FORKS = 100 };
    struct port port = port_at("127.0.0.2");
    bool over = false;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, dial_until, &over), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(dial_once(&port) == ECONNREFUSED ? 0 : 1);
        CHECK_INT(test_status(child), 0);
    }
    __atomic_store_n(&over, true, __ATOMIC_RELEASE);
    for (int i = 0; i < THREADS; i++)
        thread_end(threads[i]);
}

static const struct test tests[] = {
    {"fork_in_a_threaded_program", LOCAL("20ms") CHILD "breaker=off\nbudget.floor=1000/s\n",
     fork_in_a_threaded_program},
    {"vfork_child", CHILD, vfork_child},
    {"cancelled", HOUR, cancelled},
    {"cancelled_with_mixed_handlers", HOUR, cancelled_with_mixed_handlers},
    {"cancel_disabled", LOCAL("400ms"), cancel_disabled},
    {"cancel_disabled_with_mixed_handlers", LOCAL("400ms"), cancel_disabled_with_mixed_handlers},
    {"waits_without_a_descriptor", HOUR, waits_without_a_descriptor},
    {"replaced_socket", LOCAL("400ms"), replaced_socket},
    {"many_threads", LOCAL("10ms"), many_threads},
    {"forks_at_any_moment", CHILD, forks_at_any_moment},
};

TEST_MAIN(tests)
