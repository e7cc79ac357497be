// SPDX-License-Identifier: MIT
// Threads that never come back from a call in which the library waits or follows a response: they are cancelled, or a
// signal handler leaves by siglongjmp or pthread_exit.
#include <setjmp.h>

#include "wire.h"

#define PART "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbu" // may have to be repeated, but is not whole
#define BODY "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbu"   // its rest is awaited by the program

// How a thread leaves its call.
enum leave { CANCELLED, JUMPS, EXITS };

struct leaver {
    enum leave how;
    bool polls; // it waits in poll, else in recv
    int fd;
    pthread_t thread;
    _Atomic pid_t id;
};

static __thread sigjmp_buf leave_place;
static __thread enum leave leave_how;

static void leave_call(int number)
{
    (void) number;
    if (leave_how == EXITS)
        pthread_exit(NULL);
    siglongjmp(leave_place, 1);
}

static void *leaver_run(void *context)
{
    struct leaver *leaver = context;
    char bytes[100];
    leave_how = leaver->how;
    leaver->id = test_thread_id();
    if (sigsetjmp(leave_place, 1) == 0) {
        while (leaver->polls && readable(leaver->fd, -1) == 0)
            continue;
        while (recv(leaver->fd, bytes, sizeof(bytes), 0) > 0)
            continue;
        CHECK(false);
    }
    return NULL;
}

static int low_mark(int fd)
{
    int mark = 0;
    socklen_t size = sizeof(mark);
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &size), 0);
    return mark;
}

// A thread waits in this system call, and leaves it.
//   least: the mark of the socket at that time
static void leave_during(struct leaver *leaver, long call, int least)
{
    struct sigaction action = {.sa_handler = leave_call};
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(pthread_create(&leaver->thread, NULL, leaver_run, leaver), 0);
    while (leaver->id == 0 || low_mark(leaver->fd) < least)
        test_pause();
    test_await_call(leaver->id, call);
    CHECK_INT(leaver->how == CANCELLED ? pthread_cancel(leaver->thread) : pthread_kill(leaver->thread, SIGUSR1), 0);
    thread_end(leaver->thread);
}

// A part of a response is hidden while the thread leaves. The next call shows it, and the connection works.
static void show_a_part(enum leave how, bool polls)
{
    static const struct step steps[] = {{.reply = PART}};
    struct server server;
    server_start(&server, steps);
    struct leaver leaver = {.how = how, .polls = polls, .fd = ask(&server, GET)};
    leave_during(&leaver, SYS_ppoll, 2);
    CHECK_INT(readable(leaver.fd, 100000), POLLIN);
    CHECK_INT(low_mark(leaver.fd), 1);
    expect(leaver.fd, PART);
    CHECK_INT(test_log(RETRY, ""), 0);
}

static void a_cancelled_read_hides_nothing(void)
{
    show_a_part(CANCELLED, false);
}

static void a_cancelled_poll_hides_nothing(void)
{
    show_a_part(CANCELLED, true);
}

static void a_read_left_by_a_jump_hides_nothing(void)
{
    show_a_part(JUMPS, false);
}

static void a_poll_left_by_a_jump_hides_nothing(void)
{
    show_a_part(JUMPS, true);
}

static void a_read_left_by_the_end_of_its_thread_hides_nothing(void)
{
    show_a_part(EXITS, false);
}

// A whole response is hidden for good.
static void show_a_response(enum leave how)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    struct leaver leaver = {.how = how, .fd = ask(&server, GET)};
    while (test_log(RETRY, "") == 0)
        CHECK_INT(readable(leaver.fd, 0), 0);
    leave_during(&leaver, SYS_ppoll, 1);
    CHECK_INT(readable(leaver.fd, -1), POLLIN);
    expect(leaver.fd, BUSY);
    CHECK_INT(server.requests, 1);
}

static void a_cancelled_read_shows_the_response(void)
{
    show_a_response(CANCELLED);
}

static void a_read_left_by_a_jump_shows_the_response(void)
{
    show_a_response(JUMPS);
}

// --- memory

static unsigned long mapped_pages(void)
{
    char *text = test_read("/proc/self/statm", NULL);
    unsigned long pages = strtoul(text, NULL, 10);
    free(text);
    return pages;
}

// Connections whose threads leave give their memory back when they are closed. One takes more than 30 pages.
static void keep_no_memory(enum leave how, const char *reply, long call)
{
    enum { FIRST = 20, ROUNDS = 60, LEAST = 30 * (ROUNDS - FIRST) };
    static struct step steps[ROUNDS];
    struct server server;
    unsigned long before = 0;
    if (test_is_sanitized())
        test_skip("the address sanitizer maps memory for each thread");
    for (int i = 0; i < ROUNDS; i++)
        steps[i] = (struct step){.reply = reply};
    server_start(&server, steps);
    for (int i = 0; i < ROUNDS; i++) {
        struct leaver leaver = {.how = how, .fd = ask(&server, GET)};
        leave_during(&leaver, call, 1);
        close(leaver.fd);
        if (i == FIRST)
            before = mapped_pages();
    }
    CHECK_BETWEEN((long) (mapped_pages() - before), -LEAST, LEAST / 2);
}

static void a_cancelled_wait_keeps_no_memory(void)
{
    keep_no_memory(CANCELLED, BUSY, SYS_ppoll);
}

static void a_wait_left_by_a_jump_keeps_no_memory(void)
{
    keep_no_memory(JUMPS, BUSY, SYS_ppoll);
}

static void a_cancelled_body_keeps_no_memory(void)
{
    keep_no_memory(CANCELLED, BODY, SYS_recvfrom);
}

static void a_body_left_by_a_jump_keeps_no_memory(void)
{
    keep_no_memory(JUMPS, BODY, SYS_recvfrom);
}

#define T(name, policy)                                                                                                \
    {                                                                                                                  \
#name, policy, name                                                                                            \
    }
static const struct test tests[] = {
    T(a_cancelled_read_hides_nothing, NEVER),
    T(a_cancelled_poll_hides_nothing, NEVER),
    T(a_read_left_by_a_jump_hides_nothing, NEVER),
    T(a_poll_left_by_a_jump_hides_nothing, NEVER),
    T(a_read_left_by_the_end_of_its_thread_hides_nothing, NEVER),
    T(a_cancelled_read_shows_the_response, NEVER),
    T(a_read_left_by_a_jump_shows_the_response, NEVER),
    T(a_cancelled_wait_keeps_no_memory, NEVER),
    T(a_wait_left_by_a_jump_keeps_no_memory, NEVER),
    T(a_cancelled_body_keeps_no_memory, NEVER),
    T(a_body_left_by_a_jump_keeps_no_memory, NEVER),
};

TEST_MAIN(tests)
