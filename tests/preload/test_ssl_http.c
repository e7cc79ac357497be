// SPDX-License-Identifier: MIT
// HTTP on connections of OpenSSL: requests are repeated on the same connection, and everything else reaches the program
// byte by byte as the server sent it.
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "tls.h"

// What the server does with one request after the other; the last line is used again.
//   text: the response; NULL: closes the connection
//   size: bytes of each record; 0: all in one
//   then: CLOSES: closes the connection afterwards; SLEEPS: the same, but when the client has finished
enum { CLOSES = 1, SLEEPS };
struct line {
    const char *text;
    int size;
    int then;
};

static struct {
    struct port port;
    pthread_t thread;
    const struct line *lines;
    _Atomic int requests;
    _Atomic pid_t id;
    _Atomic bool wakes;
    SSL *ssl;
} server;

static void answer(const struct line *line)
{
    int length = (int) strlen(line->text), size = line->size ? line->size : length;
    for (int sent = 0; sent < length; sent += size)
        CHECK(tls.SSL_write(server.ssl, line->text + sent, size < length - sent ? size : length - sent) > 0);
}

// Returns false at the end of the stream. A request ends with its head, or with a body "x" if the method is POST.
static bool take_request(void)
{
    char request[4096];
    int had = 0;
    for (;;) {
        int got = tls.SSL_read(server.ssl, request + had, 1);
        if (got <= 0)
            return false;
        had += got;
        request[had] = '\0';
        if (!strcmp(request + had - (had < 4 ? had : 4), "\r\n\r\n") && *request != 'P')
            return true;
        if (*request == 'P' && had > 5 && !strcmp(request + had - 5, "\r\n\r\nx"))
            return true;
    }
}

static void *serve(void *argument)
{
    int fd = accept(server.port.fd, NULL, NULL);
    const struct line *line = server.lines;
    (void) argument;
    server.id = test_thread_id();
    server.ssl = tls_new(fd, TLS_1_3, true);
    CHECK_INT(tls.SSL_accept(server.ssl), 1);
    while (take_request()) {
        server.requests++;
        if (line->text)
            answer(line);
        while (line->then == SLEEPS && !server.wakes)
            test_pause();
        if (line->then || !line->text)
            break;
        line++;
    }
    tls.SSL_shutdown(server.ssl);
    tls.SSL_free(server.ssl);
    close(fd);
    return NULL;
}

static struct {
    int fd;
    SSL *ssl;
    bool polls;       // the socket is non-blocking, and the client waits by poll
    bool polls_first; // also before each read
    int loop;         // the epoll by which it waits instead; 0: none
    int wait_ms;
} client;

static void begin(const struct line *lines, bool polls)
{
    tls_look_up(tls_library());
    server.lines = lines;
    server.port = port_listening();
    CHECK_INT(pthread_create(&server.thread, NULL, serve, NULL), 0);
    client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(dial(client.fd, &server.port), 0);
    client.ssl = tls_new(client.fd, TLS_1_3, false);
    CHECK_INT(tls.SSL_connect(client.ssl), 1);
    client.polls = polls;
    client.wait_ms = 20000;
    if (polls)
        CHECK_INT(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    if (polls) {
        struct pollfd wait = {.fd = client.fd, .events = POLLIN};
        CHECK(poll(&wait, 1, 0) >= 0);
    }
}

static void end(int requests)
{
    tls.SSL_shutdown(client.ssl);
    tls.SSL_free(client.ssl);
    close(client.fd);
    thread_end(server.thread);
    CHECK_INT(server.requests, requests);
}

static void ask(const char *request)
{
    CHECK_INT(tls.SSL_write(client.ssl, request, (int) strlen(request)), (int) strlen(request));
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"

enum { LOOP_DATA = 0x54321 };

// Reads like SSL_read, but waits by poll or epoll.
static int read_some(char *bytes, int size)
{
    for (;;) {
        struct pollfd first = {.fd = client.fd, .events = POLLIN};
        CHECK(!client.polls_first || poll(&first, 1, client.wait_ms) > 0);
        int got = tls.SSL_read(client.ssl, bytes, size);
        if (got > 0 || !client.polls || tls.SSL_get_error(client.ssl, got) != TLS_WANT_READ)
            return got;
        struct pollfd wait = {.fd = client.fd, .events = POLLIN};
        struct epoll_event event;
        if (client.loop ? epoll_wait(client.loop, &event, 1, client.wait_ms) == 0 : poll(&wait, 1, client.wait_ms) == 0)
            return -2;
        CHECK(!client.loop || (event.data.u64 == LOOP_DATA && (event.events & EPOLLIN)));
    }
}

// Reads a text in pieces of `size` bytes at most.
static void expect_in(const char *text, int size)
{
    static char bytes[200000];
    int had = 0, length = (int) strlen(text);
    while (had < length) {
        int got = read_some(bytes + had, size < length - had ? size : length - had);
        bytes[had + (got > 0 ? got : 0)] = '\0';
        if (got <= 0)
            dprintf(STDERR_FILENO, "read returns %d after \"%.200s\"\n", got, bytes);
        CHECK(got > 0);
        had += got;
    }
    CHECK_TEXT(bytes, text);
}

static void expect(const char *text)
{
    expect_in(text, 100000);
}

#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nbusy\n"
#define CHUNKED_BUSY "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbusy\n\r\n0\r\n\r\n"
#define GOOD "HTTP/1.1 200 Good\r\nContent-Length: 5\r\n\r\ngood\n"
#define LATER "HTTP/1.1 429 Later\r\nRetry-After: 9\r\nContent-Length: 5\r\n\r\nlate\n"

static void repeated(bool polls)
{
    static const struct line lines[] = {{BUSY, 0, 0},  {CHUNKED_BUSY, 0, 0}, {GOOD, 0, 0}, {BUSY, 1, 0},
                                        {BUSY, 20, 0}, {GOOD, 1, 0},         {GOOD, 0, 0}};
    begin(lines, polls);
    ask(GET);
    expect(GOOD);
    CHECK_INT(server.requests, 3);
    ask(GET);
    expect_in(GOOD, 7);
    CHECK_INT(server.requests, 6);
    ask(GET);
    expect(GOOD);
    CHECK_INT(test_log(RECOVERED, ""), 2);
    end(7);
}

static void repeated_blocking(void)
{
    repeated(false);
}

static void repeated_polling(void)
{
    repeated(true);
}

// The connection is used up: the program reads the held response and then the end of the stream, as from a server that
// closes an idle connection.
static void expect_used_up(void)
{
    char byte;
    struct pollfd wait = {.fd = client.fd, .events = POLLIN};
    expect_in(BUSY, 30);
    CHECK(poll(&wait, 1, 0) == 1 && (wait.revents & POLLIN));
    ask(GET);
    CHECK_INT(read_some(&byte, 1), 0);
    CHECK_INT(tls.SSL_get_error(client.ssl, 0), TLS_ZERO_RETURN);
}

static void hang_up(bool polls)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {NULL, 0, 0}};
    begin(lines, polls);
    ask(GET);
    expect_used_up();
    end(2);
}

static void hang_up_blocking(void)
{
    hang_up(false);
}

static void hang_up_polling(void)
{
    hang_up(true);
}

// The server closes the connection while the request waits for its repetition.
static void closed_in_wait(void)
{
    static const struct line lines[] = {{.text = BUSY, .then = CLOSES}};
    char byte;
    begin(lines, false);
    ask(GET);
    expect(BUSY);
    CHECK_INT(read_some(&byte, 1), 0);
    end(1);
}

// The request cannot be written again. The program gets no SIGPIPE, because it does not write.
static void broken_pipe(void)
{
    static const struct line lines[] = {{.text = BUSY, .then = SLEEPS}};
    begin(lines, false);
    ask(GET);
    CHECK_INT(syscall(SYS_shutdown, client.fd, SHUT_WR), 0);
    expect(BUSY);
    CHECK_INT(test_log(RETRY, ""), 1);
    server.wakes = true;
    signal(SIGPIPE, SIG_IGN); // for SSL_shutdown
    end(1);
}

// The end of a response that may be repeated does not arrive: the program gets what there is.
static void stalled(bool polls)
{
    static const struct line lines[] = {
        {.text = "HTTP/1.1 503 Busy\r\nContent-Length: 50\r\n\r\nbusy\n", .then = SLEEPS}};
    begin(lines, polls);
    ask(GET);
    expect(lines[0].text);
    server.wakes = true;
    end(1);
}

static void stalled_blocking(void)
{
    stalled(false);
}

static void stalled_polling(void)
{
    stalled(true);
}

// A descriptor of an event loop: the library must not wait in a read, although the socket is blocking.
static void event_loop(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}};
    struct epoll_event event = {.events = EPOLLIN};
    int loop = epoll_create1(EPOLL_CLOEXEC);
    begin(lines, false);
    CHECK_INT(epoll_ctl(loop, EPOLL_CTL_ADD, client.fd, &event), 0);
    ask(GET);
    CHECK_INT(epoll_wait(loop, &event, 1, -1), 1);
    expect(BUSY);
    end(1);
    close(loop);
}

// The same with http.hold, on a non-blocking socket.
static void begin_loop(const struct line *lines, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = LOOP_DATA};
    begin(lines, true);
    client.loop = epoll_create1(EPOLL_CLOEXEC);
    CHECK_INT(epoll_ctl(client.loop, EPOLL_CTL_ADD, client.fd, &event), 0);
    CHECK(epoll_wait(client.loop, &event, 1, 0) >= 0);
}

static void loop_repeated(uint32_t events)
{
    static const struct line lines[] = {{BUSY, 0, 0},  {CHUNKED_BUSY, 0, 0}, {GOOD, 0, 0}, {BUSY, 1, 0},
                                        {BUSY, 20, 0}, {GOOD, 1, 0},         {GOOD, 0, 0}};
    begin_loop(lines, events);
    for (int i = 0; i < 3; i++) {
        ask(GET);
        expect(GOOD);
    }
    end(7);
}

static void level_loop(void)
{
    loop_repeated(EPOLLIN);
}

static void edge_loop(void)
{
    loop_repeated(EPOLLIN | EPOLLRDHUP | EPOLLET);
}

static void loop_passes(void)
{
    static const struct line lines[] = {{LATER, 0, 0}, {BUSY, 0, 0}, {GOOD, 0, 0}};
    begin_loop(lines, EPOLLIN);
    ask(GET);
    expect(LATER); // Retry-After is longer than the hold
    ask(POST);
    expect(BUSY);
    end(2);
}

static void loop_hang_up(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {NULL, 0, 0}};
    char byte;
    begin_loop(lines, EPOLLIN | EPOLLET);
    ask(GET);
    expect(BUSY);
    CHECK_INT(read_some(&byte, 1), 0);
    end(2);
}

static void loop_no_answer(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {"", 0, SLEEPS}};
    char byte;
    begin_loop(lines, EPOLLIN | EPOLLET);
    ask(GET);
    expect(BUSY);
    CHECK_INT(read_some(&byte, 1), 0);
    server.wakes = true;
    end(2);
}

// The loop gets its other events and its timeouts while a response is held.
static void loop_goes_on(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {GOOD, 0, 0}};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 1};
    int ends[2];
    char byte;
    begin_loop(lines, EPOLLIN);
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    CHECK_INT(epoll_ctl(client.loop, EPOLL_CTL_ADD, ends[0], &event), 0);
    client.wait_ms = 10;
    ask(GET);
    while (test_log(RETRY, "") == 0)
        CHECK_INT(read_some(&byte, 1), -2);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK_INT(epoll_wait(client.loop, &event, 1, -1), 1);
    CHECK_INT(event.data.u64, 1);
    CHECK_INT(epoll_wait(client.loop, &event, 1, 10), 0);
    close(client.fd);
    CHECK_INT(server.requests, 1);
}

// The library loses sight of the connection during a hold: the program gets what the library has.
static void loop_shared(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {GOOD, 0, 0}};
    struct epoll_event event;
    char byte;
    begin_loop(lines, EPOLLIN | EPOLLET);
    client.wait_ms = 10;
    ask(GET);
    while (test_log(RETRY, "") == 0)
        CHECK_INT(read_some(&byte, 1), -2);
    int copy = dup(client.fd);
    CHECK(copy >= 0);
    client.wait_ms = -1;
    CHECK_INT(epoll_wait(client.loop, &event, 1, -1), 1); // the wait reports what the library has
    expect(BUSY);
    close(copy);
    end(1);
}

// The policy does not allow to repeat a POST. The program gets the response, and the library follows the next request.
static void post(bool polls)
{
    static const struct line lines[] = {{BUSY, 3, 0}, {BUSY, 0, 0}, {GOOD, 0, 0}};
    begin(lines, polls);
    ask(POST);
    expect_in(BUSY, 4);
    CHECK_INT(server.requests, 1);
    ask(GET);
    expect(GOOD);
    end(3);
}

static void post_blocking(void)
{
    post(false);
}

static void post_polling(void)
{
    post(true);
}

// The program polls before each read, and never asks how many bytes OpenSSL has: no byte may be left there.
static void post_polling_first(void)
{
    static const struct line lines[] = {{BUSY, 20, 0}, {GOOD, 0, 0}};
    begin(lines, true);
    client.polls_first = true;
    client.wait_ms = 5000;
    ask(POST);
    expect(BUSY);
    ask(GET);
    expect_in(GOOD, 100);
    end(2);
}

// The program asks how many bytes it can read, and peeks. The library has read two records.
static void pending(void)
{
    enum { FIRST = 40 };
    static const struct line lines[] = {{BUSY, FIRST, 0}};
    char bytes[200];
    int second = (int) strlen(BUSY) - FIRST;
    begin(lines, false);
    ask(POST);
    CHECK_INT(tls.SSL_peek(client.ssl, bytes, 4), 4);
    CHECK_INT(tls.SSL_pending(client.ssl), FIRST + second);
    CHECK_INT(tls.SSL_read(client.ssl, bytes, 10), 10);
    CHECK_INT(tls.SSL_pending(client.ssl), FIRST + second - 10);
    CHECK_INT(tls.SSL_has_pending(client.ssl), 1);
    CHECK_INT(tls.SSL_read(client.ssl, bytes, sizeof(bytes)), FIRST + second - 10);
    CHECK_INT(tls.SSL_pending(client.ssl), 0);
    CHECK_INT(tls.SSL_has_pending(client.ssl), 0);
    end(1);
}

static char big[100100];

// The response does not fit into the memory of the library.
static void check_overflow(int size, int record, bool polls_first)
{
    struct line lines[] = {{big, record, 0}, {BUSY, 0, 0}, {GOOD, 0, 0}};
    int head = sprintf(big, "HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n", size);
    for (int i = 0; i < size; i++)
        big[head + i] = (char) ('a' + i % 23);
    begin(lines, polls_first);
    client.polls_first = polls_first;
    client.wait_ms = 5000;
    ask(GET);
    expect_in(big, polls_first ? 100000 : 5000);
    ask(GET);
    expect(GOOD);
    end(3);
}

static void overflow(void)
{
    check_overflow(100000, 0, false);
}

// The last record does not fit. No part of it is left in OpenSSL, where poll does not report it.
static void overflow_polling_first(void)
{
    check_overflow(69950, 10000, true);
}

// The program's own limit ends before the request is due: it gets the response at once.
static void receive_limit(void)
{
    static const struct line lines[] = {{LATER, 0, 0}};
    struct timeval limit = {.tv_sec = 5};
    begin(lines, false);
    CHECK_INT(setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ask(GET);
    uint64_t begun_ms = test_now_ms();
    expect(LATER);
    CHECK_BETWEEN(test_now_ms() - begun_ms, 0, 4000);
    end(1);
}

static void poll_limit(void)
{
    static const struct line lines[] = {{LATER, 0, 0}, {GOOD, 0, 0}};
    begin(lines, true);
    client.wait_ms = 5000;
    ask(GET);
    uint64_t begun_ms = test_now_ms();
    expect(LATER);
    CHECK_BETWEEN(test_now_ms() - begun_ms, 0, 4000);
    ask(GET);
    expect(GOOD);
    end(2);
}

// The repeated request gets no answer before the program's limit ends: the program gets the response before it.
static void no_answer(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {"", 0, 0}};
    begin(lines, true);
    client.wait_ms = 500;
    ask(GET);
    expect_used_up();
    end(2);
}

// The program has one limit for several waits, and its last wait is short. The limit ends before the request is due:
// the program gets the response.
static void rest_of_limit(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}};
    char byte;
    begin(lines, true);
    struct pollfd wait = {.fd = client.fd, .events = POLLIN | POLLOUT};
    uint64_t until_ms = test_now_ms() + 500;
    CHECK_INT(poll(&wait, 1, 500), 1);
    ask(GET);
    while (server.requests == 0)
        test_pause();
    test_await_call(server.id, SYS_read); // the response is there
    CHECK(tls.SSL_read(client.ssl, &byte, 1) < 0);
    while (test_now_ms() + 100 < until_ms)
        test_pause();
    wait.events = POLLIN;
    CHECK_INT(poll(&wait, 1, 100), 1);
    expect(BUSY);
    end(1);
}

// The limit of the program is short.
static void short_limit(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}};
    char byte;
    begin(lines, true);
    ask(GET);
    while (server.requests == 0)
        test_pause();
    test_await_call(server.id, SYS_read); // the response is there
    CHECK(tls.SSL_read(client.ssl, &byte, 1) < 0);
    struct pollfd wait = {.fd = client.fd, .events = POLLIN};
    CHECK_INT(poll(&wait, 1, 100), 1);
    expect(BUSY);
    end(1);
}

static _Atomic int signals;

static void on_signal(int number)
{
    (void) number;
    signals++;
}

// Sends a signal to the thread that waits for a repetition.
static void *interrupt(void *thread)
{
    while (test_log(RETRY, "") == 0)
        test_pause();
    while (!signals) {
        pthread_kill(*(pthread_t *) thread, SIGUSR1);
        test_pause();
    }
    return NULL;
}

// A handler without SA_RESTART ends the read as it would end it without the library. The next read goes on.
static void signal_in_wait(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {GOOD, 0, 0}};
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t self = pthread_self(), other;
    char byte;
    begin(lines, false);
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(pthread_create(&other, NULL, interrupt, &self), 0);
    ask(GET);
    int got = tls.SSL_read(client.ssl, &byte, 1);
    CHECK_INT(got, -1);
    CHECK_INT(tls.SSL_get_error(client.ssl, got), TLS_WANT_READ);
    thread_end(other);
    CHECK(!(fcntl(client.fd, F_GETFL) & O_NONBLOCK));
    expect(GOOD);
    end(2);
}

// Two requests at once are not followed.
static void pipelined(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {GOOD, 0, 0}};
    begin(lines, false);
    ask(GET GET);
    expect(BUSY GOOD);
    end(2);
}

// A read finds nothing, or a response that the library hides. The poll tells how the client waits.
static void read_and_poll(char *byte)
{
    struct pollfd wait = {.fd = client.fd, .events = POLLIN};
    CHECK(tls.SSL_read(client.ssl, byte, 1) < 0);
    CHECK(poll(&wait, 1, 0) >= 0);
}

// After a fork, both processes have the connection: the response that the library holds is handed over.
static void forked(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {BUSY, 0, 0}};
    char bytes[10];
    begin(lines, true);
    ask(GET);
    while (test_log(RETRY, "") == 0)
        read_and_poll(bytes);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK_INT(waitpid(child, NULL, 0), child);
    expect(BUSY);
    ask(GET);
    expect(BUSY);
    end(2);
}

// What is not HTTP passes through.
static void other_protocol(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {BUSY, 0, 0}};
    begin(lines, false);
    ask("USER me\r\n\r\n");
    expect(BUSY);
    ask(GET);
    expect(BUSY);
    CHECK_INT(test_log_lines(), 0);
    end(2);
}

// The server ends the connection after its response. The library makes no second handshake.
static void closing(void)
{
    static const struct line lines[] = {
        {.text = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 5\r\n\r\nbusy\n", .then = CLOSES}};
    begin(lines, false);
    ask(GET);
    expect(lines[0].text);
    CHECK_INT(test_log(RETRY, ""), 0);
    end(1);
}

// The library has read a response of two records, which the program has only peeked at.
static void hold_bytes(void)
{
    static const struct line lines[] = {{BUSY, 40, 0}};
    char bytes[4];
    begin(lines, false);
    ask(POST);
    CHECK_INT(tls.SSL_peek(client.ssl, bytes, 4), 4);
    CHECK_INT(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
}

// Another connection object of the same socket does not get the bytes of the first one.
static void another_object(void)
{
    char byte;
    hold_bytes();
    SSL *other = tls_new(client.fd, TLS_1_3, false);
    CHECK(tls.SSL_read(other, &byte, 1) <= 0);
    CHECK_INT(tls.SSL_pending(other), 0);
}

static void cleared(void)
{
    char byte;
    hold_bytes();
    CHECK_INT(tls.SSL_clear(client.ssl), 1);
    CHECK(tls.SSL_read(client.ssl, &byte, 1) <= 0);
}

// A read of the client finds a response, and its request waits for the repetition.
static void park(const struct line *lines)
{
    char byte;
    begin(lines, true);
    ask(GET);
    while (test_log(RETRY, "") == 0)
        read_and_poll(&byte);
}

// The descriptor was replaced by a system call that the library does not see: the new file gets no bytes.
static void not_to_another_file(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {GOOD, 0, 0}};
    int ends[2], bytes = 0;
    park(lines);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    CHECK_INT(syscall(SYS_dup3, ends[0], client.fd, O_CLOEXEC), client.fd);
    expect(BUSY);
    CHECK_INT(ioctl(ends[1], FIONREAD, &bytes), 0);
    CHECK_INT(bytes, 0);
}

static void *expect_busy(void *argument)
{
    (void) argument;
    expect(BUSY);
    return NULL;
}

// Another thread duplicates the descriptor during the wait for the repetition.
static void shared_in_wait(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {GOOD, 0, 0}};
    pthread_t reader;
    begin(lines, false);
    ask(GET);
    CHECK_INT(pthread_create(&reader, NULL, expect_busy, NULL), 0);
    test_await_log(RETRY, "", 1);
    int copy = dup(client.fd);
    thread_end(reader);
    close(copy);
    end(1);
}

// Waits that the library does not see. It must not hold what these waits are for.
static void read_with_hidden_waits(const char *text)
{
    char bytes[200] = "";
    int had = 0;
    while (had < (int) strlen(text)) {
        struct pollfd hidden = {.fd = client.fd, .events = POLLIN};
        int got = tls.SSL_read(client.ssl, bytes + had, (int) sizeof(bytes) - had);
        if (got > 0)
            had += got;
        else
            CHECK_INT(syscall(SYS_ppoll, &hidden, 1, NULL, NULL, 8), 1);
    }
    CHECK_TEXT(bytes, text);
}

// The only wait that was seen is that for the connect.
static void hidden_wait(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {BUSY, 0, 0}};
    begin(lines, false);
    CHECK_INT(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    struct pollfd wait = {.fd = client.fd, .events = POLLOUT};
    CHECK_INT(poll(&wait, 1, -1), 1);
    ask(GET);
    while (server.requests == 0)
        test_pause();
    test_await_call(server.id, SYS_read); // the response is there
    read_with_hidden_waits(BUSY);
    end(1);
}

// A wait for the handshake was seen. The response arrives during a wait that is not.
static void hidden_wait_after_another(void)
{
    static const struct line lines[] = {{BUSY, 0, 0}, {BUSY, 0, 0}};
    char byte;
    begin(lines, true);
    CHECK(tls.SSL_read(client.ssl, &byte, 1) < 0); // nothing is there before the request
    ask(GET);
    read_with_hidden_waits(BUSY);
    end(1);
}

#define QUICKLY "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define REPEATS QUICKLY "retry.base=20ms\n"
#define SLOWLY QUICKLY "retry.base=300ms\n"
#define HELD "http.hold=100s\n"
#define NEVER QUICKLY "retry.base=100s\nretry.cap=100s\ntimeout.total=1000s\nhttp.hold=1000s\n"

static const struct test tests[] = {
    {"repeated_blocking", REPEATS, repeated_blocking},
    {"repeated_polling", REPEATS, repeated_polling},
    {"hang_up_blocking", REPEATS, hang_up_blocking},
    {"hang_up_polling", REPEATS, hang_up_polling},
    {"closed_in_wait", SLOWLY, closed_in_wait},
    {"post_blocking", REPEATS, post_blocking},
    {"post_polling", REPEATS, post_polling},
    {"post_polling_first", REPEATS, post_polling_first},
    {"pending", REPEATS, pending},
    {"broken_pipe", REPEATS, broken_pipe},
    {"stalled_blocking", REPEATS, stalled_blocking},
    {"stalled_polling", REPEATS, stalled_polling},
    {"event_loop", REPEATS, event_loop},
    {"level_loop", REPEATS HELD, level_loop},
    {"edge_loop", REPEATS HELD, edge_loop},
    {"loop_passes", REPEATS "http.hold=2s\n", loop_passes},
    {"loop_hang_up", REPEATS HELD, loop_hang_up},
    {"loop_no_answer", REPEATS "http.hold=500ms\n", loop_no_answer},
    {"loop_goes_on", NEVER, loop_goes_on},
    {"loop_shared", NEVER, loop_shared},
    {"overflow", REPEATS, overflow},
    {"overflow_polling_first", REPEATS, overflow_polling_first},
    {"receive_limit", REPEATS, receive_limit},
    {"poll_limit", REPEATS, poll_limit},
    {"no_answer", REPEATS, no_answer},
    {"rest_of_limit", NEVER, rest_of_limit},
    {"short_limit", NEVER, short_limit},
    {"signal_in_wait", SLOWLY, signal_in_wait},
    {"pipelined", REPEATS, pipelined},
    {"forked", SLOWLY, forked},
    {"other_protocol", REPEATS, other_protocol},
    {"closing", REPEATS, closing},
    {"another_object", REPEATS, another_object},
    {"cleared", REPEATS, cleared},
    {"not_to_another_file", REPEATS, not_to_another_file},
    {"shared_in_wait", SLOWLY, shared_in_wait},
    {"hidden_wait", REPEATS, hidden_wait},
    {"hidden_wait_after_another", REPEATS, hidden_wait_after_another},
};

TEST_MAIN(tests)
