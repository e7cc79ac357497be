// SPDX-License-Identifier: MIT
// What passes through unchanged on plain sockets. Each test fails if one guard of the library is removed; see
// tests/mutate.
#include <linux/close_range.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "wire.h"

#define FIELD(line) "GET / HTTP/1.1\r\nHost: a\r\n" line "\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Other\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"

// The beginning is enough: a test that waits for as many bytes of another response would hang.
#define BUSY_LINE "HTTP/1.1 503 Busy\r\n"

static const struct step busy_then_ok[] = {{.reply = BUSY}, {.reply = OK}, {.reply = OK}};

static void write_text(int fd, const char *text)
{
    CHECK_INT(write(fd, text, strlen(text)), (long) strlen(text));
}

// The program gets the first response, and the server has no further request.
static void check_passed(const char *request)
{
    struct server server;
    server_start(&server, busy_then_ok);
    expect(ask(&server, request), BUSY_LINE);
    CHECK_INT(server.requests, 1);
    CHECK_INT(test_log(RETRY, ""), 0);
}

// --- requests

// The repeated request would be answered by 100 Continue, which the program awaits no more.
static void a_request_that_expects_an_interim_response_is_not_repeated(void)
{
    check_passed(FIELD("Expect: 100-continue"));
}

static void a_request_for_another_protocol_is_not_repeated(void)
{
    check_passed(FIELD("Connection: Upgrade\r\nUpgrade: other"));
}

static void a_condition_prevents_the_repetition_of_a_put(void)
{
    check_passed("PUT / HTTP/1.1\r\nHost: a\r\nIf-Match: \"1\"\r\nContent-Length: 3\r\n\r\nabc");
}

// A part of the second request is under way when the first one is answered. A repetition would come behind that part.
static void check_pipelined(struct server *server, int fd)
{
    expect(fd, BUSY);
    CHECK_INT(server->requests, 1);
    write_text(fd, &GET[9]);
    expect(fd, OK);
    CHECK_INT(server->requests, 2);
}

static void two_requests_in_one_write_are_not_repeated(void)
{
    struct server server;
    server_start(&server, busy_then_ok);
    check_pipelined(&server, ask(&server, GET "GET / HTT"));
}

static void two_requests_in_two_writes_are_not_repeated(void)
{
    struct server server;
    server_start(&server, busy_then_ok);
    int fd = ask(&server, GET);
    write_text(fd, "GET / HTT");
    check_pipelined(&server, fd);
}

// --- responses

// After 101 the bytes belong to another protocol, even if they look like HTTP.
static void after_101_nothing_is_repeated(void)
{
    static const struct step steps[] = {{.reply = SWITCHED}, {.reply = BUSY}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, FIELD("Connection: Upgrade\r\nUpgrade: other"));
    expect(fd, SWITCHED);
    write_text(fd, GET);
    expect(fd, BUSY_LINE);
    CHECK_INT(server.requests, 2);
}

// The program has read a part of the response, so the rest belongs to it.
static void a_response_of_which_a_part_was_read_is_passed_on(void)
{
#define EARLY "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n"
    static const struct step steps[] = {{.reply = EARLY, .rest = BUSY}, {.reply = OK}};
    struct server server;
    char text[100] = "";
    size_t had = 0;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    while (had < strlen(EARLY)) {
        ssize_t got = recv(fd, text + had, strlen(EARLY) - had, MSG_DONTWAIT);
        had += got > 0 ? (size_t) got : 0;
    }
    CHECK_TEXT(text, EARLY);
    server.goes = true;
    expect(fd, BUSY_LINE);
    CHECK_INT(server.requests, 1);
}

static void a_response_of_more_than_64_kib_is_passed_on(void)
{
    enum { BODY = 100000 };
    static char large[BODY + 100], got[sizeof(large)];
    struct step steps[] = {{.reply = large}, {.reply = OK}};
    struct server server;
    int length = sprintf(large, "HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n", BODY) + BODY;
    memset(large + length - BODY, 'x', BODY);
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(recv(fd, got, (size_t) length, MSG_WAITALL), length);
    CHECK(memcmp(got, large, (size_t) length) == 0);
    CHECK_INT(test_log(STOP, "\"overflow\""), 1);
    CHECK_INT(server.requests, 1);
}

static void two_responses_at_once_are_passed_on(void)
{
    static const struct step steps[] = {{.reply = BUSY OK}, {.reply = OK}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    expect(fd, BUSY OK);
    CHECK_INT(server.requests, 1);
}

// --- the program's own limits

// A read finds the response, so the request is parked without a limit. The wait that follows has one.
static int parked(struct server *server)
{
    server_start(server, busy_then_ok);
    int fd = ask(server, GET);
    while (test_log(RETRY, "") == 0)
        CHECK_INT(readable(fd, 0), 0);
    return fd;
}

static void a_poll_that_ends_before_the_repetition_reports_the_response(void)
{
    struct server server;
    int fd = parked(&server);
    CHECK_INT(readable(fd, 500), POLLIN);
    expect(fd, BUSY);
}

static void a_select_that_ends_before_the_repetition_reports_the_response(void)
{
    struct server server;
    int fd = parked(&server);
    struct timeval limit = {.tv_usec = 500000};
    fd_set reads;
    FD_ZERO(&reads);
    FD_SET(fd, &reads);
    CHECK_INT(select(fd + 1, &reads, NULL, NULL, &limit), 1);
    expect(fd, BUSY);
}

static void a_read_that_ends_before_the_repetition_gets_the_response(void)
{
    struct server server;
    int fd = parked(&server);
    struct timeval limit = {.tv_usec = 500000};
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    expect(fd, BUSY);
}

// The decision itself knows the limit: it is not to repeat, and the log has no retry.
static void a_limit_before_the_repetition_prevents_it(void)
{
    struct server server;
    server_start(&server, busy_then_ok);
    int fd = ask(&server, GET);
    CHECK_INT(readable(fd, 1000), POLLIN);
    expect(fd, BUSY);
    CHECK_INT(test_log(RETRY, ""), 0);
    CHECK_INT(test_log(STOP, "\"time\""), 1);
}

static void a_short_poll_that_ends_before_the_repetition_reports_the_response(void)
{
    struct server server;
    int fd = parked(&server);
    CHECK_INT(readable(fd, 100), POLLIN);
    expect(fd, BUSY);
}

// The program waits on after a short poll: it has no such limit.
static void in_a_loop_of_short_polls_the_response_is_hidden(void)
{
    static const struct step steps[] = {{.reply = "", .rest = BUSY}};
    struct server server;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(readable(fd, 20), 0);
    CHECK_INT(readable(fd, 20), 0);
    server.goes = true;
    while (test_log(RETRY, "") == 0)
        CHECK_INT(readable(fd, 20), 0);
    CHECK_INT(readable(fd, 20), 0);
}

// The program has one limit for several waits, and its last wait is short.
static void the_rest_of_a_limit_is_a_limit(void)
{
    struct server server;
    server_start(&server, busy_then_ok);
    int fd = stream();
    CHECK_INT(dial(fd, &server.port), 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN | POLLOUT};
    uint64_t until_ms = test_now_ms() + 1000;
    CHECK_INT(poll(&wait, 1, 1000), 1);
    CHECK_INT(write(fd, GET, strlen(GET)), (long) strlen(GET));
    while (test_log(RETRY, "") == 0)
        CHECK_INT(readable(fd, 0), 0);
    while (test_now_ms() + 100 < until_ms)
        test_pause();
    CHECK_INT(readable(fd, 100), POLLIN);
    expect(fd, BUSY);
}

// A wait that the library does not see, after one that it has seen: the kernel still has the response.
static void a_hidden_wait_is_woken(void)
{
    struct server server;
    int fd = parked(&server);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK_INT(syscall(SYS_ppoll, &p, 1, NULL, NULL, 8), 1);
    char byte;
    CHECK_INT(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
    CHECK_INT(byte, BUSY[0]);
}

// The library may have set SO_RCVLOWAT while it collected the response.
static void the_low_mark_of_the_program_stays(void)
{
    static const struct step steps[] = {{.reply = "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbu"}};
    struct server server;
    int mark = 0;
    socklen_t size = sizeof(mark);
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(readable(fd, 400), POLLIN);
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &size), 0);
    CHECK_INT(mark, 1);
}

// --- reads of an unusual kind

// The program discards bytes, which the library cannot follow.
static void discarded_bytes_are_not_read_by_the_library(void)
{
    struct server server;
    server_start(&server, busy_then_ok);
    int fd = ask(&server, GET);
    char text[9];
    CHECK_INT(recv(fd, text, sizeof(text), MSG_TRUNC), 9);
    expect(fd, &BUSY[9]);
    CHECK_INT(server.requests, 1);
}

// The bytes that the program peeks at are not followed twice: the next request is repeated.
static void a_peek_is_no_read(void)
{
    static const struct step steps[] = {{.reply = OK}, {.reply = BUSY}, {.reply = OK}};
    struct server server;
    char text[100];
    server_start(&server, steps);
    int fd = ask(&server, GET);
    CHECK_INT(recv(fd, text, strlen(OK), MSG_PEEK | MSG_WAITALL), (long) strlen(OK));
    expect(fd, OK);
    write_text(fd, GET);
    expect(fd, OK);
    CHECK_INT(server.requests, 3);
}

static struct iovec *volatile bad_parts = (struct iovec *) 8;

static void a_wrong_buffer_gets_efault(void)
{
    static const struct step steps[] = {
        {.reply = BUSY, .end = UNLISTEN}}; // the library reads the response from its memory
    struct server server;
    struct iovec parts[] = {{(void *) 8, 4}};
    server_start(&server, steps);
    int fd = ask(&server, GET);
    char byte;
    CHECK_INT(recv(fd, &byte, 1, 0), 1);
    CHECK_INT(byte, BUSY[0]);
    CHECK(readv(fd, parts, 1) <= 0);
    CHECK(readv(fd, bad_parts, 1) <= 0);
}

// --- the descriptor is another file than before

// Makes a pair of sockets, one of which gets this descriptor. Returns the other one.
static int pair_at(int fd)
{
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    if (ends[0] != fd)
        CHECK_INT(syscall(SYS_dup3, ends[0], fd, O_CLOEXEC), fd); // not seen by the library
    return ends[1];
}

// The file of this descriptor is not followed: nothing is repeated.
static void check_unfollowed(int fd, int peer)
{
    int bytes;
    write_text(fd, GET);
    CHECK_INT(send(peer, BUSY, strlen(BUSY), 0), (long) strlen(BUSY));
    expect(fd, BUSY_LINE);
    CHECK_INT(ioctl(peer, FIONREAD, &bytes), 0);
    CHECK_INT(bytes, (long) strlen(GET));
}

// The link must end with the descriptor: the new file is not followed.
static void check_closed(void (*end)(int fd))
{
    struct server server;
    int fd = 200, made = stream();
    server_start(&server, busy_then_ok);
    CHECK_INT(syscall(SYS_dup3, made, fd, O_CLOEXEC), fd);
    CHECK_INT(dial(fd, &server.port), 0);
    end(fd);
    check_unfollowed(fd, pair_at(fd));
}

static void by_close(int fd)
{
    CHECK_INT(close(fd), 0);
}

static void by_close_range(int fd)
{
    CHECK_INT(close_range((unsigned) fd, (unsigned) fd, 0), 0);
}

static void closed_by_close(void)
{
    check_closed(by_close);
}

static void closed_by_close_range(void)
{
    check_closed(by_close_range);
}

static void closed_by_closefrom(void)
{
    check_closed(closefrom);
}

static void replaced_by_dup2(void)
{
    struct server server;
    int ends[2];
    server_start(&server, busy_then_ok);
    int fd = stream();
    CHECK_INT(dial(fd, &server.port), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_INT(dup2(ends[0], fd), fd);
    check_unfollowed(fd, ends[1]);
}

// The descriptor was replaced by a system call that the library does not see: the new file gets no bytes.
static void the_repetition_is_not_sent_to_another_file(void)
{
    struct server server;
    int fd = parked(&server), peer = pair_at(fd), bytes;
    CHECK_INT(readable(fd, 1000), POLLIN); // not true: the read that follows finds nothing
    CHECK_INT(ioctl(peer, FIONREAD, &bytes), 0);
    CHECK_INT(bytes, 0);
}

// --- the library loses sight of the connection

// The action happens before the first request. From then on nothing is repeated.
static void check_left(void (*act)(int fd))
{
    struct server server;
    server_start(&server, busy_then_ok);
    int fd = stream();
    CHECK_INT(dial(fd, &server.port), 0);
    act(fd);
    write_text(fd, GET);
    expect(fd, BUSY_LINE);
    CHECK_INT(server.requests, 1);
    CHECK_INT(test_log(RETRY, ""), 0);
}

static void inheritable(int fd)
{
    CHECK_INT(fcntl(fd, F_SETFD, 0), 0);
}

#define LEAVES(name, ...)                                                                                              \
    static void act_##name(int fd)                                                                                     \
    {                                                                                                                  \
        (void) fd;                                                                                                     \
        __VA_ARGS__;                                                                                                   \
    }                                                                                                                  \
    static void left_by_##name(void)                                                                                   \
    {                                                                                                                  \
        check_left(act_##name);                                                                                        \
    }

LEAVES(dup, CHECK(dup(fd) > fd))
LEAVES(dup2, CHECK_INT(dup2(fd, 100), 100))
LEAVES(dup3, CHECK_INT(dup3(fd, 100, O_CLOEXEC), 100))
LEAVES(dupfd, CHECK_INT(fcntl(fd, F_DUPFD, 100), 100))
LEAVES(dupfd_cloexec, CHECK_INT(fcntl(fd, F_DUPFD_CLOEXEC, 100), 100))
LEAVES(fdopen, CHECK(fdopen(fd, "r+") != NULL))
LEAVES(o_async, CHECK_INT(fcntl(fd, F_SETFL, O_ASYNC), 0))
LEAVES(setown, CHECK_INT(fcntl(fd, F_SETOWN, getpid()), 0))
LEAVES(setsig, CHECK_INT(fcntl(fd, F_SETSIG, SIGUSR1), 0))
LEAVES(fioasync, int one = 1; signal(SIGIO, SIG_IGN); CHECK_INT(ioctl(fd, FIOASYNC, &one), 0))
LEAVES(siocspgrp, int self = getpid(); CHECK_INT(ioctl(fd, SIOCSPGRP, &self), 0))

LEAVES(splice_out, int ends[2]; CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
       CHECK_INT(splice(ends[0], NULL, fd, NULL, 10, SPLICE_F_NONBLOCK), -1))
LEAVES(splice_in, int ends[2]; CHECK_INT(pipe2(ends, O_CLOEXEC), 0); CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
       CHECK_INT(splice(fd, NULL, ends[1], NULL, 10, SPLICE_F_NONBLOCK), -1); CHECK_INT(fcntl(fd, F_SETFL, 0), 0))
LEAVES(sendfile, CHECK(sendfile(fd, open("/dev/null", O_RDONLY | O_CLOEXEC), NULL, 10) <= 0))
LEAVES(sendfile64, CHECK(sendfile64(fd, open("/dev/null", O_RDONLY | O_CLOEXEC), NULL, 10) <= 0))
LEAVES(dprintf, CHECK_INT(dprintf(fd, "%s", ""), 0))
LEAVES(recvmmsg, char byte; struct iovec part = {&byte, 1};
       struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
       CHECK_INT(recvmmsg(fd, &message, 1, MSG_DONTWAIT, NULL), -1))
LEAVES(sendmmsg, struct iovec part = {NULL, 0};
       struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}};
       CHECK_INT(sendmmsg(fd, &message, 1, 0), 1))

static void pass(int fd, bool many)
{
    int ends[2];
    char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec part = {&byte, 1};
    struct mmsghdr message = {
        .msg_hdr = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)}};
    struct cmsghdr *control = CMSG_FIRSTHDR(&message.msg_hdr);
    *control = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(control), &fd, sizeof(fd));
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_INT(many ? sendmmsg(ends[0], &message, 1, 0) : sendmsg(ends[0], &message.msg_hdr, 0), 1);
}

LEAVES(rights, pass(fd, false))
LEAVES(rights_of_sendmmsg, pass(fd, true))

static int end_at_once(void *context)
{
    (void) context;
    return 0;
}

static char *no_arguments[] = {(char *) "true", NULL}, *no_variables[] = {NULL};

LEAVES(fork, pid_t child = fork(); if (child == 0) _exit(0); CHECK_INT(test_status(child), 0))
LEAVES(_Fork, pid_t child = _Fork(); if (child == 0) _exit(0); CHECK_INT(test_status(child), 0))
LEAVES(clone, static char stack[65536] __attribute__((aligned(16)));
       pid_t child = clone(end_at_once, stack + sizeof(stack), SIGCHLD, NULL); CHECK_INT(test_status(child), 0))
LEAVES(clone_by_number, long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); if (child == 0) _exit(0);
       CHECK_INT(test_status((pid_t) child), 0))
LEAVES(vfork, inheritable(fd); pid_t child = vfork(); if (child == 0) _exit(0); CHECK_INT(test_status(child), 0))
LEAVES(system, inheritable(fd); CHECK_INT(system("true"), 0))
LEAVES(popen, inheritable(fd); FILE *stream = popen("true", "re"); CHECK(stream != NULL); CHECK_INT(pclose(stream), 0))
LEAVES(posix_spawn, inheritable(fd); pid_t child;
       CHECK_INT(posix_spawn(&child, "/bin/true", NULL, NULL, no_arguments, no_variables), 0);
       CHECK_INT(test_status(child), 0))
LEAVES(spawn_with_actions, posix_spawn_file_actions_t actions; pid_t child;
       CHECK_INT(posix_spawn_file_actions_init(&actions), 0);
       CHECK_INT(posix_spawn_file_actions_adddup2(&actions, fd, 0), 0);
       CHECK_INT(posix_spawn(&child, "/bin/true", &actions, NULL, no_arguments, no_variables), 0);
       CHECK_INT(test_status(child), 0))

// --- the connection itself

// The library connects again only where the program's call may wait.
static void a_stale_connection_in_an_event_loop_is_left_to_the_program(void)
{
    static const struct step steps[] = {{.reply = OK, .end = CLOSE}, {.reply = OK}};
    struct server server;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
    server_start(&server, steps);
    int fd = ask(&server, GET), loop = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event), 0);
    expect(fd, OK);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    do
        CHECK_INT(epoll_wait(loop, &event, 1, -1), 1);
    while (!(event.events & EPOLLRDHUP));
    signal(SIGPIPE, SIG_IGN);
    (void) !write(fd, GET, strlen(GET));
    char byte;
    CHECK_INT(epoll_wait(loop, &event, 1, -1), 1); // a new connection would have a response
    CHECK(recv(fd, &byte, 1, 0) <= 0);
    CHECK_INT(server.connections, 1);
}

static void *go_when_connected_again(void *context)
{
    struct server *server = context;
    while (!anyone_waits(&server->port))
        test_pause();
    server->goes = true;
    return NULL;
}

// The request cannot be sent again on the connection. The program does not write here, so it gets no SIGPIPE.
static void the_repetition_raises_no_signal(void)
{
    static const struct step steps[] = {{.reply = BUSY, .rest = ""}, {.reply = OK}};
    struct server server;
    pthread_t thread;
    server_start(&server, steps);
    int fd = ask(&server, GET);
    while (server.requests == 0)
        test_pause();
    CHECK_INT(pthread_create(&thread, NULL, go_when_connected_again, &server), 0);
    CHECK_INT(syscall(SYS_shutdown, fd, SHUT_WR), 0);
    expect(fd, OK);
    CHECK_INT(server.connections, 2);
}

// --- waits by io_uring

struct ring {
    int fd;
    unsigned *head, *tail, *mask, *array, *done, *ready;
    struct io_uring_sqe *entries;
};

static void *ring_map(const struct ring *ring, size_t size, off_t where)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, where);
    CHECK(at != MAP_FAILED);
    return at;
}

// Makes a ring by system calls, as liburing does without a call of libc.
static void ring_open(struct ring *ring, bool seen)
{
    struct io_uring_params p = {0};
    long number = SYS_io_uring_setup, result;
#ifdef __x86_64__
    if (!seen)
        __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(4), "S"(&p) : "rcx", "r11", "memory");
    else
#endif
        result = syscall(number, 4, &p);
    if (result < 0)
        test_skip("no io_uring");
    ring->fd = (int) result;
    char *sq = ring_map(ring, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    char *cq = ring_map(ring, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    ring->tail = (unsigned *) (sq + p.sq_off.tail);
    ring->mask = (unsigned *) (sq + p.sq_off.ring_mask);
    ring->array = (unsigned *) (sq + p.sq_off.array);
    ring->done = (unsigned *) (cq + p.cq_off.head);
    ring->ready = (unsigned *) (cq + p.cq_off.tail);
    ring->entries = ring_map(ring, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

// Waits until the descriptor is readable.
static void ring_wait(struct ring *ring, int fd)
{
    unsigned at = *ring->tail & *ring->mask;
    ring->entries[at] = (struct io_uring_sqe){.opcode = IORING_OP_POLL_ADD, .fd = fd, .poll32_events = POLLIN};
    ring->array[at] = at;
    __atomic_store_n(ring->tail, *ring->tail + 1, __ATOMIC_RELEASE);
    CHECK_INT(syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 8), 1);
    CHECK(__atomic_load_n(ring->ready, __ATOMIC_ACQUIRE) != *ring->done);
    __atomic_store_n(ring->done, *ring->ready, __ATOMIC_RELEASE);
}

// The program has polled once. Its later waits are not seen. It must be woken, and get one whole response.
static void io_uring_waits(bool seen)
{
    struct server server;
    struct ring ring;
    char text[200] = "";
    size_t had = 0;
    ring_open(&ring, seen);
    server_start(&server, busy_then_ok);
    int fd = ask(&server, GET);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    CHECK(readable(fd, 0) == 0 || true);
    while (had < strlen(BUSY)) {
        ssize_t got = recv(fd, text + had, strlen(BUSY) - had, 0);
        if (got < 0)
            ring_wait(&ring, fd);
        else
            had += (size_t) got;
    }
    CHECK_TEXT(text, BUSY);
    CHECK_INT(server.requests, 1);
}

static void a_wait_by_io_uring_is_woken(void)
{
    io_uring_waits(true);
}

static void a_wait_by_an_unseen_io_uring_is_woken(void)
{
    io_uring_waits(false);
}

#define T(name, policy)                                                                                                \
    {                                                                                                                  \
#name, policy, name                                                                                            \
    }
static const struct test tests[] = {
    T(a_request_that_expects_an_interim_response_is_not_repeated, SOON),
    T(a_request_for_another_protocol_is_not_repeated, SOON),
    T(a_condition_prevents_the_repetition_of_a_put, SOON),
    T(two_requests_in_one_write_are_not_repeated, SOON),
    T(two_requests_in_two_writes_are_not_repeated, SOON),
    T(after_101_nothing_is_repeated, SOON),
    T(a_response_of_which_a_part_was_read_is_passed_on, SOON),
    T(a_response_of_more_than_64_kib_is_passed_on, SOON),
    T(two_responses_at_once_are_passed_on, SOON),
    T(a_poll_that_ends_before_the_repetition_reports_the_response, NEVER),
    T(a_select_that_ends_before_the_repetition_reports_the_response, NEVER),
    T(a_read_that_ends_before_the_repetition_gets_the_response, NEVER),
    T(a_limit_before_the_repetition_prevents_it, NEVER),
    T(a_short_poll_that_ends_before_the_repetition_reports_the_response, NEVER),
    T(in_a_loop_of_short_polls_the_response_is_hidden, NEVER),
    T(the_rest_of_a_limit_is_a_limit, NEVER),
    T(a_hidden_wait_is_woken, NEVER),
    T(the_low_mark_of_the_program_stays, SOON),
    T(discarded_bytes_are_not_read_by_the_library, SOON),
    T(a_peek_is_no_read, SOON),
    T(a_wrong_buffer_gets_efault, SOON),
    T(closed_by_close, SOON),
    T(closed_by_close_range, SOON),
    T(closed_by_closefrom, SOON),
    T(replaced_by_dup2, SOON),
    T(the_repetition_is_not_sent_to_another_file, LATER),
    T(left_by_dup, SOON),
    T(left_by_dup2, SOON),
    T(left_by_dup3, SOON),
    T(left_by_dupfd, SOON),
    T(left_by_dupfd_cloexec, SOON),
    T(left_by_fdopen, SOON),
    T(left_by_o_async, SOON),
    T(left_by_setown, SOON),
    T(left_by_setsig, SOON),
    T(left_by_fioasync, SOON),
    T(left_by_siocspgrp, SOON),
    T(left_by_splice_out, SOON),
    T(left_by_splice_in, SOON),
    T(left_by_sendfile, SOON),
    T(left_by_sendfile64, SOON),
    T(left_by_dprintf, SOON),
    T(left_by_recvmmsg, SOON),
    T(left_by_sendmmsg, SOON),
    T(left_by_rights, SOON),
    T(left_by_rights_of_sendmmsg, SOON),
    T(left_by_fork, SOON),
    T(left_by__Fork, SOON),
    T(left_by_clone, SOON),
    T(left_by_clone_by_number, SOON),
    T(left_by_vfork, SOON),
    T(left_by_system, SOON),
    T(left_by_popen, SOON),
    T(left_by_posix_spawn, SOON),
    T(left_by_spawn_with_actions, SOON),
    T(a_stale_connection_in_an_event_loop_is_left_to_the_program, SOON),
    T(the_repetition_raises_no_signal, LATER),
    T(a_wait_by_io_uring_is_woken, NEVER),
    T(a_wait_by_an_unseen_io_uring_is_woken, NEVER),
};

TEST_MAIN(tests)
