// SPDX-License-Identifier: MIT
// Random play of HTTP clients and a server. The server keeps the bytes of each response. What a client reads must be
// exactly one response to its request, or a prefix of one and the end of the connection. So no byte is lost, doubled or
// reordered, and no response is mixed of two.
//
// A test says by struct play_transport how the bytes travel.
//
// RB_PLAY_S: how long the play lasts, in seconds. RB_PLAY_SEED: the seed of the random choices; the order of threads is
// not repeated. With an empty RB_PRELOAD the test runs without the library, and must pass as well.
#ifndef RB_PRELOAD_PLAY_H
#define RB_PRELOAD_PLAY_H

#include <stdatomic.h>

#include "wire.h"

enum { CLIENTS = 4, RESPONSES = 8, RESPONSE = 1024 };

// How a client waits for bytes. From FIRST_LOOP on: in an epoll.
enum way { BLOCKING, POLL, SELECT, READ_FIRST, TICKS, FIRST_LOOP, LEVEL = FIRST_LOOP, EDGE, ONE_SHOT, WAYS };

// One end of a connection.
struct play_end {
    int fd;
    void *object;   // of the transport
    unsigned state; // of the random numbers
    enum way way;   // of the client
    int loop;       // of the client: its epoll, if the way has one
    bool is_client;
};

// accept: makes the server's end of end->fd; returns false if the client has gone
// get, put: read and write at the server; the number of bytes, or 0 or less at the end
// reset: the server's next close resets the connection
// dial: makes the client's end of a new connection
// read, write: of the client. read returns the number of bytes, 0 at the end of the stream, -1 for a connection that
// was reset; write returns 0 if it must be called again, -1 if the connection has ended close: releases either end
struct play_transport {
    bool (*accept)(struct play_end *end);
    ssize_t (*get)(struct play_end *end, char *bytes, size_t length);
    ssize_t (*put)(struct play_end *end, const char *bytes, size_t length);
    void (*reset)(struct play_end *end);
    void (*dial)(struct play_end *end);
    ssize_t (*read)(struct play_end *end, char *bytes, size_t length);
    ssize_t (*write)(struct play_end *end, const char *bytes, size_t length);
    void (*close)(struct play_end *end);
};

static const struct play_transport *transport;
static bool in_loops;

// A request and the responses that the server has sent.
struct request {
    pthread_mutex_t lock;
    unsigned id; // 0: not in use
    bool post;
    unsigned count;
    struct {
        unsigned status;
        size_t length;
        char text[RESPONSE];
    } responses[RESPONSES];
};

static struct request requests[CLIENTS];
static struct port play_port;
static _Atomic unsigned next_seed;
static uint64_t until_ms;
static unsigned long long finished_requests, repeated_requests;

static unsigned draw(unsigned *state, unsigned below)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

static unsigned new_state(void)
{
    unsigned seed = (atomic_fetch_add(&next_seed, 1) + 1) * 2654435761u;
    return seed ? seed : 1;
}

// --- the server

enum framing { LENGTH, CHUNKED, UNTIL_CLOSE };

// Writes a response. Returns its length.
static size_t make_response(unsigned *state, char *text, unsigned id, unsigned status, enum framing framing)
{
    char body[300];
    size_t used = 0, length = draw(state, sizeof(body));
    for (size_t i = 0; i < length; i++)
        body[i] = (char) ('a' + draw(state, 26));
    if (draw(state, 10) == 0)
        used += (size_t) sprintf(text, "HTTP/1.1 103 Early\r\nLink: %u\r\n\r\n", id);
    used += (size_t) sprintf(text + used, "HTTP/1.1 %u x\r\nId: %u\r\n", status, id);
    if (framing == LENGTH)
        used += (size_t) sprintf(text + used, "Content-Length: %zu\r\n\r\n%.*s", length, (int) length, body);
    else if (framing == UNTIL_CLOSE)
        used += (size_t) sprintf(text + used, "Connection: close\r\n\r\n%.*s", (int) length, body);
    else if (length > 0)
        used += (size_t) sprintf(text + used, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n0\r\n\r\n", length,
                                 (int) length, body);
    else
        used += (size_t) sprintf(text + used, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    return used;
}

// Reads a request. Returns its id; 0: the end.
static unsigned read_request(struct play_end *end, unsigned *client, bool *post)
{
    char text[512];
    size_t length = 0;
    unsigned id = 0, body = 0;
    while (length < sizeof(text) - 1 && transport->get(end, text + length, 1) == 1) {
        text[++length] = '\0';
        if (length < 4 || memcmp(text + length - 4, "\r\n\r\n", 4) != 0)
            continue;
        *post = text[0] == 'P';
        CHECK_INT(sscanf(strchr(text, '/'), "/%u/%u", client, &id), 2);
        const char *field = strstr(text, "Content-Length: ");
        for (body = field ? (unsigned) atoi(field + 16) : 0; body > 0; body--)
            if (transport->get(end, text, 1) != 1)
                return 0;
        return id;
    }
    return 0;
}

// Sends bytes in random pieces.
static void send_pieces(struct play_end *end, const char *text, size_t length)
{
    bool whole = draw(&end->state, 2);
    for (size_t sent = 0, piece; sent < length; sent += piece) {
        piece = whole ? length : 1 + draw(&end->state, 200);
        piece = piece < length - sent ? piece : length - sent;
        if (transport->put(end, text + sent, piece) <= 0)
            return;
        if (!whole && draw(&end->state, 4) == 0)
            test_pause();
    }
}

// Answers one request. Returns false if the connection ends.
static bool answer(struct play_end *end, unsigned client, unsigned id, bool post)
{
    static const unsigned statuses[] = {200, 200, 503, 503, 429, 404, 500};
    unsigned *state = &end->state, how = draw(state, 12);
    enum framing framing = draw(state, 4) ? draw(state, 2) : UNTIL_CLOSE;
    struct request *request = &requests[client];
    size_t length = 0;
    char text[RESPONSE] = "";
    CHECK_INT(pthread_mutex_lock(&request->lock), 0);
    if (request->id != id) { // a signal has ended the read that waited for a repetition
        CHECK(client % 2);
        CHECK_INT(pthread_mutex_unlock(&request->lock), 0);
        return false;
    }
    CHECK(request->count < RESPONSES);
    CHECK(!post || request->count == 0 || request->responses[request->count - 1].status == 429);
    unsigned status = statuses[draw(state, sizeof(statuses) / sizeof(statuses[0]))];
    if (how > 1)
        length = make_response(state, text, id, status, framing);
    memcpy(request->responses[request->count].text, text, length);
    request->responses[request->count].length = length;
    request->responses[request->count++].status = length ? status : 0;
    CHECK_INT(pthread_mutex_unlock(&request->lock), 0);
    if (how == 0 || how == 2)
        transport->reset(end);
    if (how == 2)
        length = draw(state, (unsigned) length); // cut off
    send_pieces(end, text, length);
    return how > 3 && framing != UNTIL_CLOSE;
}

static void *serve_connection(void *context)
{
    struct play_end end = {.fd = (int) (intptr_t) context, .state = new_state()};
    unsigned client, id;
    bool post;
    if (transport->accept(&end))
        while ((id = read_request(&end, &client, &post)) > 0)
            if (!answer(&end, client, id, post))
                break;
    transport->close(&end);
    return NULL;
}

static void start_detached(void *(*run)(void *), void *context)
{
    pthread_t thread;
    pthread_attr_t attributes;
    CHECK_INT(pthread_attr_init(&attributes), 0);
    CHECK_INT(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
    CHECK_INT(pthread_create(&thread, &attributes, run, context), 0);
    pthread_attr_destroy(&attributes);
}

static void *serve_all(void *serve)
{
    for (int fd; (fd = accept4(play_port.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
        start_detached((void *(*) (void *) ) serve, (void *) (intptr_t) fd);
    return NULL;
}

// --- the client

// Registers the connection of an event loop.
static void watch_end(struct play_end *end)
{
    static const uint32_t events[WAYS] = {
        [LEVEL] = EPOLLIN, [EDGE] = EPOLLIN | EPOLLET, [ONE_SHOT] = EPOLLIN | EPOLLONESHOT};
    struct epoll_event event = {.events = events[end->way], .data.ptr = end};
    if (end->way < FIRST_LOOP)
        return;
    end->loop = epoll_create1(EPOLL_CLOEXEC);
    CHECK(end->loop >= 0);
    CHECK_INT(epoll_ctl(end->loop, EPOLL_CTL_ADD, end->fd, &event), 0);
}

static void unwatch_end(const struct play_end *end)
{
    if (end->way >= FIRST_LOOP)
        close(end->loop);
}

static void wait_in_loop(struct play_end *end)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = end};
    if (end->way == ONE_SHOT)
        CHECK_INT(epoll_ctl(end->loop, EPOLL_CTL_MOD, end->fd, &event), 0);
    int ready = epoll_wait(end->loop, &event, 1, -1);
    if (ready < 0)
        CHECK_INT(errno, EINTR);
    else
        CHECK(ready == 1 && event.data.ptr == end);
}

static void wait_readable(struct play_end *end)
{
    struct pollfd p = {.fd = end->fd, .events = POLLIN};
    fd_set reads;
    if (end->way >= FIRST_LOOP) {
        wait_in_loop(end);
    } else if (end->way == SELECT) {
        FD_ZERO(&reads);
        FD_SET(end->fd, &reads);
        if (select(end->fd + 1, &reads, NULL, NULL, NULL) < 0)
            CHECK_INT(errno, EINTR);
    } else if (poll(&p, 1, end->way == TICKS ? 3 : -1) < 0) {
        CHECK_INT(errno, EINTR);
    }
}

// Returns true if the client waits before its first read.
static bool waits_first(const struct play_end *end)
{
    return end->way != BLOCKING && end->way != READ_FIRST && end->way != EDGE;
}

// Returns true if the text is a whole response. *reusable: another request may follow.
static bool is_whole(char *text, size_t length, bool *reusable)
{
    text[length] = '\0';
    *reusable = false;
    for (;;) {
        char *end = strstr(text, "\r\n\r\n"), *field;
        if (!end)
            return false;
        size_t head = (size_t) (end + 4 - text);
        if (memcmp(text + 9, "103", 3) == 0) {
            text += head;
            length -= head;
            continue;
        }
        *reusable = true;
        if ((field = strstr(text, "Content-Length: ")))
            return length >= head + (size_t) atoi(field + 16);
        if (strstr(text, "chunked"))
            return length >= head + 5 && memcmp(text + length - 5, "0\r\n\r\n", 5) == 0;
        *reusable = false;
        return false;
    }
}

static void check_response(struct request *request, const char *text, size_t length, bool whole)
{
    bool found = length == 0;
    CHECK_INT(pthread_mutex_lock(&request->lock), 0);
    for (unsigned i = 0; i < request->count; i++) {
        size_t all = request->responses[i].length;
        found =
            found || ((whole ? length == all : length <= all) && memcmp(text, request->responses[i].text, length) == 0);
    }
    if (!found) {
        dprintf(STDERR_FILENO, "%s response of %zu bytes:\n%.*s\n", whole ? "whole" : "partial", length, (int) length,
                text);
        for (unsigned i = 0; i < request->count; i++)
            dprintf(STDERR_FILENO, "--- sent:\n%.*s\n", (int) request->responses[i].length, request->responses[i].text);
    }
    CHECK(found);
    finished_requests++;
    repeated_requests += request->count > 1;
    request->id = 0;
    request->count = 0;
    CHECK_INT(pthread_mutex_unlock(&request->lock), 0);
}

// Sends a request in pieces. Returns false if the connection has ended.
static bool send_request(struct play_end *end, const struct request *request, unsigned client)
{
    char text[256];
    int length = request->post
                     ? sprintf(text, "POST /%u/%u HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", client, request->id)
                     : sprintf(text, "GET /%u/%u HTTP/1.1\r\nHost: a\r\n\r\n", client, request->id);
    for (int sent = 0; sent < length;) {
        int piece = draw(&end->state, 3) ? length - sent : 1 + (int) draw(&end->state, (unsigned) (length - sent));
        ssize_t put = transport->write(end, text + sent, (size_t) piece);
        if (put < 0)
            return false;
        sent += (int) put;
    }
    return true;
}

// Makes one request. Returns true if the connection can be used again.
static bool exchange(struct play_end *end, unsigned client, unsigned id)
{
    struct request *request = &requests[client];
    char text[RESPONSE + 1];
    size_t length = 0;
    ssize_t got = 1;
    bool whole = false, reusable = false;
    CHECK_INT(pthread_mutex_lock(&request->lock), 0);
    request->id = id;
    request->post = draw(&end->state, 3) == 0;
    CHECK_INT(pthread_mutex_unlock(&request->lock), 0);
    if (!send_request(end, request, client))
        got = 0;
    while (got > 0 && !whole) {
        size_t room = 1 + draw(&end->state, draw(&end->state, 2) ? 8 : 900);
        got = transport->read(end, text + length, room < RESPONSE - length ? room : RESPONSE - length);
        length += got > 0 ? (size_t) got : 0;
        CHECK(length < RESPONSE);
        whole = is_whole(text, length, &reusable);
    }
    check_response(request, text, length, whole);
    return whole && reusable;
}

static void ignore(int number)
{
    (void) number;
}

static void tick_me(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    struct itimerspec every = {{0, 7000000}, {0, 7000000}};
    event._sigev_un._tid = test_thread_id();
    CHECK_INT(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_INT(timer_settime(timer, 0, &every, NULL), 0);
}

static void *play_client(void *context)
{
    unsigned client = (unsigned) (intptr_t) context, id = 1;
    struct play_end end = {.state = new_state()};
    if (client % 2)
        tick_me();
    while (test_now_ms() < until_ms) {
        end.way = in_loops ? FIRST_LOOP + draw(&end.state, WAYS - FIRST_LOOP) : draw(&end.state, FIRST_LOOP);
        transport->dial(&end);
        while (exchange(&end, client, id++) && draw(&end.state, 8))
            continue;
        transport->close(&end);
    }
    return NULL;
}

// Connects, although a signal may come.
static int dial_play(void)
{
    int fd = stream(), result;
    while ((result = dial(fd, &play_port)) < 0 && errno == EINTR)
        test_pause();
    CHECK(result == 0 || errno == EISCONN);
    return fd;
}

// Plays as long as RB_PLAY_S says.
//   loops: the clients wait by epoll
//   least: the fewest repeated requests under the library
static void play(const struct play_transport *how, bool loops, unsigned least)
{
    const char *seconds = getenv("RB_PLAY_S"), *seed = getenv("RB_PLAY_SEED");
    struct sigaction action = {.sa_handler = ignore};
    pthread_t clients[CLIENTS];
    bool alone = !*getenv("RB_PRELOAD");
    unsigned limit_s = seconds ? (unsigned) atoi(seconds) : 3;
    transport = how;
    in_loops = loops;
    next_seed = seed ? (unsigned) atoi(seed) : (unsigned) time(NULL);
    dprintf(STDERR_FILENO, "RB_PLAY_SEED=%u\n", next_seed);
    alarm(limit_s + TEST_LIMIT_S);
    until_ms = test_now_ms() + limit_s * 1000;
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    play_port = port_listening();
    for (unsigned i = 0; i < CLIENTS; i++)
        CHECK_INT(pthread_mutex_init(&requests[i].lock, NULL), 0);
    start_detached(serve_all, (void *) serve_connection);
    for (unsigned i = 0; i < CLIENTS; i++)
        CHECK_INT(pthread_create(&clients[i], NULL, play_client, (void *) (intptr_t) i), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        thread_end(clients[i]);
    CHECK(finished_requests > 20);
    CHECK(alone ? repeated_requests == 0 : repeated_requests >= least);
    dprintf(STDERR_FILENO, "%llu requests, %llu repeated\n", finished_requests, repeated_requests);
}

#endif
