// SPDX-License-Identifier: MIT
// HTTP on plain sockets under the library: no healthy program is worse off.
#include <spawn.h>

#include "wire.h"

static void a_blocking_read_gets_the_repeated_response(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, OK);
    CHECK_INT(server.requests, 2);
    CHECK_INT(server.connections, 1);
}

static void a_response_may_end_with_the_connection(void)
{
    static const struct step steps[] = {{.reply = "HTTP/1.1 503 Busy\r\n\r\nbusy", .end = CLOSE}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, OK);
    CHECK_INT(server.connections, 2);
}

static void a_response_that_is_cut_off_is_passed_on(void)
{
    static const struct step steps[] = {{.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbu", .end = CLOSE},
                                        {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, steps[0].reply);
    expect_end(fd);
    CHECK_INT(server.requests, 1);
}

static void a_response_that_stalls_is_passed_on(void)
{
    static const struct step steps[] = {{.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbu"}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, steps[0].reply);
}

// One read may take more than the library keeps of a response.
static void a_large_read_is_followed(void)
{
    static char large[100100], got[sizeof(large)];
    struct step steps[] = {{.reply = large}, {.reply = BUSY}, {.reply = OK}};
    struct server server;
    int head = sprintf(large, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    memset(large + head, 'x', 100000);
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(recv(fd, got, (size_t) head + 100000, MSG_WAITALL), head + 100000);
    CHECK(memcmp(got, large, (size_t) head + 100000) == 0);
    CHECK_INT(write(fd, GET, strlen(GET)), (long) strlen(GET));
    expect(fd, OK);
    CHECK_INT(server.requests, 3);
}

// A program that polls and then reads a blocking socket must not wait in the read.
static void a_part_that_poll_reports_can_be_read(void)
{
    static const struct step steps[] = {{.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbu"}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(readable(fd, 400), POLLIN);
    expect(fd, steps[0].reply);
}

static void a_writable_socket_is_reported_at_once(void)
{
    static const struct step steps[] = {{.reply = NULL}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK_INT(poll(&p, 1, -1), 1);
    CHECK_INT(p.revents, POLLOUT);
}

static void a_writable_socket_is_reported_while_parked(void)
{
    static const struct step steps[] = {{.reply = BUSY}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    while (test_log(RETRY, "") == 0)
        CHECK_INT(readable(fd, 0), 0);
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK_INT(poll(&p, 1, 5), 1);
    CHECK_INT(p.revents, POLLOUT);
}

static void the_next_request_may_follow_the_held_response(void)
{
    static const struct step steps[] = {{.reply = BUSY},
                                        {.reply = NULL, .end = CLOSE},
                                        {.reply = NULL, .end = CLOSE},
                                        {.reply = NULL, .end = CLOSE},
                                        {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, BUSY);
    int requests = server.requests;
    CHECK_INT(write(fd, GET, strlen(GET)), (long) strlen(GET)); // no SIGPIPE
    server.steps = NULL;
    char byte;
    CHECK(recv(fd, &byte, 1, 0) >= 0);
    CHECK(server.requests > requests);
}

static void a_held_response_is_readable_to_its_end(void)
{
    static const struct step steps[] = {{.reply = BUSY, .end = UNLISTEN}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    char byte;
    for (const char *at = BUSY; *at; at++) {
        CHECK(readable(fd, -1) & POLLIN);
        CHECK_INT(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
        CHECK_INT(byte, *at);
    }
    CHECK(readable(fd, -1) & POLLIN);
    CHECK_INT(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    errno = 0;
    CHECK_INT(write(fd, GET, strlen(GET)), -1); // no SIGPIPE
    CHECK_INT(errno, ECONNRESET);
}

static void a_stale_connection_that_cannot_be_made_again_is_reset(void)
{
    static const struct step steps[] = {{.reply = OK, .end = UNLISTEN}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, OK);
    thread_end(server.thread);
    CHECK_INT(write(fd, POST, strlen(POST)), -1); // no SIGPIPE
    CHECK_INT(errno, ECONNRESET);
}

static void a_stale_connection_is_made_again(void)
{
    static const struct step steps[] = {{.reply = OK, .end = CLOSE}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, OK);
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    CHECK_INT(poll(&p, 1, -1), 1);
    CHECK_INT(write(fd, POST, strlen(POST)), (long) strlen(POST));
    expect(fd, OK);
    CHECK_INT(server.requests, 2);
}

// A hold would delay the other descriptors.
static void a_blocking_socket_in_a_loop_is_not_held(void)
{
    static const struct step steps[] = {{.reply = BUSY}};
    struct server server;
    int pipes[2];
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(pipe(pipes), 0);
    struct pollfd p[] = {{fd, POLLIN, 0}, {pipes[0], POLLIN, 0}, {pipes[1], POLLIN, 0}};
    CHECK_INT(poll(p, 3, -1), 1);
    expect(fd, BUSY);
    CHECK_INT(test_log(RETRY, ""), 0);
}

static void two_connections_in_one_poll_are_not_held(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = BUSY}};
    struct server server, other;
    server_start(&server, steps);
    server_start(&other, steps);
    struct pollfd p[] = {{ask(&server, GET), POLLIN, 0}, {ask(&other, GET), POLLIN, 0}};
    CHECK(poll(p, 2, -1) > 0);
    expect(p[0].fd, BUSY);
    expect(p[1].fd, BUSY);
    CHECK_INT(test_log(RETRY, ""), 0);
}

static void after_epoll_nothing_is_held(void)
{
    static const struct step steps[] = {{.reply = BUSY}};
    struct server server;
    server_start(&server, steps);
    int fd = stream(), epfd = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(dial(fd, &server.port), 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    CHECK_INT(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK_INT(readable(fd, 0), 0);
    CHECK_INT(write(fd, GET, strlen(GET)), (long) strlen(GET));
    CHECK_INT(epoll_wait(epfd, &event, 1, -1), 1);
    char byte;
    CHECK_INT(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
}

// --- other threads

struct reader {
    pthread_t thread;
    pid_t id;
    int fd;
    _Atomic bool begins;
};

static void *reader_run(void *context)
{
    struct reader *reader = context;
    reader->id = test_thread_id();
    reader->begins = true;
    expect(reader->fd, BUSY);
    return NULL;
}

static void reader_start(struct reader *reader, int fd)
{
    *reader = (struct reader){.fd = fd};
    CHECK_INT(pthread_create(&reader->thread, NULL, reader_run, reader), 0);
    test_await_log(RETRY, "", 1);
    CHECK(reader->begins);
}

static void a_shutdown_ends_the_wait_of_another_thread(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    struct reader reader;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    reader_start(&reader, fd);
    CHECK_INT(shutdown(fd, SHUT_RDWR), 0);
    thread_end(reader.thread);
    CHECK_INT(server.connections, 1);
}

static void a_request_of_another_thread_prevents_the_repetition(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}, {.reply = OK}};
    struct server server;
    struct reader reader;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    reader_start(&reader, fd);
    CHECK_INT(write(fd, GET, strlen(GET)), (long) strlen(GET));
    thread_end(reader.thread);
    expect(fd, OK);
    CHECK_INT(server.requests, 2);
}

static void a_half_closed_connection_is_opaque(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(shutdown(fd, SHUT_WR), 0);
    expect(fd, BUSY);
    CHECK_INT(server.requests, 1);
}

static void a_process_that_inherits_makes_opaque(void)
{
    static const struct step steps[] = {{.reply = OK}, {.reply = BUSY}, {.reply = OK}};
    struct server server;
    pid_t child;
    char *arguments[] = {(char *) "true", NULL}, *variables[] = {NULL};
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, OK);
    CHECK_INT(fcntl(fd, F_SETFD, 0), 0);
    CHECK_INT(posix_spawnp(&child, "true", NULL, NULL, arguments, variables), 0);
    CHECK_INT(test_status(child), 0);
    CHECK_INT(write(fd, GET, strlen(GET)), (long) strlen(GET));
    expect(fd, BUSY);
    CHECK_INT(server.requests, 2);
}

// --- limits and signals

static void ignore(int number)
{
    (void) number;
}

// With SO_RCVTIMEO, a handler with SA_RESTART ends recv too (signal(7)).
static void a_signal_ends_a_read_with_a_limit(void)
{
    static const struct step steps[] = {{.reply = NULL}};
    struct server server;
    struct timeval limit = {.tv_sec = 100};
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART};
    char byte;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    CHECK_INT(sigaction(SIGVTALRM, &action, NULL), 0);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGVTALRM};
    event._sigev_un._tid = test_thread_id();
    struct itimerspec every = {{0, 10000000}, {0, 10000000}};
    CHECK_INT(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_INT(timer_settime(timer, 0, &every, NULL), 0);
    CHECK_INT(recv(fd, &byte, 1, 0), -1);
    CHECK_INT(errno, EINTR);
}

static void bytes_behind_the_response_are_not_for_the_repetition(void)
{
    static const struct step steps[] = {
        {.reply = BUSY, .end = CLOSE, .later = "HTTP/1.1 400 Slow\r\nContent-Length: 4\r\n\r\nslow"},
        {.reply = OK},
        {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, OK);
    CHECK_INT(server.connections, 2);
}

static void an_error_before_the_response_keeps_its_number(void)
{
    static const struct step steps[] = {{.reply = NULL, .end = RESET}};
    struct server server;
    char byte;
    server_start(&server, steps);
    int fd = ask(&server, POST);
    CHECK_INT(recv(fd, &byte, 1, 0), -1);
    CHECK_INT(errno, ECONNRESET);
    CHECK_INT(server.requests, 1);
}

static void a_refused_repetition_shows_the_first_error(void)
{
    static const struct step steps[] = {{.reply = NULL, .end = UNLISTEN}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect_end(fd);
    expect_end(fd);
}

// One call connects and sends the request (TCP Fast Open).
static void a_request_may_be_sent_with_the_connect(void)
{
    static const struct step steps[] = {{.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = stream();
    ssize_t sent = sendto(fd, GET, strlen(GET), MSG_FASTOPEN, (const struct sockaddr *) &server.port.address,
                          sizeof(server.port.address));
    if (sent < 0 && errno == EOPNOTSUPP)
        test_skip("TCP Fast Open is switched off");
    CHECK_INT(sent, (long) strlen(GET));
    expect(fd, OK);
    CHECK_INT(server.requests, 2);
    CHECK_INT(server.connections, 1);
}

#define T(name, policy)                                                                                                \
    {                                                                                                                  \
#name, policy, name                                                                                            \
    }
static const struct test tests[] = {
    T(a_blocking_read_gets_the_repeated_response, SOON),
    T(a_response_may_end_with_the_connection, SOON),
    T(a_response_that_is_cut_off_is_passed_on, SOON),
    T(a_response_that_stalls_is_passed_on, SOON),
    T(a_large_read_is_followed, SOON),
    T(a_part_that_poll_reports_can_be_read, SOON),
    T(a_writable_socket_is_reported_at_once, SOON),
    T(a_writable_socket_is_reported_while_parked, NEVER),
    T(the_next_request_may_follow_the_held_response, SOON "retry.attempts=2\n"),
    T(a_held_response_is_readable_to_its_end, SOON),
    T(a_stale_connection_that_cannot_be_made_again_is_reset, SOON),
    T(a_stale_connection_is_made_again, SOON),
    T(a_blocking_socket_in_a_loop_is_not_held, NEVER),
    T(two_connections_in_one_poll_are_not_held, NEVER),
    T(after_epoll_nothing_is_held, NEVER),
    T(a_shutdown_ends_the_wait_of_another_thread, NEVER),
    T(a_request_of_another_thread_prevents_the_repetition, LATER),
    T(a_half_closed_connection_is_opaque, SOON),
    T(a_process_that_inherits_makes_opaque, SOON),
    T(a_signal_ends_a_read_with_a_limit, SOON),
    T(bytes_behind_the_response_are_not_for_the_repetition, LATER),
    T(an_error_before_the_response_keeps_its_number, SOON),
    T(a_request_may_be_sent_with_the_connect, SOON),
    T(a_refused_repetition_shows_the_first_error, SOON),
};

TEST_MAIN(tests)
