// SPDX-License-Identifier: MIT
// Threads that leave a wait for a parked connect by siglongjmp or by cancellation.
#include <gnu/libc-version.h>
#include <setjmp.h>
#include <signal.h>

#include "park.h"

static bool is_blocked(int number)
{
    sigset_t now;
    CHECK_INT(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    return sigismember(&now, number);
}

static sigjmp_buf outside;

static void leave(int number)
{
    (void) number;
    siglongjmp(outside, 1);
}

struct sender {
    pthread_t target, thread;
    pid_t target_id;
};

static bool waits(long number)
{
    static const long calls[] = {SYS_ppoll,       SYS_pselect6, SYS_epoll_pwait,
#ifdef SYS_poll
                                 SYS_poll,        SYS_select,   SYS_epoll_wait,
#endif
                                 SYS_epoll_pwait2};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (number == calls[i])
            return true;
    return false;
}

static void *send_in_wait(void *context)
{
    const struct sender *sender = context;
    while (!waits(test_call_of(sender->target_id)))
        test_pause();
    CHECK_INT(pthread_kill(sender->target, SIGUSR1), 0);
    return NULL;
}

// Afterwards no signal is blocked, no descriptor is lost, and other waits work: the connect succeeds.
static void left_by_jump(void)
{
    struct sigaction action = {.sa_handler = leave};
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    for (volatile int way = 0; way < WAIT_WAYS; way++) {
        struct port port = port_new();
        int fd = flying(&port), epfd = epoll_for(fd, EPOLLOUT);
        unsigned before = test_descriptors(), retries = test_log(RETRY, "");
        struct sender sender = {.target = pthread_self(), .target_id = test_thread_id()};
        CHECK_INT(pthread_create(&sender.thread, NULL, send_in_wait, &sender), 0);
        if (sigsetjmp(outside, 1) == 0) {
            wait_by(way, fd, epfd, NULL);
            CHECK(!"the wait is left");
        }
        thread_end(sender.thread);
        CHECK(!is_blocked(SIGUSR1) && !is_blocked(SIGTERM));
        CHECK_INT(test_descriptors(), before);
        CHECK_INT(listen(port.fd, 4), 0);
        CHECK_INT(wait_by(way, fd, epfd, NULL), 1);
        CHECK(is_peer(fd, &port));
        CHECK(test_log(RETRY, "") > retries);
        close(fd);
        close(epfd);
    }
}

struct waiter {
    enum wait_way way;
    int fd, epfd;
    bool pending; // the thread is cancelled before it waits
    bool cleaned, blocked;
    _Atomic pid_t id;
};

static void note_mask(void *context)
{
    struct waiter *waiter = context;
    waiter->cleaned = true;
    waiter->blocked = is_blocked(SIGUSR1) || is_blocked(SIGTERM);
}

static void *wait_for_cancel(void *context)
{
    struct waiter *waiter = context;
    pthread_cleanup_push(note_mask, waiter);
    if (waiter->pending)
        CHECK_INT(pthread_cancel(pthread_self()), 0);
    waiter->id = test_thread_id();
    wait_by(waiter->way, waiter->fd, waiter->epfd, NULL);
    pthread_cleanup_pop(0);
    return NULL;
}

// From glibc 2.41, a cancellation acts when the call of the kernel has returned. Then the mask of the call is no longer
// in force.
static bool cancels_within_call(void)
{
    unsigned major = 0, minor = 0;
    CHECK_INT(sscanf(gnu_get_libc_version(), "%u.%u", &major, &minor), 2);
    return major == 2 && minor < 41;
}

// A cancellation leaves the frames of the library without their epilogues, so the address sanitizer still counts their
// memory as in use. It then finds faults in the cleanup handler, whose frames have the same addresses.
static void check_cancelled(bool pending)
{
    if (test_is_sanitized())
        test_skip("the address sanitizer does not follow a cancellation");
    for (int way = 0; way < WAIT_WAYS; way++) {
        struct port port = port_new();
        int fd = parked(&port), epfd = epoll_for(fd, EPOLLOUT);
        struct waiter waiter = {.way = way, .fd = fd, .epfd = epfd, .pending = pending};
        unsigned before = test_descriptors();
        pthread_t thread;
        void *result = NULL;
        CHECK_INT(pthread_create(&thread, NULL, wait_for_cancel, &waiter), 0);
        if (!pending) {
            while (waiter.id == 0 || !waits(test_call_of(waiter.id)))
                test_pause();
            CHECK_INT(pthread_cancel(thread), 0);
        }
        CHECK_INT(pthread_join(thread, &result), 0);
        CHECK(result == PTHREAD_CANCELED && waiter.cleaned);
        CHECK(!waiter.blocked || !cancels_within_call());
        CHECK_INT(test_descriptors(), before);
        close(fd);
        close(epfd);
    }
}

static void cancelled(void)
{
    check_cancelled(false);
}

// The thread has been cancelled before it waits. Its cleanup handlers run with the program's own signal mask.
static void cancelled_before(void)
{
    check_cancelled(true);
}

static void *read_for_cancel(void *context)
{
    struct waiter *waiter = context;
    char byte;
    pthread_cleanup_push(note_mask, waiter);
    waiter->id = test_thread_id();
    CHECK_INT(read(waiter->fd, &byte, 1), -1);
    pthread_cleanup_pop(0);
    return NULL;
}

// A read of a parked socket that was made blocking waits inside the library. It is a cancellation point too.
static void cancelled_in_read(void)
{
    if (test_is_sanitized())
        test_skip("the address sanitizer does not follow a cancellation");
    struct port port = port_new();
    struct waiter waiter = {.fd = parked(&port)};
    pthread_t thread;
    void *result = NULL;
    CHECK_INT(fcntl(waiter.fd, F_SETFL, 0), 0);
    CHECK_INT(pthread_create(&thread, NULL, read_for_cancel, &waiter), 0);
    while (waiter.id == 0)
        test_pause();
    test_await_sleep(waiter.id);
    CHECK_INT(pthread_cancel(thread), 0);
    CHECK_INT(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED && waiter.cleaned && !waiter.blocked);
}

static const struct test tests[] = {
    {"left_by_jump", POLICY "retry.base=500ms\nretry.attempts=9\nbudget.floor=1000/s\n", left_by_jump},
    {"cancelled", LONG, cancelled},
    {"cancelled_in_read", LONG, cancelled_in_read},
    {"cancelled_before", LONG, cancelled_before},
};

TEST_MAIN(tests)
