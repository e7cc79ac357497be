// SPDX-License-Identifier: MIT
// HTTP on connections of OpenSSL without a descriptor: the program moves the encrypted bytes between the socket and
// BIOs in memory, as Python's asyncio does.
#include <poll.h>
#include <sys/epoll.h>

#include "tls.h"

typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;

#define BIO_FUNCTIONS(X)                                                                                               \
    X(const BIO_METHOD *, BIO_s_mem, (void) )                                                                          \
    X(const BIO_METHOD *, BIO_s_secmem, (void) )                                                                       \
    X(int, SSL_key_update, (SSL *, int) )                                                                              \
    X(int, SSL_do_handshake, (SSL *) )                                                                                 \
    X(BIO *, BIO_new, (const BIO_METHOD *) )                                                                           \
    X(int, BIO_read, (BIO *, void *, int) )                                                                            \
    X(int, BIO_write, (BIO *, const void *, int) )                                                                     \
    X(void, SSL_set_bio, (SSL *, BIO *, BIO *) )

static struct {
#define X(result, name, parameters) result(*name) parameters; // NOLINT(bugprone-macro-parentheses)
    BIO_FUNCTIONS(X)
#undef X
} bio;

static void look_up(void)
{
    void *object = tls_library();
    tls_look_up(object);
#define X(result, name, parameters)                                                                                    \
    *(void **) &bio.name = dlsym(object, #name);                                                                       \
    CHECK(bio.name != NULL);
    BIO_FUNCTIONS(X)
#undef X
}

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nbusy\n"
#define GOOD "HTTP/1.1 200 Good\r\nContent-Length: 5\r\n\r\ngood\n"

// --- the server

// What the server does with one request after the other.
//   text: the response; NULL: closes the connection
//   then: what the server does with the connection. CLOSES: closes it after the response. BREAKS: the same, without an
//     announcement in TLS. PAUSES: sends only `first` bytes, and the others when the client wants them
struct line {
    const char *text;
    enum { GOES_ON, CLOSES, BREAKS, PAUSES } then;
    int first;
};

static struct {
    struct port port;
    pthread_t thread;
    const struct line *lines;
    _Atomic int requests;
    _Atomic bool goes_on; // after a pause
} server;

// Returns false at the end of the stream.
static bool take_request(SSL *ssl)
{
    char request[4096];
    int had = 0;
    do {
        if (tls.SSL_read(ssl, request + had, 1) <= 0)
            return false;
        request[++had] = '\0';
    } while (had < 4 || strcmp(request + had - 4, "\r\n\r\n") != 0);
    return true;
}

static void *serve(void *argument)
{
    (void) argument;
    int fd = accept(server.port.fd, NULL, NULL);
    SSL *ssl = tls_new(fd, TLS_1_3, true);
    bool breaks = false;
    CHECK_INT(tls.SSL_accept(ssl), 1);
    for (const struct line *line = server.lines; take_request(ssl); line++) {
        server.requests++;
        if (!line->text)
            break;
        int length = (int) strlen(line->text), first = line->then == PAUSES ? line->first : length;
        CHECK_INT(tls.SSL_write(ssl, line->text, first), first);
        while (first < length && !server.goes_on)
            test_pause();
        if (first < length)
            CHECK_INT(tls.SSL_write(ssl, line->text + first, length - first), length - first);
        breaks = line->then == BREAKS;
        if (line->then == CLOSES || breaks)
            break;
    }
    if (!breaks)
        tls.SSL_shutdown(ssl);
    tls.SSL_free(ssl);
    close(fd);
    return NULL;
}

// --- the client

static struct {
    int fd;
    SSL *ssl;
    BIO *in, *out;
    int epfd;
    bool peeks;      // looks at the bytes before it reads them from the socket
    int first_write; // at most so many bytes in the first write to the socket; 0: all
} client;

// Sends what OpenSSL has to send.
static void flush_out(void)
{
    char bytes[20000];
    for (int length; (length = bio.BIO_read(client.out, bytes, sizeof(bytes))) > 0;) {
        int first = client.first_write ? client.first_write : length;
        CHECK_INT(send(client.fd, bytes, (size_t) first, 0), first);
        if (first < length)
            CHECK_INT(send(client.fd, bytes + first, (size_t) (length - first), 0), length - first);
        client.first_write = 0;
    }
}

// Gives OpenSSL what the socket has to read. Returns false at the end of the stream.
static bool fetch_in(void)
{
    char bytes[20000];
    ssize_t got = recv(client.fd, bytes, sizeof(bytes), 0);
    CHECK(got >= 0);
    CHECK(got == 0 || bio.BIO_write(client.in, bytes, (int) got) == got);
    return got > 0;
}

static void begin(const struct line *lines, int first_write)
{
    look_up();
    server.lines = lines;
    server.port = port_listening();
    CHECK_INT(pthread_create(&server.thread, NULL, serve, NULL), 0);
    client.fd = stream();
    client.first_write = first_write;
    client.ssl = tls_new(client.fd, TLS_1_3, false);
    client.in = bio.BIO_new(bio.BIO_s_mem());
    client.out = bio.BIO_new(bio.BIO_s_mem());
    bio.SSL_set_bio(client.ssl, client.in, client.out);
}

static void handshake(const struct port *port)
{
    int result;
    CHECK_INT(dial(client.fd, port), 0);
    while ((result = tls.SSL_connect(client.ssl)) != 1) {
        CHECK_INT(tls.SSL_get_error(client.ssl, result), TLS_WANT_READ);
        flush_out();
        CHECK(fetch_in());
    }
    flush_out();
}

static void end(int requests)
{
    tls.SSL_shutdown(client.ssl);
    flush_out();
    shutdown(client.fd, SHUT_WR);
    tls.SSL_free(client.ssl);
    close(client.fd);
    thread_end(server.thread);
    CHECK_INT(server.requests, requests);
}

static void ask(const char *request)
{
    CHECK_INT(tls.SSL_write(client.ssl, request, (int) strlen(request)), (int) strlen(request));
    flush_out();
}

// Reads exactly this text. Waits in recv.
static void expect(const char *text)
{
    char got[4096] = "";
    int had = 0, length = (int) strlen(text);
    while (had < length) {
        int some = tls.SSL_read(client.ssl, got + had, length - had);
        had += some > 0 ? some : 0;
        if (some > 0)
            continue;
        CHECK_INT(tls.SSL_get_error(client.ssl, some), TLS_WANT_READ);
        CHECK(fetch_in());
    }
    CHECK_TEXT(got, text);
}

// --- counted

#define STACK "\"reason\":\"stack\""

// The program waits in a blocking read of the socket, and not in a read of OpenSSL: nothing is hidden from it.
static void counted(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = GOOD}, {.text = BUSY}};
    begin(lines, 0);
    handshake(&server.port);
    for (int i = 0; i < 3; i++) {
        ask(GET);
        expect(lines[i].text);
    }
    CHECK_INT(test_log(STOP, STACK), 2);
    CHECK_INT(test_log_lines(), 2);
    end(3);
}

// The first write has this many bytes of the ClientHello. The response is counted if the random bytes are among them.
static void cut_hello(int first, unsigned counted)
{
    static const struct line lines[] = {{.text = BUSY}};
    begin(lines, first);
    handshake(&server.port);
    ask(GET);
    expect(BUSY);
    CHECK_INT(test_log(STOP, STACK), counted);
    CHECK_INT(test_log_lines(), counted);
    end(1);
}

static void short_hello(void)
{
    cut_hello(42, 0);
}

static void whole_hello(void)
{
    cut_hello(43, 1);
}

// A thread of the program passes the bytes of one socket on to another one.
static struct {
    struct port port;
    pthread_t thread;
} relay;

// Returns false at the end of the stream.
static bool pass_on(int from, int to)
{
    char bytes[20000];
    ssize_t got = recv(from, bytes, sizeof(bytes), 0);
    if (got > 0)
        CHECK_INT(send(to, bytes, (size_t) got, 0), got);
    else
        shutdown(to, SHUT_WR);
    return got > 0;
}

static void *run_relay(void *argument)
{
    (void) argument;
    int inner = accept(relay.port.fd, NULL, NULL), outer = stream();
    CHECK_INT(dial(outer, &server.port), 0);
    int ways[] = {inner, outer};
    struct pollfd fds[] = {{.fd = inner, .events = POLLIN}, {.fd = outer, .events = POLLIN}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        CHECK(poll(fds, 2, -1) > 0);
        for (int i = 0; i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents && !pass_on(ways[i], ways[1 - i]))
                fds[i].fd = -1;
    }
    close(inner);
    close(outer);
    return NULL;
}

// Two sockets of the program carry the same ClientHello: nobody knows which is that of the connection object.
static void two_sockets(void)
{
    static const struct line lines[] = {{.text = BUSY}};
    begin(lines, 0);
    relay.port = port_listening();
    CHECK_INT(pthread_create(&relay.thread, NULL, run_relay, NULL), 0);
    handshake(&relay.port);
    ask(GET);
    expect(BUSY);
    CHECK_INT(test_log_lines(), 0);
    end(1);
    thread_end(relay.thread);
}

// --- held in an event loop

enum { DATA = 0x12345 };

// The program waits on an epoll, and has a connection.
static void loop_begin(const struct line *lines, const BIO_METHOD *(*method)(void) )
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = DATA};
    begin(lines, 0);
    if (method) {
        client.in = bio.BIO_new(method());
        client.out = bio.BIO_new(method());
        bio.SSL_set_bio(client.ssl, client.in, client.out);
    }
    client.epfd = epoll_create1(EPOLL_CLOEXEC);
    handshake(&server.port);
    CHECK_INT(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(epoll_ctl(client.epfd, EPOLL_CTL_ADD, client.fd, &event), 0);
    CHECK(epoll_wait(client.epfd, &event, 1, 1) >= 0);
}

// Waits for an event of the socket, and gives OpenSSL what can be read. Returns false at the end of the stream, or if
// there was no event.
static bool wait_and_fetch(int timeout_ms)
{
    struct epoll_event event;
    char bytes[20000];
    if (epoll_wait(client.epfd, &event, 1, timeout_ms) != 1)
        return false;
    CHECK_INT(event.data.u64, DATA);
    if (client.peeks)
        CHECK(recv(client.fd, bytes, sizeof(bytes), MSG_PEEK) != 0);
    ssize_t got = recv(client.fd, bytes, sizeof(bytes), 0);
    CHECK(got >= 0 || errno == EAGAIN);
    CHECK(got <= 0 || bio.BIO_write(client.in, bytes, (int) got) == got);
    return got != 0;
}

static void expect_wanted(int result)
{
    CHECK_INT(tls.SSL_get_error(client.ssl, result), TLS_WANT_READ);
}

// Reads exactly this text, as Python's asyncio reads: after the end of the stream once more.
static void loop_expect(const char *text)
{
    char got[4096] = "";
    int had = 0, length = (int) strlen(text);
    for (bool last = false; had < length;) {
        int some = tls.SSL_read(client.ssl, got + had, length - had);
        had += some > 0 ? some : 0;
        if (some > 0)
            continue;
        expect_wanted(some);
        CHECK(!last);
        last = !wait_and_fetch(-1);
    }
    CHECK_TEXT(got, text);
}

// Waits until the response is hidden.
static void loop_park(void)
{
    char byte;
    while (test_log(RETRY, "") == 0) {
        expect_wanted(tls.SSL_read(client.ssl, &byte, 1));
        wait_and_fetch(5);
    }
}

// The connection goes on.
static void loop_goes_on(const char *text)
{
    ask(GET);
    loop_expect(text);
}

static void held(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = BUSY}, {.text = GOOD}, {.text = BUSY}, {.text = GOOD}};
    loop_begin(lines, NULL);
    loop_goes_on(GOOD);
    loop_goes_on(GOOD);
    CHECK_INT(test_log(RECOVERED, ""), 2);
    end(5);
}

// The program did not ask for it.
static void not_held(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = GOOD}};
    loop_begin(lines, NULL);
    loop_goes_on(BUSY);
    loop_goes_on(GOOD);
    CHECK_INT(test_log(STOP, STACK), 1);
    end(2);
}

// A BIO that is like one in memory, but has another name.
static void other_bio(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = GOOD}};
    look_up();
    loop_begin(lines, bio.BIO_s_secmem);
    loop_goes_on(BUSY);
    loop_goes_on(GOOD);
    CHECK_INT(test_log(STOP, STACK), 1);
    end(2);
}

// When the request is due, the program has not sent all that OpenSSL has written: the request would overtake it. The
// program gets the response.
static void unsent(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = GOOD}};
    char bytes[1000];
    loop_begin(lines, NULL);
    ask(GET);
    loop_park();
    CHECK_INT(bio.SSL_key_update(client.ssl, 0), 1);
    CHECK_INT(bio.SSL_do_handshake(client.ssl), 1);
    int length = bio.BIO_read(client.out, bytes, sizeof(bytes));
    CHECK(length > 0);
    loop_expect(BUSY);
    CHECK_INT(send(client.fd, bytes, (size_t) length, 0), length);
    loop_goes_on(GOOD);
    end(2);
}

// OpenSSL has written something that the program has not taken.
static void untaken(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = GOOD}};
    loop_begin(lines, NULL);
    ask(GET);
    loop_park();
    CHECK_INT(bio.SSL_key_update(client.ssl, 0), 1);
    CHECK_INT(bio.SSL_do_handshake(client.ssl), 1);
    loop_expect(BUSY);
    flush_out();
    loop_goes_on(GOOD);
    end(2);
}

static char long_get[6000];

// The socket might not take the request at once.
static void no_room(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = GOOD}};
    int size = 1;
    snprintf(long_get, sizeof(long_get), "GET / HTTP/1.1\r\nHost: a\r\nX: %03000d\r\n\r\n", 0);
    loop_begin(lines, NULL);
    CHECK_INT(setsockopt(client.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    ask(long_get);
    loop_expect(BUSY);
    loop_goes_on(GOOD);
    end(2);
}

// The time of the hold ends before the response is whole: the program gets its beginning, and then the rest.
static void part(void)
{
    static const struct line lines[] = {{.text = BUSY, .then = PAUSES, .first = 25}, {.text = GOOD}};
    char begun[26] = "";
    memcpy(begun, BUSY, 25);
    loop_begin(lines, NULL);
    ask(GET);
    loop_expect(begun);
    server.goes_on = true;
    loop_expect(BUSY + 25);
    loop_goes_on(GOOD);
    end(2);
}

static void part_peeked(void)
{
    client.peeks = true;
    part();
}

// The server closes the connection behind the hidden response.
static void broken(void)
{
    static const struct line lines[] = {{.text = BUSY, .then = BREAKS}};
    loop_begin(lines, NULL);
    ask(GET);
    loop_expect(BUSY);
    end(1);
}

static void closed(void)
{
    static const struct line lines[] = {{.text = BUSY, .then = CLOSES}};
    char byte;
    loop_begin(lines, NULL);
    ask(GET);
    loop_expect(BUSY);
    int result = tls.SSL_read(client.ssl, &byte, 1);
    CHECK_INT(tls.SSL_get_error(client.ssl, result), TLS_ZERO_RETURN);
    end(1);
}

// The repeated request has no answer: behind the response, the program finds the end of the connection.
static void no_answer(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = NULL}};
    char byte;
    loop_begin(lines, NULL);
    ask(GET);
    loop_expect(BUSY);
    int result = tls.SSL_read(client.ssl, &byte, 1);
    CHECK_INT(tls.SSL_get_error(client.ssl, result), TLS_ZERO_RETURN);
    end(2);
}

// The program ends its direction, and wants the response.
static void half_closed(void)
{
    static const struct line lines[] = {{.text = BUSY}};
    loop_begin(lines, NULL);
    ask(GET);
    loop_park();
    CHECK_INT(tls.SSL_shutdown(client.ssl), 0);
    CHECK(wait_and_fetch(-1));
    loop_expect(BUSY);
    end(1);
}

static void freed(void)
{
    static const struct line lines[] = {{.text = BUSY}};
    loop_begin(lines, NULL);
    ask(GET);
    loop_park();
    tls.SSL_free(client.ssl);
    CHECK(!wait_and_fetch(500));
    CHECK_INT(test_log_lines(), 1);
    shutdown(client.fd, SHUT_WR);
    close(client.fd);
    thread_end(server.thread);
    CHECK_INT(server.requests, 1);
}

// The program gives the connection other BIOs, and takes what was in the first ones with it.
static void other_bios(void)
{
    static const struct line lines[] = {{.text = BUSY}};
    loop_begin(lines, NULL);
    ask(GET);
    loop_park();
    client.in = bio.BIO_new(bio.BIO_s_secmem());
    client.out = bio.BIO_new(bio.BIO_s_secmem());
    bio.SSL_set_bio(client.ssl, client.in, client.out);
    char got[100] = "";
    CHECK_INT(tls.SSL_read(client.ssl, got, sizeof(got) - 1), (int) strlen(BUSY));
    CHECK_TEXT(got, BUSY);
    end(1);
}

// After a fork, both processes have the connection.
static void forked(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = BUSY}};
    loop_begin(lines, NULL);
    ask(GET);
    loop_park();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK_INT(waitpid(child, NULL, 0), child);
    loop_expect(BUSY);
    loop_goes_on(BUSY);
    CHECK_INT(test_log_lines(), 1);
    end(2);
}

// Waits by poll.
static void *read_elsewhere(void *text)
{
    char got[4096];
    int had = 0;
    while (had == 0) {
        had = tls.SSL_read(client.ssl, got, sizeof(got) - 1);
        had = had > 0 ? had : 0;
        struct pollfd wait = {.fd = client.fd, .events = POLLIN};
        if (had == 0)
            CHECK(poll(&wait, 1, -1) == 1 && fetch_in());
    }
    got[had] = '\0';
    CHECK_TEXT(got, text);
    return NULL;
}

// Only the thread that waits on the epoll may write later. Another thread reads here.
static void other_thread(void)
{
    static const struct line lines[] = {{.text = BUSY}, {.text = GOOD}};
    pthread_t thread;
    loop_begin(lines, NULL);
    ask(GET);
    CHECK_INT(pthread_create(&thread, NULL, read_elsewhere, BUSY), 0);
    thread_end(thread);
    loop_goes_on(GOOD);
    end(2);
}

#define QUICKLY "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define REPEATS QUICKLY "retry.base=20ms\n"
#define HELD REPEATS "http.hold=100s\nhttp.async=on\n"
#define LATER QUICKLY "retry.base=300ms\nhttp.hold=100s\nhttp.async=on\n"
#define FOREVER QUICKLY "retry.base=100s\nretry.cap=100s\ntimeout.total=1000s\nhttp.hold=1000s\nhttp.async=on\n"
#define SHORT REPEATS "http.hold=200ms\nhttp.async=on\n"

static const struct test tests[] = {
    {"counted", REPEATS, counted},
    {"short_hello", REPEATS, short_hello},
    {"whole_hello", REPEATS, whole_hello},
    {"two_sockets", REPEATS, two_sockets},
    {"held", HELD, held},
    {"not_held", REPEATS "http.hold=100s\n", not_held},
    {"other_bio", HELD, other_bio},
    {"unsent", LATER, unsent},
    {"untaken", LATER, untaken},
    {"no_room", HELD, no_room},
    {"part", SHORT, part},
    {"part_peeked", SHORT, part_peeked},
    {"broken", LATER, broken},
    {"closed", LATER, closed},
    {"no_answer", HELD, no_answer},
    {"half_closed", FOREVER, half_closed},
    {"freed", LATER, freed},
    {"other_bios", LATER, other_bios},
    {"forked", LATER, forked},
    {"other_thread", HELD, other_thread},
};

TEST_MAIN(tests)
