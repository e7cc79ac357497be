// SPDX-License-Identifier: MIT
// Random play of HTTP clients that use OpenSSL. The server's records reach the client in random pieces. Signals end the
// client's calls, and it reads in small pieces, peeks, and asks how many bytes OpenSSL has.
#include "tls.h"

#include "play.h"

// --- the server: OpenSSL writes to a pair of sockets, and a thread carries the bytes to the connection

struct carrier {
    int inner, outer; // inner: the other end of the pair
    unsigned state;
    _Atomic bool resets;
    pthread_t thread;
};

// The server's end.
struct secure {
    SSL *ssl;
    struct carrier carrier;
};

// Sends bytes in random pieces. Returns false at the end.
static bool carry(int fd, unsigned *state, const char *bytes, size_t length)
{
    for (size_t sent = 0, piece; sent < length; sent += piece) {
        piece = draw(state, 2) ? length : 1 + draw(state, 60);
        piece = piece < length - sent ? piece : length - sent;
        if (send(fd, bytes + sent, piece, MSG_NOSIGNAL) < 0)
            return false;
        if (draw(state, 16) == 0)
            test_pause();
    }
    return true;
}

static void *carry_all(void *context)
{
    struct carrier *carrier = context;
    char bytes[2048];
    struct pollfd p[] = {{carrier->inner, POLLIN, 0}, {carrier->outer, POLLIN, 0}};
    for (bool open = true; open;) {
        CHECK(poll(p, 2, -1) > 0);
        for (int i = 0; i < 2 && open; i++) {
            if (!p[i].revents)
                continue;
            ssize_t got = recv(p[i].fd, bytes, sizeof(bytes), 0);
            open = got > 0 && (i == 0 ? carry(carrier->outer, &carrier->state, bytes, (size_t) got)
                                      : send(carrier->inner, bytes, (size_t) got, MSG_NOSIGNAL) == got);
        }
    }
    if (carrier->resets)
        server_reset(carrier->outer);
    close(carrier->outer);
    close(carrier->inner);
    return NULL;
}

static bool accept_tls(struct play_end *end)
{
    struct secure *secure = calloc(1, sizeof(*secure));
    int ends[2], one = 1;
    CHECK(secure != NULL);
    CHECK_INT(setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    secure->carrier = (struct carrier){.inner = ends[1], .outer = end->fd, .state = new_state()};
    CHECK_INT(pthread_create(&secure->carrier.thread, NULL, carry_all, &secure->carrier), 0);
    end->fd = ends[0];
    end->object = secure;
    secure->ssl = tls_new(end->fd, draw(&end->state, 2) ? TLS_1_2 : TLS_1_3, true);
    return tls.SSL_accept(secure->ssl) == 1;
}

static SSL *server_object(const struct play_end *end)
{
    return ((const struct secure *) end->object)->ssl;
}

static ssize_t get_tls(struct play_end *end, char *bytes, size_t length)
{
    return tls.SSL_read(server_object(end), bytes, (int) length);
}

static ssize_t put_tls(struct play_end *end, const char *bytes, size_t length)
{
    return tls.SSL_write(server_object(end), bytes, (int) length);
}

static void reset_tls(struct play_end *end)
{
    ((struct secure *) end->object)->carrier.resets = true;
}

static void close_server(struct play_end *end)
{
    struct secure *secure = end->object;
    if (!secure->carrier.resets)
        tls.SSL_shutdown(secure->ssl);
    shutdown(end->fd, SHUT_RDWR);
    thread_end(secure->carrier.thread);
    tls.SSL_free(secure->ssl);
    close(end->fd);
    free(secure);
}

// --- the client

// Its end has an object too, which is the SSL itself.
static void close_tls(struct play_end *end)
{
    if (!end->is_client) {
        close_server(end);
        return;
    }
    unwatch_end(end);
    tls.SSL_free(end->object);
    end->object = NULL;
    close(end->fd);
}

// Waits as OpenSSL asks. Returns false if the call has failed.
static bool await_tls(struct play_end *end, int result)
{
    int error = tls.SSL_get_error(end->object, result);
    if (error != TLS_WANT_READ && error != TLS_WANT_WRITE)
        return false;
    if (error == TLS_WANT_READ && end->way != BLOCKING)
        wait_readable(end);
    return true;
}

static void dial_tls(struct play_end *end)
{
    int result;
    do {
        if (end->object)
            close_tls(end);
        end->is_client = true;
        end->fd = dial_play();
        if (end->way != BLOCKING)
            CHECK_INT(fcntl(end->fd, F_SETFL, O_NONBLOCK), 0);
        watch_end(end);
        end->object = tls_new_between(end->fd, TLS_1_2, TLS_1_3, false);
        while ((result = tls.SSL_connect(end->object)) != 1 && await_tls(end, result))
            continue;
    } while (result != 1);
}

static int read_once(const struct play_end *end, char *bytes, int length, unsigned how)
{
    size_t got = 0;
    if (how == 0)
        return tls.SSL_read(end->object, bytes, length);
    int result = tls.SSL_read_ex(end->object, bytes, (size_t) length, &got);
    return result > 0 ? (int) got : result;
}

// What SSL_peek shows must be what SSL_read gives.
static int peek_and_read(struct play_end *end, char *bytes, int length)
{
    char shown[RESPONSE];
    size_t count = 0;
    int peeked = draw(&end->state, 2) ? tls.SSL_peek(end->object, shown, length)
                 : tls.SSL_peek_ex(end->object, shown, (size_t) length, &count) > 0 ? (int) count
                                                                                    : 0;
    if (peeked <= 0)
        return read_once(end, bytes, length, 0);
    int pending = tls.SSL_pending(end->object), got = read_once(end, bytes, length, 1);
    CHECK(got > 0 && pending >= 0);
    CHECK(memcmp(bytes, shown, (size_t) (got < peeked ? got : peeked)) == 0);
    return got;
}

static ssize_t read_tls(struct play_end *end, char *bytes, size_t length)
{
    bool first = waits_first(end);
    for (;;) {
        if (first && tls.SSL_pending(end->object) == 0)
            wait_readable(end);
        unsigned how = draw(&end->state, 4);
        int got = how > 1 ? peek_and_read(end, bytes, (int) length) : read_once(end, bytes, (int) length, how);
        if (got > 0)
            return got;
        if (tls.SSL_get_error(end->object, got) == TLS_ZERO_RETURN)
            return 0;
        if (!await_tls(end, got))
            return -1;
        first = false; // await_tls has waited
    }
}

static ssize_t write_tls(struct play_end *end, const char *bytes, size_t length)
{
    size_t put = 0;
    if (draw(&end->state, 2)) {
        int result = tls.SSL_write(end->object, bytes, (int) length);
        return result > 0 ? result : await_tls(end, result) ? 0 : -1;
    }
    int result = tls.SSL_write_ex(end->object, bytes, length, &put);
    return result > 0 ? (ssize_t) put : await_tls(end, result) ? 0 : -1;
}

static void play_tls(bool loops)
{
    static const struct play_transport secure = {
        accept_tls, get_tls, put_tls, reset_tls, dial_tls, read_tls, write_tls, close_tls,
    };
    tls_look_up(tls_library());
    signal(SIGPIPE, SIG_IGN); // of SSL_write
    play(&secure, loops, 5);
}

static void random_play(void)
{
    play_tls(false);
}

static void random_play_in_loops(void)
{
    play_tls(true);
}

// --- a pool of connections

enum { WORK = 8, TOTAL = 1000 };

static _Atomic unsigned served, good;
static _Atomic int work_left = TOTAL;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static SSL *pool[WORK];
static unsigned pooled;

static void *serve_thirds(void *context)
{
    int fd = (int) (intptr_t) context, had = 0;
    char text[200];
    SSL *ssl = tls_new(fd, TLS_1_3, true);
    CHECK_INT(tls.SSL_accept(ssl), 1);
    while (tls.SSL_read(ssl, text + had, 1) == 1) {
        if (++had < 4 || memcmp(text + had - 4, "\r\n\r\n", 4) != 0)
            continue;
        const char *reply = (atomic_fetch_add(&served, 1) + 1) % 3 ? OK : BUSY;
        CHECK_INT(tls.SSL_write(ssl, reply, (int) strlen(reply)), (long) strlen(reply));
        had = 0;
    }
    tls.SSL_free(ssl);
    close(fd);
    return NULL;
}

static SSL *take_connection(void)
{
    SSL *ssl = NULL;
    CHECK_INT(pthread_mutex_lock(&pool_lock), 0);
    if (pooled > 0)
        ssl = pool[--pooled];
    CHECK_INT(pthread_mutex_unlock(&pool_lock), 0);
    if (!ssl) {
        ssl = tls_new(dial_play(), TLS_1_3, false);
        CHECK_INT(tls.SSL_connect(ssl), 1);
    }
    return ssl;
}

static void *work(void *context)
{
    (void) context;
    while (atomic_fetch_sub(&work_left, 1) > 0) {
        SSL *ssl = take_connection();
        char got[200] = "";
        int had = 0, length = (int) strlen(OK);
        CHECK_INT(tls.SSL_write(ssl, GET, (int) strlen(GET)), (long) strlen(GET));
        while (had < length) {
            int some = tls.SSL_read(ssl, got + had, length - had);
            CHECK(some > 0);
            had += some;
        }
        CHECK_TEXT(got, OK);
        good++;
        CHECK_INT(pthread_mutex_lock(&pool_lock), 0);
        pool[pooled++] = ssl;
        CHECK_INT(pthread_mutex_unlock(&pool_lock), 0);
    }
    return NULL;
}

static void threads_with_a_pool_of_connections(void)
{
    pthread_t threads[WORK];
    tls_look_up(tls_library());
    play_port = port_listening();
    start_detached(serve_all, (void *) serve_thirds);
    for (unsigned i = 0; i < WORK; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (unsigned i = 0; i < WORK; i++)
        thread_end(threads[i]);
    CHECK_INT(good, TOTAL);
    CHECK_INT(served - served / 3, TOTAL);
}

static const struct test tests[] = {
    {"random_play", WIRE "retry.base=3ms\nretry.attempts=4\n", random_play},
    {"random_play_in_loops", WIRE "retry.base=3ms\nretry.attempts=4\nhttp.hold=5s\n", random_play_in_loops},
    {"threads_with_a_pool_of_connections", WIRE "retry.base=1ms\nretry.attempts=30\n",
     threads_with_a_pool_of_connections},
};

TEST_MAIN(tests)
