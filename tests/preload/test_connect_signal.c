// SPDX-License-Identifier: MIT
// Signals while a connect waits for its next attempt: what a blocking connect would do in the kernel, it does here.
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "network.h"
#include "sandbox.h"

#define SLOW "retry.attempts=3\nretry.backoff=fixed\nretry.base=500ms\nretry.jitter=none\nbreaker=off\n"
#define VERY_SLOW "retry.attempts=3\nretry.backoff=fixed\nretry.base=25s\nretry.cap=25s\nretry.jitter=none\n"

static volatile sig_atomic_t handled;

static void note(int number)
{
    (void) number;
    handled++;
}

static void install_for(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    CHECK_INT(sigaction(number, &action, NULL), 0);
}

static void install(void (*handler)(int), int flags)
{
    install_for(SIGUSR1, handler, flags);
}

// Sends SIGUSR1 to the thread that connects, once it waits for its next attempt.
struct sender {
    pthread_t target;
    pid_t target_id;
    const struct port *open; // begins to listen before the signal; may be NULL
    const struct port *open_after;
    unsigned retries; // in the log before the signal; 0: one
    pthread_t thread;
};

static void *sender_run(void *context)
{
    const struct sender *sender = context;
    test_await_log(RETRY, "127.0.0.1", sender->retries ? sender->retries : 1);
    test_await_sleep(sender->target_id);
    if (sender->open)
        CHECK_INT(listen(sender->open->fd, 16), 0);
    CHECK_INT(pthread_kill(sender->target, SIGUSR1), 0);
    while (!handled)
        test_pause();
    if (sender->open_after)
        CHECK_INT(listen(sender->open_after->fd, 16), 0);
    return NULL;
}

static void sender_start(struct sender *sender)
{
    sender->target = pthread_self();
    sender->target_id = test_thread_id();
    CHECK_INT(pthread_create(&sender->thread, NULL, sender_run, sender), 0);
}

// A handler with SA_RESTART does not end the call: it waits on, tries again and succeeds.
static void restarts(void)
{
    struct port port = port_new();
    struct sender sender = {.open_after = &port};
    int fd = stream();
    install(note, SA_RESTART);
    sender_start(&sender);
    uint64_t began = test_now_ms();
    CHECK_INT(dial(fd, &port), 0);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 500, 20000);
    CHECK_INT(handled, 1);
    thread_end(sender.thread);
    CHECK(is_peer(fd, &port));
    CHECK_INT(test_log(RECOVERED, ""), 1);
}

// A handler without SA_RESTART ends the call with EINTR at once. As after a bare EINTR the connect goes on behind it:
// the server listens by now, so the socket becomes connected.
static void interrupted_then_connected(void)
{
    struct port port = port_new();
    struct sender sender = {.open = &port};
    int fd = stream();
    install(note, 0);
    sender_start(&sender);
    uint64_t began = test_now_ms();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINTR);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 20000);
    thread_end(sender.thread);
    CHECK_INT(finished(fd), 0);
    CHECK(is_peer(fd, &port));
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT(test_log(STOP, "\"reason\":\"interrupted\""), 1);
}

// The same where nobody listens: the socket then reports the refusal.
static void interrupted_then_refused(void)
{
    struct port port = port_new();
    struct sender sender = {.open = NULL};
    int fd = stream();
    install(note, 0);
    sender_start(&sender);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINTR);
    thread_end(sender.thread);
    CHECK_INT(finished(fd), ECONNREFUSED);
    CHECK_INT(test_log(STOP, "\"reason\":\"interrupted\""), 1);
}

// Handlers differ in SA_RESTART: the flag of the handler that runs decides.
static void mixed_restarts(void)
{
    install_for(SIGUSR2, note, 0);
    restarts();
}

static void mixed_interrupted(void)
{
    install_for(SIGUSR2, note, SA_RESTART);
    interrupted_then_connected();
}

// A handler that is gone after it has run, and one that this thread has blocked.
static void resets_its_handler(void)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    install_for(SIGUSR2, note, SA_RESTART);
    struct port port = port_new();
    struct sender sender = {.open = &port};
    install(note, (int) SA_RESETHAND);
    sender_start(&sender);
    int fd = stream();
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINTR);
    thread_end(sender.thread);
    CHECK_INT(finished(fd), 0);
}

// Handlers differ in SA_RESTART, and a sandbox refuses the call that obeys the flag. The program gets its own failure.
static void mixed_without_futex(void)
{
    struct port port = port_new();
    struct sender sender = {.open = NULL};
    int fd = stream();
    refuse_call(SYS_futex_waitv);
    install(note, SA_RESTART);
    install_for(SIGUSR2, note, 0);
    sender_start(&sender);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ECONNREFUSED);
    thread_end(sender.thread);
    CHECK_INT(handled, 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"interrupted\""), 1);
}

// A connect with SO_SNDTIMEO is interrupted by every handler.
static void own_limit_interrupted(void)
{
    struct port port = port_new();
    struct sender sender = {.open = &port};
    int fd = stream();
    struct timeval limit = {.tv_sec = 1000};
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
    install(note, SA_RESTART);
    sender_start(&sender);
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, EINTR);
    thread_end(sender.thread);
    CHECK_INT(finished(fd), 0);
}

static sigjmp_buf outside;

static void leave(int number)
{
    note(number);
    siglongjmp(outside, 1);
}

// A handler that leaves the wait by siglongjmp: no descriptor is lost, no signal stays blocked, and the next connect is
// repeated.
static void left_by_jump(void)
{
    struct port port = port_new();
    sigset_t before, after;
    int fd = stream();
    unsigned descriptors = test_descriptors();
    CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
    install(leave, 0);
    for (volatile int i = 1; i <= 5; i++) {
        struct sender sender = {.open = NULL, .retries = test_log(RETRY, "") + 1};
        sender_start(&sender);
        if (sigsetjmp(outside, 1) == 0) {
            dial(fd, &port);
            CHECK(!"reached");
        }
        thread_end(sender.thread);
        handled = 0;
    }
    CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    for (int number = 1; number < NSIG; number++)
        CHECK_INT(sigismember(&after, number), sigismember(&before, number));
    CHECK_INT(test_descriptors(), descriptors);
    CHECK_INT(test_log(RETRY, ""), 5);
}

static void mixed_left_by_jump(void)
{
    install_for(SIGUSR2, note, SA_RESTART);
    left_by_jump();
}

// A handler that leaves the call at any moment, also while a line of the log is written.
static void left_at_any_moment(void)
{
    enum { ROUNDS = 2000 };
    struct port port = port_new();
    int fd = stream();
    dial(fd, &port);
    unsigned descriptors = test_descriptors();
    install_for(SIGALRM, leave, 0);
    for (volatile int i = 0; i < ROUNDS; i++) {
        struct itimerval timer = {.it_value.tv_usec = 20 + i % 500};
        if (sigsetjmp(outside, 1) == 0) {
            CHECK_INT(setitimer(ITIMER_REAL, &timer, NULL), 0);
            dial(fd, &port);
            while (true)
                continue; // until the handler leaves
        }
    }
    CHECK_INT(test_descriptors(), descriptors);
    CHECK_INT(listen(port.fd, 4), 0);
    CHECK_INT(dial_once(&port), 0);
}

static struct port inner_refuses, inner_listens;
static int inner_errors[2];

static void connect_in_handler(int number)
{
    int saved = errno;
    inner_errors[0] = dial_once(&inner_refuses);
    inner_errors[1] = dial_once(&inner_listens);
    errno = saved;
    note(number);
}

// A handler may connect while the thread under it waits in a connect: both calls keep their own course.
static void nested(void)
{
    struct port port = port_new();
    struct sender sender = {.open_after = &port};
    int fd = stream();
    inner_refuses = port_at("127.0.0.2");
    inner_listens = port_at("127.0.0.2");
    CHECK_INT(listen(inner_listens.fd, 4), 0);
    inner_errors[1] = -1;
    install(connect_in_handler, SA_RESTART);
    sender_start(&sender);
    CHECK_INT(dial(fd, &port), 0);
    thread_end(sender.thread);
    CHECK_INT(inner_errors[0], ECONNREFUSED);
    CHECK_INT(inner_errors[1], 0);
    CHECK_INT(test_log(RETRY, "\"policy\":\"inner\""), 2);
    CHECK_INT(test_log(STOP, "\"policy\":\"inner\""), 1);
    CHECK_INT(test_log(RECOVERED, "\"policy\":\"outer\""), 1);
}

// On an alternate stack of the smallest size that has room for a signal frame and a modest handler.
static void small_stack(void)
{
    static char stack[16384];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = connect_in_handler, .sa_flags = SA_ONSTACK};
    inner_refuses = port_at("127.0.0.2");
    inner_listens = port_at("127.0.0.2");
    CHECK_INT(listen(inner_listens.fd, 4), 0);
    CHECK_INT(sigaltstack(&alternate, NULL), 0);
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    raise(SIGUSR1);
    CHECK_INT(inner_errors[0], ECONNREFUSED);
    CHECK_INT(inner_errors[1], 0);
    CHECK_INT(test_log(RETRY, "\"policy\":\"inner\""), 2);
}

// The time limit of an attempt makes the kernel answer EINTR also under SA_RESTART: the program must not see that.
static void restarts_with_a_limit(void)
{
    struct port port = port_new();
    int fillers[2], fd = stream();
    port_fill(&port, fillers);
    install(note, SA_RESTART);
    pid_t child = fork(); // sends the signal once this process sleeps in connect
    CHECK(child >= 0);
    if (child == 0) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/syscall", (int) getppid());
        for (bool there = false; !there; test_pause()) {
            char *text = test_read(path, NULL);
            there = text[0] >= '0' && text[0] <= '9' && atol(text) == SYS_connect;
            free(text);
        }
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CHECK_INT(dial(fd, &port), -1);
    CHECK_INT(errno, ETIMEDOUT);
    CHECK_INT(handled, 1);
    CHECK_INT(test_status(child), 0);
}

#define INNER "[inner]\nhosts=127.0.0.2\nretry.backoff=fixed\nretry.base=2ms\nretry.jitter=none\n"

static const struct test tests[] = {
    {"restarts", "[local]\nhosts=127.0.0.1\n" SLOW, restarts},
    {"interrupted_then_connected", "[local]\nhosts=127.0.0.1\n" VERY_SLOW, interrupted_then_connected},
    {"interrupted_then_refused", "[local]\nhosts=127.0.0.1\n" VERY_SLOW, interrupted_then_refused},
    {"mixed_restarts", "[local]\nhosts=127.0.0.1\n" SLOW, mixed_restarts},
    {"mixed_interrupted", "[local]\nhosts=127.0.0.1\n" VERY_SLOW, mixed_interrupted},
    {"resets_its_handler", "[local]\nhosts=127.0.0.1\n" VERY_SLOW, resets_its_handler},
    {"mixed_without_futex", "[local]\nhosts=127.0.0.1\n" VERY_SLOW, mixed_without_futex},
    {"own_limit_interrupted", "[local]\nhosts=127.0.0.1\n" VERY_SLOW, own_limit_interrupted},
    {"left_by_jump", "[local]\nhosts=127.0.0.1\n" VERY_SLOW "breaker=off\n", left_by_jump},
    {"mixed_left_by_jump", "[local]\nhosts=127.0.0.1\n" VERY_SLOW "breaker=off\n", mixed_left_by_jump},
    {"left_at_any_moment",
     "[local]\nhosts=127.0.0.1\nretry.attempts=3\nretry.backoff=fixed\nretry.base=1ms\nretry.jitter=none\nbreaker=off\n"
     "budget.floor=1000/s\n",
     left_at_any_moment},
    {"nested", "[outer]\nhosts=127.0.0.1\n" SLOW INNER, nested},
    {"small_stack", INNER, small_stack},
    {"restarts_with_a_limit", "[local]\nhosts=127.0.0.1\nretry.attempts=1\ntimeout.connect=400ms\n",
     restarts_with_a_limit},
};

TEST_MAIN(tests)
