// SPDX-License-Identifier: MIT
// http.hold: HTTP on plain sockets in event loops.
#include "wire.h"

// PARKED: a response is held for good. The tests that hold for a time wait for what the library does then.
#define PARKED NEVER "http.hold=1000s\n"
#define HELD SOON "http.hold=100s\n"
#define HELD_LATER LATER "http.hold=100s\n"

enum { DATA = 0x12345 }; // of the socket's registration: no descriptor

struct loop {
    int epfd, fd, pipe[2];
};

static void watch(int epfd, int op, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    CHECK_INT(epoll_ctl(epfd, op, fd, &event), 0);
}

// Sends a request on a socket that an epoll watches, beside a pipe.
static struct loop loop_ask(struct server *server, const struct step *steps, const char *request, uint32_t events)
{
    struct loop loop = {.epfd = epoll_create1(EPOLL_CLOEXEC), .fd = stream()};
    CHECK_INT(pipe2(loop.pipe, O_CLOEXEC), 0);
    watch(loop.epfd, EPOLL_CTL_ADD, loop.pipe[0], EPOLLIN | EPOLLONESHOT, (uint64_t) loop.pipe[0]);
    server_start(server, steps);
    CHECK_INT(dial(loop.fd, &server->port), 0);
    CHECK_INT(fcntl(loop.fd, F_SETFL, O_NONBLOCK), 0);
    watch(loop.epfd, EPOLL_CTL_ADD, loop.fd, events, DATA);
    CHECK_INT(write(loop.fd, request, strlen(request)), (long) strlen(request));
    return loop;
}

static struct epoll_event next_event(const struct loop *loop, int timeout)
{
    struct epoll_event event = {0};
    int ready = epoll_wait(loop->epfd, &event, 1, timeout);
    CHECK(ready >= 0);
    return ready > 0 ? event : (struct epoll_event){0};
}

// Waits until the response is parked.
static void loop_park(const struct loop *loop)
{
    while (test_log(RETRY, "") == 0)
        CHECK_INT(next_event(loop, 5).events, 0);
    CHECK_INT(next_event(loop, 5).events, 0);
}

static void loop_expect(const struct loop *loop, const char *text)
{
    struct epoll_event event = next_event(loop, -1);
    CHECK_INT(event.data.u64, DATA);
    CHECK(event.events & EPOLLIN);
    expect(loop->fd, text);
}

static void expect_nothing(int fd)
{
    char byte;
    CHECK_INT(recv(fd, &byte, 1, 0), -1);
    CHECK_INT(errno, EAGAIN);
}

static const struct step busy_twice[] = {{.reply = BUSY}, {.reply = BUSY}, {.reply = OK}};
static const struct step busy_once[] = {{.reply = BUSY}, {.reply = OK}};

static void gets_the_third_response(uint32_t events)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_twice, GET, events);
    loop_expect(&loop, OK);
    expect_nothing(loop.fd);
    CHECK_INT(server.requests, 3);
    CHECK_INT(server.connections, 1);
    CHECK_INT(test_log(RECOVERED, ""), 1);
}

static void a_level_triggered_loop_gets_the_repeated_response(void)
{
    gets_the_third_response(EPOLLIN);
}

static void an_edge_triggered_loop_gets_the_repeated_response(void)
{
    gets_the_third_response(EPOLLIN | EPOLLRDHUP | EPOLLET);
}

static void a_one_shot_loop_gets_the_repeated_response(void)
{
    gets_the_third_response(EPOLLIN | EPOLLONESHOT);
}

static void every_call_holds(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK},   {.reply = BUSY},
                                        {.reply = OK},   {.reply = BUSY}, {.reply = OK}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN);
    struct epoll_event event;
    struct timespec long_time = {.tv_sec = 100};
    sigset_t mask;
    sigemptyset(&mask);
    loop_expect(&loop, OK);
    CHECK_INT(write(loop.fd, GET, strlen(GET)), (long) strlen(GET));
    CHECK_INT(epoll_pwait(loop.epfd, &event, 1, 100000, &mask), 1);
    expect(loop.fd, OK);
    CHECK_INT(write(loop.fd, GET, strlen(GET)), (long) strlen(GET));
    CHECK_INT(epoll_pwait2(loop.epfd, &event, 1, &long_time, &mask), 1);
    expect(loop.fd, OK);
    CHECK_INT(server.requests, 6);
}

static void without_the_key_nothing_is_held(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    loop_expect(&loop, BUSY);
    CHECK_INT(server.requests, 1);
}

static void a_post_is_not_repeated(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, POST, EPOLLIN);
    loop_expect(&loop, BUSY);
    CHECK_INT(server.requests, 1);
}

// The loop is not delayed: it gets the events of its other descriptors, and its timeouts, while a response is held.
static void other_descriptors_are_reported_during_a_hold(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    loop_park(&loop);
    for (int i = 0; i < 3; i++) {
        watch(loop.epfd, EPOLL_CTL_MOD, loop.pipe[0], EPOLLIN | EPOLLONESHOT, (uint64_t) loop.pipe[0]);
        CHECK_INT(write(loop.pipe[1], "x", 1), 1);
        CHECK_INT(next_event(&loop, -1).data.fd, loop.pipe[0]);
        CHECK_INT(next_event(&loop, 1).events, 0);
    }
    CHECK_INT(server.requests, 1);
}

static void a_writable_socket_is_reported_during_a_hold(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN | EPOLLOUT | EPOLLET);
    while (test_log(RETRY, "") == 0) {
        struct epoll_event event = next_event(&loop, 5);
        CHECK(event.events == 0 || (event.events == EPOLLOUT && event.data.u64 == DATA));
    }
}

static void a_wait_longer_than_the_hold_is_not_begun(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    loop_expect(&loop, BUSY);
    CHECK_INT(server.requests, 1);
    CHECK_INT(test_log(STOP, ""), 1);
}

static void at_the_end_of_the_hold_the_held_response_is_read(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = NULL}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN | EPOLLET);
    loop_expect(&loop, BUSY);
    expect_end(loop.fd);
    CHECK_INT(server.requests, 2);
}

static void a_part_of_a_response_is_read_at_the_end_of_the_hold(void)
{
    static const struct step steps[] = {{.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbu"}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN | EPOLLET);
    loop_expect(&loop, steps[0].reply);
}

static void a_close_during_a_hold_ends_it(void)
{
    struct server server, other;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN), next;
    loop_park(&loop);
    int fd = loop.fd;
    CHECK_INT(close(fd), 0);
    CHECK_INT(next_event(&loop, 1).events, 0);
    next = loop_ask(&other, (const struct step[]){{.reply = OK}}, GET, EPOLLIN);
    loop_expect(&next, OK);
    CHECK_INT(server.requests, 1);
}

static void a_connection_that_closes_later_is_made_again(void)
{
    static const struct step steps[] = {{.reply = BUSY, .later = "", .end = CLOSE}, {.reply = OK}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN);
    loop_expect(&loop, OK);
    CHECK_INT(server.requests, 2);
    CHECK_INT(server.connections, 2);
}

static void bytes_behind_the_response_end_a_hold(void)
{
    static const struct step steps[] = {{.reply = BUSY, .later = "HTTP/1.1 408 Slow\r\n\r\n"}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN | EPOLLET);
    loop_expect(&loop, BUSY "HTTP/1.1 408 Slow\r\n\r\n");
}

static void a_hang_up_on_the_repetition_shows_the_held_response(void)
{
    static const struct step closes[] = {{.reply = BUSY}, {.end = CLOSE}}, resets[] = {{.reply = BUSY}, {.end = RESET}};
    struct server server;
    struct loop loop = loop_ask(&server, closes, GET, EPOLLIN);
    loop_expect(&loop, BUSY);
    expect_end(loop.fd);
    loop = loop_ask(&server, resets, GET, EPOLLIN | EPOLLET);
    loop_expect(&loop, BUSY);
    expect_end(loop.fd);
}

static void a_connection_that_closes_is_made_again(void)
{
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy", .end = CLOSE},
        {.reply = "HTTP/1.1 503 Busy\r\n\r\nbusy", .end = CLOSE},
        {.reply = OK}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN);
    loop_expect(&loop, OK);
    CHECK_INT(server.requests, 3);
    CHECK_INT(server.connections, 3);
}

static void a_refused_reconnect_shows_the_held_response(void)
{
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy", .end = UNLISTEN}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN | EPOLLRDHUP | EPOLLET);
    loop_expect(&loop, steps[0].reply);
    expect_end(loop.fd);
}

// The library has the only copy of the response, and is to lose sight of the socket.
static void lost_sight_after_a_reconnect_shows_the_response(void)
{
    static const struct step steps[] = {
        {.reply = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy", .end = CLOSE},
        {.reply = OK}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN);
    loop_park(&loop);
    CHECK(dup(loop.fd) >= 0);
    loop_expect(&loop, steps[0].reply);
    expect_end(loop.fd);
    CHECK_INT(server.requests, 1);
}

static void a_reset_is_repeated(void)
{
    static const struct step steps[] = {{.end = RESET}, {.end = CLOSE}, {.reply = OK}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN | EPOLLET);
    loop_expect(&loop, OK);
    CHECK_INT(server.requests, 3);
}

static void the_last_reset_is_read(void)
{
    static const struct step steps[] = {{.end = RESET}, {.end = RESET}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN | EPOLLET);
    char byte;
    CHECK(next_event(&loop, -1).events & EPOLLIN);
    CHECK_INT(recv(loop.fd, &byte, 1, 0), -1);
    CHECK_INT(errno, ECONNRESET);
    CHECK_INT(server.requests, 2);
}

static void a_reset_of_a_post_keeps_its_errno(void)
{
    static const struct step steps[] = {{.end = RESET}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, POST, EPOLLIN);
    int error = 0;
    socklen_t size = sizeof(error);
    CHECK(next_event(&loop, -1).events & EPOLLERR);
    CHECK_INT(getsockopt(loop.fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    CHECK_INT(error, ECONNRESET);
}

static void a_read_during_a_hold_gets_the_response(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    loop_park(&loop);
    expect(loop.fd, BUSY);
    expect_nothing(loop.fd);
}

// Calls by which the library loses sight of the socket: the held response becomes visible to any wait.
static void duplicate(const struct loop *loop)
{
    CHECK(dup(loop->fd) >= 0);
}

static void inherit(const struct loop *loop)
{
    (void) loop;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK_INT(test_status(child), 0);
}

static void half_close(const struct loop *loop)
{
    CHECK_INT(shutdown(loop->fd, SHUT_WR), 0);
}

static void lost_sight_shows_the_response(void)
{
    void (*const ways[])(const struct loop *loop) = {duplicate, inherit, half_close};
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct server server;
        struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN | EPOLLET);
        while (test_log(RETRY, "") == i)
            CHECK_INT(next_event(&loop, 5).events, 0);
        ways[i](&loop);
        loop_expect(&loop, BUSY);
        CHECK_INT(server.requests, 1);
    }
}

// The response is hidden only while the epoll watches the socket.
static void a_removed_registration_shows_the_response(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    struct epoll_event event;
    int other = epoll_create1(EPOLL_CLOEXEC);
    loop_park(&loop);
    CHECK_INT(epoll_ctl(loop.epfd, EPOLL_CTL_DEL, loop.fd, NULL), 0);
    watch(other, EPOLL_CTL_ADD, loop.fd, EPOLLIN, DATA);
    CHECK_INT(syscall(SYS_epoll_wait, other, &event, 1, 0), 1);
    expect(loop.fd, BUSY);
}

static void a_moved_registration_keeps_the_hold(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    int other = epoll_create1(EPOLL_CLOEXEC);
    loop_park(&loop);
    CHECK_INT(epoll_ctl(loop.epfd, EPOLL_CTL_DEL, loop.fd, NULL), 0);
    loop.epfd = other;
    watch(other, EPOLL_CTL_ADD, loop.fd, EPOLLIN, DATA);
    loop_expect(&loop, OK);
    CHECK_INT(server.requests, 2);
}

static void a_nested_epoll_is_not_held(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    int outer = epoll_create1(EPOLL_CLOEXEC);
    watch(outer, EPOLL_CTL_ADD, loop.epfd, EPOLLIN, 0);
    loop_expect(&loop, BUSY);
    CHECK_INT(test_log(RETRY, ""), 0);
}

static void an_epoll_that_is_only_asked_holds(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    struct epoll_event event;
    while ((event = next_event(&loop, 0)).events == 0)
        test_pause();
    expect(loop.fd, OK);
}

// A program that waits for the epoll itself, by poll or select, would learn of the response too late.
static void a_polled_epoll_is_not_held(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    CHECK_INT(readable(loop.epfd, -1), POLLIN);
    loop_expect(&loop, BUSY);
    CHECK_INT(test_log(RETRY, ""), 0);
}

static void a_poll_for_the_epoll_ends_a_hold(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    fd_set reads;
    loop_park(&loop);
    FD_ZERO(&reads);
    FD_SET(loop.epfd, &reads);
    CHECK_INT(select(loop.epfd + 1, &reads, NULL, NULL, NULL), 1);
    loop_expect(&loop, BUSY);
}

// The connection that was used up is made again when the program writes.
static void the_next_request_may_follow_the_held_response(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.end = CLOSE}, {.reply = OK}};
    struct server server;
    struct loop loop = loop_ask(&server, steps, GET, EPOLLIN);
    loop_expect(&loop, BUSY);
    CHECK_INT(write(loop.fd, GET, strlen(GET)), (long) strlen(GET));
    loop_expect(&loop, OK);
    CHECK_INT(server.connections, 2);
}

// An edge of one descriptor could be that of another one with the same data.
static void shared_data_is_not_held(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN | EPOLLET);
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    watch(loop.epfd, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET, DATA);
    loop_expect(&loop, BUSY);
    CHECK_INT(server.requests, 1);
}

static void caught(int number)
{
    (void) number;
}

static void *interrupt(void *context)
{
    test_await_log(RETRY, "", 1);
    for (;; test_pause())
        pthread_kill(*(pthread_t *) context, SIGUSR1);
    return NULL;
}

static void a_signal_ends_the_wait(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, busy_once, GET, EPOLLIN);
    struct epoll_event event;
    struct sigaction action = {.sa_handler = caught, .sa_flags = SA_RESTART};
    pthread_t self = pthread_self(), thread;
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(pthread_create(&thread, NULL, interrupt, &self), 0);
    CHECK_INT(epoll_wait(loop.epfd, &event, 1, -1), -1);
    CHECK_INT(errno, EINTR);
    CHECK_INT(test_log(RETRY, ""), 1);
}

// Two threads wait on one epoll. One of them takes the event of the pipe and does not come back.
static void *wait_once(void *context)
{
    const struct loop *loop = context;
    struct epoll_event event = next_event(loop, -1);
    if (event.data.u64 == DATA)
        expect(loop->fd, OK);
    return event.data.u64 == DATA ? context : NULL;
}

static void the_other_thread_goes_on(void)
{
    struct server server;
    struct loop loop = loop_ask(&server, (const struct step[]){{.reply = NULL}}, GET, EPOLLIN), both;
    both = loop_ask(&server, busy_once, GET, EPOLLIN);
    pthread_t threads[2];
    void *got[2];
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, wait_once, &both), 0);
    test_await_log(RETRY, "", 1);
    CHECK_INT(write(both.pipe[1], "x", 1), 1);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_join(threads[i], &got[i]), 0);
    CHECK((got[0] != NULL) != (got[1] != NULL));
    close(loop.fd);
}

#define T(name, policy)                                                                                                \
    {                                                                                                                  \
#name, policy, name                                                                                            \
    }
static const struct test tests[] = {
    T(a_level_triggered_loop_gets_the_repeated_response, HELD),
    T(an_edge_triggered_loop_gets_the_repeated_response, HELD),
    T(a_one_shot_loop_gets_the_repeated_response, HELD),
    T(every_call_holds, HELD),
    T(without_the_key_nothing_is_held, SOON),
    T(a_post_is_not_repeated, HELD),
    T(other_descriptors_are_reported_during_a_hold, PARKED),
    T(a_writable_socket_is_reported_during_a_hold, PARKED),
    T(a_wait_longer_than_the_hold_is_not_begun, NEVER "http.hold=1s\n"),
    T(at_the_end_of_the_hold_the_held_response_is_read, SOON "http.hold=300ms\n"),
    T(a_part_of_a_response_is_read_at_the_end_of_the_hold, SOON "http.hold=100ms\n"),
    T(a_close_during_a_hold_ends_it, PARKED),
    T(a_connection_that_closes_later_is_made_again, HELD_LATER),
    T(bytes_behind_the_response_end_a_hold, PARKED),
    T(a_hang_up_on_the_repetition_shows_the_held_response, HELD "retry.attempts=2\n"),
    T(a_connection_that_closes_is_made_again, HELD),
    T(a_refused_reconnect_shows_the_held_response, HELD),
    T(lost_sight_after_a_reconnect_shows_the_response, PARKED),
    T(a_reset_is_repeated, HELD),
    T(the_last_reset_is_read, HELD "retry.attempts=2\n"),
    T(a_reset_of_a_post_keeps_its_errno, HELD),
    T(a_read_during_a_hold_gets_the_response, PARKED),
    T(lost_sight_shows_the_response, PARKED),
    T(a_removed_registration_shows_the_response, PARKED),
    T(a_moved_registration_keeps_the_hold, HELD_LATER),
    T(a_nested_epoll_is_not_held, PARKED),
    T(an_epoll_that_is_only_asked_holds, HELD),
    T(a_polled_epoll_is_not_held, PARKED),
    T(a_poll_for_the_epoll_ends_a_hold, PARKED),
    T(the_next_request_may_follow_the_held_response, HELD "retry.attempts=2\n"),
    T(shared_data_is_not_held, PARKED),
    T(a_signal_ends_the_wait, PARKED),
    T(the_other_thread_goes_on, HELD_LATER),
};

TEST_MAIN(tests)
