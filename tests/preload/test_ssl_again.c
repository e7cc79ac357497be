// SPDX-License-Identifier: MIT
// http.tls_reconnect: connections of OpenSSL that the library opens again. tests/clients/test_wire_again.py has the
// cases that need no C program.
#include <poll.h>
#include <signal.h>

#include "tls.h"

typedef struct x509_st X509;
typedef void tls_info(const SSL *, int, int);

// From libssl, and ERR_peek_error from libcrypto, which dlsym finds behind libssl.
#define MORE_FUNCTIONS(X)                                                                                              \
    X(int, SSL_CTX_use_certificate_file, (SSL_CTX *, const char *, int) )                                              \
    X(int, SSL_CTX_use_PrivateKey_file, (SSL_CTX *, const char *, int) )                                               \
    X(void, SSL_CTX_set_info_callback, (SSL_CTX *, tls_info *) )                                                       \
    X(void, SSL_set_info_callback, (SSL *, tls_info *) )                                                               \
    X(tls_info *, SSL_get_info_callback, (const SSL *) )                                                               \
    X(void, SSL_CTX_set_verify, (SSL_CTX *, int, int (*)(int, void *)))                                                \
    X(void, SSL_CTX_set_client_cert_cb, (SSL_CTX *, int (*)(SSL *, X509 **, void **)))                                 \
    X(void, SSL_CTX_set_keylog_callback, (SSL_CTX *, void (*)(const SSL *, const char *)))                             \
    X(unsigned long, ERR_peek_error, (void) )

static struct {
#define X(result, name, parameters) result(*name) parameters; // NOLINT(bugprone-macro-parentheses)
    MORE_FUNCTIONS(X)
#undef X
} more;

static void look_up(void)
{
    void *object = tls_library();
    tls_look_up(object);
#define X(result, name, parameters)                                                                                    \
    *(void **) &more.name = dlsym(object, #name);                                                                      \
    CHECK(more.name != NULL);
    MORE_FUNCTIONS(X)
#undef X
}

// Makes a certificate that signs itself, in the directory of the test.
static const char *certificate(void)
{
    static char path[300], command[1500];
    snprintf(path, sizeof(path), "%s.pem", getenv("REBOUND_POLICY"));
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=a "
             "-keyout %s.key -out %s 2>/dev/null && cat %s.key >>%s",
             path, path, path, path);
    CHECK_INT(system(command), 0);
    return path;
}

// --- the server

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 5\r\n\r\nbusy\n"
#define GOOD "HTTP/1.1 200 Good\r\nContent-Length: 5\r\n\r\ngood\n"

// What the server does with the connections after the first one, to which it answers BUSY.
enum second {
    ANSWERS, // answers GOOD
    SILENT,  // sends nothing until the client has finished
    REFUSES  // there are none
};

static struct {
    struct port port;
    pthread_t thread;
    enum second second;
    bool keyed; // the ends share a key, and there is no certificate
    _Atomic int accepted, requests;
    _Atomic bool finished;
} server;

static SSL *connection(int fd, bool serves)
{
    enum { PEM = 1 };
    if (server.keyed)
        return tls_new(fd, TLS_1_3, serves);
    SSL_CTX *context = tls.SSL_CTX_new(serves ? tls.TLS_server_method() : tls.TLS_client_method());
    static const char *path;
    if (serves && !path)
        path = certificate();
    if (serves)
        CHECK(more.SSL_CTX_use_certificate_file(context, path, PEM) == 1 &&
              more.SSL_CTX_use_PrivateKey_file(context, path, PEM) == 1);
    SSL *ssl = tls.SSL_new(context);
    CHECK(ssl && tls.SSL_set_fd(ssl, fd) == 1);
    tls.SSL_CTX_free(context);
    return ssl;
}

static bool answer(SSL *ssl, const char *text)
{
    char request[4096];
    int had = 0;
    do {
        if (tls.SSL_read(ssl, request + had, 1) <= 0)
            return false;
        request[++had] = '\0';
    } while (had < 4 || strcmp(request + had - 4, "\r\n\r\n") != 0);
    server.requests++;
    return tls.SSL_write(ssl, text, (int) strlen(text)) > 0;
}

static void *serve(void *argument)
{
    sigset_t pipe;
    (void) argument;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &pipe, NULL), 0); // the client may have gone
    for (int number = 1;; number++) {
        int fd = accept(server.port.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        server.accepted = number;
        if (number > 1 && server.second == SILENT) {
            while (!server.finished)
                test_pause();
            close(fd);
            continue;
        }
        SSL *ssl = connection(fd, true);
        if (number == 1 && server.second == REFUSES)
            close(server.port.fd);
        if (tls.SSL_accept(ssl) == 1 && answer(ssl, number == 1 ? BUSY : GOOD))
            tls.SSL_shutdown(ssl);
        tls.SSL_free(ssl);
        close(fd);
    }
}

// --- the client

static struct {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
} client;

static void begin(enum second second, bool keyed)
{
    look_up();
    server.second = second;
    server.keyed = keyed;
    server.port = port_listening();
    CHECK_INT(pthread_create(&server.thread, NULL, serve, NULL), 0);
    client.fd = stream();
    CHECK_INT(dial(client.fd, &server.port), 0);
    client.context = keyed ? NULL : tls.SSL_CTX_new(tls.TLS_client_method());
}

// Makes the handshake, and asks.
static void ask(void)
{
    client.ssl = server.keyed ? connection(client.fd, false) : tls.SSL_new(client.context);
    CHECK(tls.SSL_set_fd(client.ssl, client.fd) == 1);
    CHECK_INT(tls.SSL_connect(client.ssl), 1);
    CHECK_INT(tls.SSL_write(client.ssl, GET, (int) strlen(GET)), (int) strlen(GET));
}

static void expect(const char *text)
{
    char bytes[4096];
    int had = 0, length = (int) strlen(text);
    while (had < length) {
        int got = tls.SSL_read(client.ssl, bytes + had, length - had);
        CHECK(got > 0);
        had += got;
    }
    bytes[had] = '\0';
    CHECK_TEXT(bytes, text);
    CHECK_INT(more.ERR_peek_error(), 0);
    CHECK(!(fcntl(client.fd, F_GETFL) & O_NONBLOCK));
}

// The program reads the end of the stream.
static void expect_end(void)
{
    char byte;
    CHECK_INT(tls.SSL_read(client.ssl, &byte, 1), 0);
    CHECK_INT(tls.SSL_get_error(client.ssl, 0), TLS_ZERO_RETURN);
}

static void end(int accepted, int requests)
{
    tls.SSL_shutdown(client.ssl); // raises no SIGPIPE
    tls.SSL_free(client.ssl);
    close(client.fd);
    server.finished = true;
    if (server.second != REFUSES)
        CHECK_INT(shutdown(server.port.fd, SHUT_RDWR), 0); // ends accept
    thread_end(server.thread);
    CHECK_INT(server.accepted, accepted);
    CHECK_INT(server.requests, requests);
}

static int told, verified, logged;

static void on_info(const SSL *ssl, int what, int value)
{
    enum { HANDSHAKE_START = 0x10 };
    (void) ssl, (void) value;
    told += what == HANDSHAKE_START;
}

static int on_verify(int good, void *store)
{
    (void) good, (void) store;
    verified++;
    return 1;
}

static void on_key(const SSL *ssl, const char *line)
{
    (void) ssl, (void) line;
    logged++;
}

// The callbacks that judge the peer or need each key run in the second handshake. Info callbacks do not, and they stay.
//   own: the connection has an info callback; otherwise its context has one
static void calls_back(bool own)
{
    enum { VERIFY_PEER = 1, SET_MAX = 124 }; // SSL_CTRL_SET_MAX_PROTO_VERSION
    begin(ANSWERS, false);
    CHECK(tls.SSL_CTX_ctrl(client.context, SET_MAX, TLS_1_2, NULL)); // TLS 1.3 has further handshake messages
    more.SSL_CTX_set_verify(client.context, VERIFY_PEER, on_verify);
    more.SSL_CTX_set_keylog_callback(client.context, on_key);
    if (!own)
        more.SSL_CTX_set_info_callback(client.context, on_info);
    client.ssl = tls.SSL_new(client.context);
    if (own)
        more.SSL_set_info_callback(client.ssl, on_info);
    CHECK(tls.SSL_set_fd(client.ssl, client.fd) == 1);
    CHECK_INT(tls.SSL_connect(client.ssl), 1);
    int told_first = told, verified_first = verified, logged_first = logged;
    CHECK(told_first > 0 && verified_first > 0 && logged_first > 0);
    CHECK_INT(tls.SSL_write(client.ssl, GET, (int) strlen(GET)), (int) strlen(GET));
    expect(GOOD);
    CHECK_INT(told, told_first);
    CHECK(logged > logged_first);
    CHECK(own == (more.SSL_get_info_callback(client.ssl) == on_info));
    end(2, 2);
}

static void info_callback_of_connection(void)
{
    calls_back(true);
}

static void info_callback_of_context(void)
{
    calls_back(false);
}

// Without a certificate, the second peer could not be compared with the first one.
static void no_certificate(void)
{
    begin(ANSWERS, true);
    ask();
    expect(BUSY);
    expect_end();
    CHECK_INT(test_log(RETRY, ""), 0);
    end(1, 1);
}

static int give_certificate(SSL *ssl, X509 **given, void **key)
{
    (void) ssl, (void) given, (void) key;
    return 0;
}

// The program may give a certificate of its own.
static void certificate_callback(void)
{
    begin(ANSWERS, false);
    more.SSL_CTX_set_client_cert_cb(client.context, give_certificate);
    ask();
    expect(BUSY);
    expect_end();
    end(1, 1);
}

// The connect is refused. Later calls raise no SIGPIPE: the socket is not connected.
static void refused(void)
{
    begin(REFUSES, false);
    ask();
    expect(BUSY);
    expect_end();
    CHECK_INT(test_log(RETRY, ""), 1);
    end(1, 1);
}

// The program writes again after the end: no byte reaches a peer that it has not checked, and there is no SIGPIPE.
static void written_after_refusal(void)
{
    begin(REFUSES, false);
    ask();
    expect(BUSY);
    tls.SSL_write(client.ssl, GET, (int) strlen(GET));
    expect_end();
    end(1, 1);
}

static _Atomic int signals;

static void on_signal(int number)
{
    (void) number;
    signals++;
}

static void *interrupt(void *thread)
{
    while (server.accepted < 2)
        test_pause();
    while (!server.finished) {
        pthread_kill(*(pthread_t *) thread, SIGUSR1);
        test_pause();
    }
    return NULL;
}

// A handler without SA_RESTART ends the handshake: the program gets the response.
static void signal_in_handshake(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t self = pthread_self(), other;
    begin(SILENT, false);
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_INT(pthread_create(&other, NULL, interrupt, &self), 0);
    ask();
    uint64_t begun_ms = test_now_ms();
    expect(BUSY);
    CHECK_BETWEEN(test_now_ms() - begun_ms, 0, 4000); // the handshake alone may take 5 s
    server.finished = true;
    thread_end(other);
    end(2, 1);
}

#define AGAIN                                                                                                          \
    "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.jitter=none\nretry.base=20ms\nbreaker=off\n"                 \
    "budget.floor=1000/s\nhttp.tls_reconnect=on\n"

static const struct test tests[] = {
    {"info_callback_of_connection", AGAIN, info_callback_of_connection},
    {"info_callback_of_context", AGAIN, info_callback_of_context},
    {"no_certificate", AGAIN, no_certificate},
    {"certificate_callback", AGAIN, certificate_callback},
    {"refused", AGAIN, refused},
    {"written_after_refusal", AGAIN, written_after_refusal},
    {"signal_in_handshake", AGAIN, signal_in_handshake},
};

TEST_MAIN(tests)
