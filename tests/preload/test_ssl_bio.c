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
struct line {
    const char *text; // the response; NULL: closes the connection
    bool closes;      // closes the connection after the response
};

static struct {
    struct port port;
    pthread_t thread;
    const struct line *lines;
    _Atomic int requests;
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
    CHECK_INT(tls.SSL_accept(ssl), 1);
    for (const struct line *line = server.lines; take_request(ssl); line++) {
        server.requests++;
        if (!line->text)
            break;
        int length = (int) strlen(line->text);
        CHECK_INT(tls.SSL_write(ssl, line->text, length), length);
        if (line->closes)
            break;
    }
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

// The first write has not all random bytes of the ClientHello.
static void short_hello(void)
{
    static const struct line lines[] = {{.text = BUSY}};
    begin(lines, 42);
    handshake(&server.port);
    ask(GET);
    expect(BUSY);
    CHECK_INT(test_log_lines(), 0);
    end(1);
}

static void whole_hello(void)
{
    static const struct line lines[] = {{.text = BUSY}};
    begin(lines, 43);
    handshake(&server.port);
    ask(GET);
    expect(BUSY);
    CHECK_INT(test_log(STOP, STACK), 1);
    end(1);
}

// A thread of the program passes the bytes of one socket on to another one.
static struct {
    struct port port;
    pthread_t thread;
} relay;

static void pass_on(int from, int to)
{
    char bytes[20000];
    ssize_t got = recv(from, bytes, sizeof(bytes), 0);
    if (got > 0)
        CHECK_INT(send(to, bytes, (size_t) got, 0), got);
    else
        shutdown(to, SHUT_WR);
}

static void *run_relay(void *argument)
{
    (void) argument;
    int inner = accept(relay.port.fd, NULL, NULL), outer = stream();
    CHECK_INT(dial(outer, &server.port), 0);
    struct pollfd fds[] = {{.fd = inner, .events = POLLIN}, {.fd = outer, .events = POLLIN}};
    for (int ends = 0; ends < 2;) {
        CHECK(poll(fds, 2, -1) > 0);
        for (int i = 0; i < 2; i++) {
            char byte;
            if (!fds[i].revents)
                continue;
            bool over = recv(fds[i].fd, &byte, 1, MSG_PEEK) <= 0;
            pass_on(fds[i].fd, fds[1 - i].fd);
            fds[i].fd = over ? -fds[i].fd : fds[i].fd;
            ends += over;
        }
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

#define QUICKLY "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define REPEATS QUICKLY "retry.base=20ms\n"

static const struct test tests[] = {
    {"counted", REPEATS, counted},
    {"short_hello", REPEATS, short_hello},
    {"whole_hello", REPEATS, whole_hello},
    {"two_sockets", REPEATS, two_sockets},
};

TEST_MAIN(tests)
