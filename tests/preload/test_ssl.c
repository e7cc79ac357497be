// SPDX-License-Identifier: MIT
// Connections of OpenSSL under the library: each call gives what OpenSSL gives, on blocking and non-blocking sockets.
#include <poll.h>

#include "tls.h"

// Echoes each message, whose length comes first. Ends at the end of the stream.
static void *serve(void *argument)
{
    const struct port *port = argument;
    static char bytes[1 << 20];
    int fd = accept(port->fd, NULL, NULL), version = port->address.sin_zero[0] ? TLS_1_3 : TLS_1_2;
    SSL *ssl = tls_new(fd, version, true);
    CHECK_INT(tls.SSL_accept(ssl), 1);
    uint32_t length, had;
    while (tls.SSL_read(ssl, &length, sizeof(length)) == sizeof(length)) {
        for (had = 0; had < length;) {
            int got = tls.SSL_read(ssl, bytes + had, (int) (length - had));
            CHECK(got > 0);
            had += (uint32_t) got;
        }
        CHECK_INT(tls.SSL_write(ssl, bytes, (int) length), (int) length);
    }
    tls.SSL_shutdown(ssl);
    tls.SSL_free(ssl);
    close(fd);
    return NULL;
}

struct session {
    struct port port;
    pthread_t server;
    int fd;
    SSL *ssl;
};

static void begin(struct session *session, int version)
{
    session->port = port_listening();
    session->port.address.sin_zero[0] = version == TLS_1_3; // for the server
    CHECK_INT(pthread_create(&session->server, NULL, serve, &session->port), 0);
    session->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(dial(session->fd, &session->port), 0);
    session->ssl = tls_new(session->fd, version, false);
    CHECK_INT(tls.SSL_connect(session->ssl), 1);
}

static void end(struct session *session)
{
    char byte;
    CHECK(tls.SSL_shutdown(session->ssl) >= 0);
    CHECK_INT(tls.SSL_read(session->ssl, &byte, 1), 0);
    CHECK_INT(tls.SSL_get_error(session->ssl, 0), TLS_ZERO_RETURN);
    thread_end(session->server);
    tls.SSL_free(session->ssl);
    close(session->fd);
}

enum { LONGEST = 300000 };
static char sent[LONGEST + 4], got[LONGEST];

static void prepare(uint32_t length)
{
    memcpy(sent, &length, sizeof(length));
    for (uint32_t i = 0; i < length; i++)
        sent[4 + i] = (char) (i * 31 + i / 251);
    memset(got, 0, sizeof(got));
}

static void check_exchange(SSL *ssl, uint32_t length, bool new_calls)
{
    size_t count = 0, had = 0;
    prepare(length);
    if (new_calls)
        CHECK(tls.SSL_write_ex(ssl, sent, 4 + length, &count) == 1 && count == 4 + length);
    else
        CHECK_INT(tls.SSL_write(ssl, sent, 4 + (int) length), 4 + (int) length);
    CHECK_INT(tls.SSL_pending(ssl), 0);
    CHECK_INT(tls.SSL_peek(ssl, got, 1), 1);
    CHECK(got[0] == sent[4] && tls.SSL_has_pending(ssl) && tls.SSL_pending(ssl) > 0);
    CHECK(tls.SSL_peek_ex(ssl, got, 1, &count) == 1 && count == 1 && got[0] == sent[4]);
    while (had < length) {
        int read = new_calls ? tls.SSL_read_ex(ssl, got + had, length - had, &count)
                             : tls.SSL_read(ssl, got + had, (int) (length - had));
        CHECK(read > 0);
        had += new_calls ? count : (size_t) read;
    }
    CHECK(memcmp(got, sent + 4, length) == 0);
    CHECK(tls.SSL_pending(ssl) == 0 && !tls.SSL_has_pending(ssl));
}

static void blocking(int version)
{
    static const uint32_t lengths[] = {1, 100, 16384, 16385, LONGEST};
    struct session session;
    tls_look_up(tls_library());
    begin(&session, version);
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        check_exchange(session.ssl, lengths[i], false);
        check_exchange(session.ssl, lengths[i], true);
    }
    end(&session);
}

static void blocking_1_2(void)
{
    blocking(TLS_1_2);
}

static void blocking_1_3(void)
{
    blocking(TLS_1_3);
}

static void await(const struct session *session, int result)
{
    int error = tls.SSL_get_error(session->ssl, result);
    CHECK(error == TLS_WANT_READ || error == TLS_WANT_WRITE);
    struct pollfd wait = {.fd = session->fd, .events = error == TLS_WANT_READ ? POLLIN : POLLOUT};
    CHECK_INT(poll(&wait, 1, -1), 1);
}

static void non_blocking(void)
{
    struct session session;
    size_t count, had = 0;
    int result, waits = 0;
    tls_look_up(tls_library());
    begin(&session, TLS_1_3);
    CHECK_INT(fcntl(session.fd, F_SETFL, O_NONBLOCK), 0);
    CHECK(tls.SSL_read_ex(session.ssl, got, 1, &count) == 0);
    CHECK_INT(tls.SSL_get_error(session.ssl, 0), TLS_WANT_READ);
    prepare(LONGEST);
    while ((result = tls.SSL_write_ex(session.ssl, sent, 4 + LONGEST, &count)) != 1)
        await(&session, result);
    while (had < LONGEST) {
        result = tls.SSL_read_ex(session.ssl, got + had, LONGEST - had, &count);
        if (result != 1)
            await(&session, result), waits++;
        else
            had += count;
    }
    CHECK(waits > 0 && memcmp(got, sent + 4, LONGEST) == 0);
    CHECK_INT(fcntl(session.fd, F_SETFL, 0), 0);
    end(&session);
}

// Two copies of the same libssl, each with a connection.
static void two_copies(void)
{
    Dl_info info;
    size_t length;
    struct session one, two;
    void *first = tls_library();
    CHECK(dladdr(dlsym(first, "SSL_new"), &info) != 0);
    char *bytes = test_read(info.dli_fname, &length);
    int fd = open(test_path("libssl-copy.so"), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t) length);
    close(fd);
    void *second = dlopen(test_path("libssl-copy.so"), RTLD_NOW | RTLD_LOCAL);
    CHECK(second != NULL);
    tls_look_up(first);
    begin(&one, TLS_1_2);
    tls_look_up(second);
    CHECK(dladdr(*(void **) &tls.SSL_new, &info) != 0 && strstr(info.dli_fname, "libssl-copy.so"));
    begin(&two, TLS_1_3);
    for (int i = 0; i < 3; i++) {
        check_exchange(one.ssl, 100, i % 2);
        check_exchange(two.ssl, 100, i % 2);
    }
    end(&two);
    end(&one);
}

#define ANY "[any]\nhosts=*\n"

static const struct test tests[] = {
    {"blocking_1_2", ANY, blocking_1_2},
    {"blocking_1_3", ANY, blocking_1_3},
    {"non_blocking", ANY, non_blocking},
    {"two_copies", ANY, two_copies},
};

TEST_MAIN(tests)
