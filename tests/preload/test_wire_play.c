// SPDX-License-Identifier: MIT
// HTTP clients and a server on plain sockets: random play, and many threads with one pool of connections.
#include "play.h"

// --- random play

static bool accept_plain(struct play_end *end)
{
    (void) end;
    return true;
}

static ssize_t get_plain(struct play_end *end, char *bytes, size_t length)
{
    return recv(end->fd, bytes, length, 0);
}

static ssize_t put_plain(struct play_end *end, const char *bytes, size_t length)
{
    return send(end->fd, bytes, length, MSG_NOSIGNAL);
}

static void reset_plain(struct play_end *end)
{
    server_reset(end->fd);
}

static void dial_plain(struct play_end *end)
{
    end->fd = dial_play();
    if (end->way != BLOCKING)
        CHECK_INT(fcntl(end->fd, F_SETFL, O_NONBLOCK), 0);
    watch_end(end);
}

// Reads some bytes in one of several ways.
static ssize_t read_plain(struct play_end *end, char *bytes, size_t length)
{
    int fd = end->fd;
    unsigned *state = &end->state;
    bool waits = waits_first(end);
    for (;;) {
        if (waits)
            wait_readable(end);
        waits = end->way != BLOCKING;
        size_t first = length / 2;
        struct iovec parts[] = {{bytes, first}, {NULL, 0}, {bytes + first, length - first}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
        ssize_t got;
        if (draw(state, 4) == 0 && recv(fd, bytes, length, MSG_PEEK) < 0 && errno == ECONNRESET)
            return -1;
        switch (draw(state, 4)) {
        case 0:
            got = readv(fd, parts, 3);
            break;
        case 1:
            got = recvmsg(fd, &message, 0);
            break;
        case 2:
            got = read(fd, bytes, length);
            break;
        default:
            got = recv(fd, bytes, length, 0);
        }
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN) {
            CHECK_INT(errno, ECONNRESET);
            return -1;
        }
    }
}

static ssize_t write_plain(struct play_end *end, const char *bytes, size_t length)
{
    ssize_t put = send(end->fd, bytes, length, MSG_NOSIGNAL);
    return put < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : put;
}

static void close_plain(struct play_end *end)
{
    unwatch_end(end);
    close(end->fd);
}

static const struct play_transport plain = {
    accept_plain, get_plain, put_plain, reset_plain, dial_plain, read_plain, write_plain, close_plain,
};

static void random_play(void)
{
    play(&plain, false, 5);
}

static void random_play_in_loops(void)
{
    play(&plain, true, 5);
}

// --- a pool of connections

enum { WORK = 8, TOTAL = 1000 };

static _Atomic unsigned served, good;
static _Atomic int work_left = TOTAL;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static int pool[WORK];
static unsigned pooled;

static void *serve_thirds(void *context)
{
    int fd = (int) (intptr_t) context;
    while (server_request(fd)) {
        const char *text = (atomic_fetch_add(&served, 1) + 1) % 3 ? OK : BUSY;
        CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), (long) strlen(text));
    }
    close(fd);
    return NULL;
}

static int take_connection(bool shared)
{
    int fd = -1;
    CHECK_INT(pthread_mutex_lock(&pool_lock), 0);
    if (shared && pooled > 0)
        fd = pool[--pooled];
    CHECK_INT(pthread_mutex_unlock(&pool_lock), 0);
    if (fd < 0) {
        fd = stream();
        CHECK_INT(dial(fd, &play_port), 0);
    }
    return fd;
}

static void give_connection(int fd)
{
    CHECK_INT(pthread_mutex_lock(&pool_lock), 0);
    pool[pooled++] = fd;
    CHECK_INT(pthread_mutex_unlock(&pool_lock), 0);
}

static void *work(void *context)
{
    bool shared = context != NULL;
    int fd = shared ? -1 : take_connection(false);
    while (atomic_fetch_sub(&work_left, 1) > 0) {
        int used = shared ? take_connection(true) : fd;
        CHECK_INT(write(used, GET, strlen(GET)), (long) strlen(GET));
        if (good++ % 2)
            CHECK(readable(used, -1) & POLLIN);
        expect(used, OK);
        if (shared)
            give_connection(used);
    }
    return NULL;
}

static void work_together(bool shared)
{
    pthread_t threads[WORK];
    play_port = port_listening();
    start_detached(serve_all, (void *) serve_thirds);
    for (unsigned i = 0; i < WORK; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, work, shared ? &pool : NULL), 0);
    for (unsigned i = 0; i < WORK; i++)
        thread_end(threads[i]);
    CHECK_INT(good, TOTAL);
    CHECK_INT(served - served / 3, TOTAL);
}

static void threads_with_their_own_connections(void)
{
    work_together(false);
}

static void threads_with_a_pool_of_connections(void)
{
    work_together(true);
}

static const struct test tests[] = {
    {"random_play", WIRE "retry.base=3ms\nretry.attempts=4\n", random_play},
    {"random_play_in_loops", WIRE "retry.base=3ms\nretry.attempts=4\nhttp.hold=5s\n", random_play_in_loops},
    {"threads_with_their_own_connections", WIRE "retry.base=1ms\nretry.attempts=30\n",
     threads_with_their_own_connections},
    {"threads_with_a_pool_of_connections", WIRE "retry.base=1ms\nretry.attempts=30\n",
     threads_with_a_pool_of_connections},
};

TEST_MAIN(tests)
