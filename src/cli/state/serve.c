// SPDX-License-Identifier: MIT
// Serves the metrics over HTTP. One thread handles all connections. Each connection gets one answer. Time and memory of
// a connection are limited. If all places are taken, a new connection replaces the oldest one, so that slow clients
// cannot keep a scrape out.
#include "cli/state/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arithmetic.h"
#include "cli/command.h"
#include "cli/number.h"
#include "cli/say.h"
#include "cli/state/metrics.h"
#include "cli/state/request.h"
#include "real/system.h"

// SEND_BUFFER: bytes of an answer that the kernel keeps for a slow reader.
enum { CLIENTS = 64, HEAD_SIZE = 8192, SEND_BUFFER = 65536, BACKLOG = 128, PORT_MAX = 65535 };

// Limits for the head of the request, the answer, and the end of the connection; and how long no connection is accepted
// after an error that lasts.
enum { HEAD_MS = 5000, ANSWER_MS = 10000, CLOSE_MS = 2000, ACCEPT_PAUSE_MS = 100 };

enum client_state {
    CLIENT_FREE,
    CLIENT_READING, // the head of the request
    CLIENT_WRITING, // the answer
    CLIENT_CLOSING, // the answer is sent; waits for the client's end, because close(2) with unread data can destroy the
                    // answer on its way
};

struct client {
    enum client_state state;
    int fd;
    uint64_t number;   // counts connections: the smallest one is the oldest
    uint64_t until_ms; // end of the current state
    size_t received, sent, length;
    char *answer; // allocated
    bool ready;   // what the state waits for has happened
    char head[HEAD_SIZE];
};

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct server {
    struct rb_state_file *file;
    bool loopback;
    int listener, signals;
    uint64_t accepted;     // number of connections
    uint64_t accept_at_ms; // no connection is accepted before
    uint64_t now_ms;       // when the last poll returned
    struct client list[CLIENTS];
};

// ---- connections ----

// Makes every change of a client's state.
static void client_enter(struct client *client, enum client_state state, uint64_t until_ms)
{
    client->state = state;
    client->until_ms = until_ms;
    if (state != CLIENT_FREE)
        return;
    close(client->fd);
    free(client->answer);
    client->answer = NULL;
}

// Begins the answer. Without memory, drops the connection.
static void client_answer(struct server *server, struct client *client, enum rb_request_status status, bool head_only)
{
    const char *type = "text/plain; charset=utf-8";
    char *body = NULL, date[64];
    size_t length = 0;
    time_t now = time(NULL);
    struct tm utc;
    if (status == RB_REQUEST_OK) {
        enum rb_store_error error = rb_state_file_refresh(server->file);
        bool usable = error == RB_STORE_SOUND || error == RB_STORE_ABSENT;
        body = usable ? rb_metrics_text(server->file, &length) : NULL;
        status = body ? status : RB_REQUEST_ERROR;
        type = body ? RB_METRICS_TYPE : type;
    }
    const char *text = body ? body : rb_request_text(status);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    int made = asprintf(
        &client->answer,
        "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n%s",
        (int) status, rb_request_phrase(status), date, type, strlen(text),
        status == RB_REQUEST_METHOD ? "Allow: GET, HEAD\r\n" : "", head_only ? "" : text);
    free(body);
    client->answer = made < 0 ? NULL : client->answer;
    client->length = made < 0 ? 0 : (size_t) made;
    client->sent = 0;
    client_enter(client, made < 0 ? CLIENT_FREE : CLIENT_WRITING, server->now_ms + ANSWER_MS);
}

static void client_write(struct server *server, struct client *client)
{
    ssize_t sent = send(client->fd, client->answer + client->sent, client->length - client->sent, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        client_enter(client, CLIENT_FREE, 0);
    client->sent += sent > 0 ? (size_t) sent : 0;
    if (client->state == CLIENT_WRITING && client->sent == client->length) {
        shutdown(client->fd, SHUT_WR);
        client_enter(client, CLIENT_CLOSING, server->now_ms + CLOSE_MS);
    }
}

// Receives bytes after the first `kept` ones of the head. Returns false at the end of the connection.
static bool client_take(struct client *client, size_t kept)
{
    ssize_t got = recv(client->fd, client->head + kept, sizeof(client->head) - kept, 0);
    client->received = kept + (got > 0 ? (size_t) got : 0);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void client_read(struct server *server, struct client *client)
{
    bool head_only;
    if (!client_take(client, client->received)) {
        client_enter(client, CLIENT_FREE, 0);
        return;
    }
    enum rb_request_status status = rb_request_judge(client->head, client->received, server->loopback, &head_only);
    if (status == RB_REQUEST_INCOMPLETE && client->received == sizeof(client->head))
        status = RB_REQUEST_TOO_LARGE;
    if (status != RB_REQUEST_INCOMPLETE)
        client_answer(server, client, status, head_only);
}

// Acts on a connection after a wait. Being late ends a state even if the client sends or receives something all the
// time.
static void client_act(struct server *server, struct client *client)
{
    if (client->state == CLIENT_READING && client->ready)
        client_read(server, client);
    else if (client->state == CLIENT_CLOSING && client->ready && !client_take(client, 0))
        client_enter(client, CLIENT_FREE, 0);
    bool late = server->now_ms >= client->until_ms;
    if (client->state == CLIENT_READING && late)
        client_answer(server, client, RB_REQUEST_TIMEOUT, false);
    else if (client->state != CLIENT_FREE && late)
        client_enter(client, CLIENT_FREE, 0);
    if (client->state == CLIENT_WRITING)
        client_write(server, client);
}

// ---- the listener ----

// Returns the oldest connection, or NULL.
static struct client *server_oldest(struct server *server)
{
    struct client *oldest = NULL;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &server->list[i];
        if (client->state != CLIENT_FREE && (!oldest || client->number < oldest->number))
            oldest = client;
    }
    return oldest;
}

// Closes the oldest connection. Returns false if there is none.
static bool server_drop_oldest(struct server *server)
{
    struct client *oldest = server_oldest(server);
    if (oldest)
        client_enter(oldest, CLIENT_FREE, 0);
    return oldest != NULL;
}

// Returns a free place. If there is none, closes the oldest connection.
static struct client *server_free_place(struct server *server)
{
    struct client *place = server_oldest(server); // only used if no place is free
    for (unsigned i = 0; i < CLIENTS; i++)
        if (server->list[i].state == CLIENT_FREE)
            return &server->list[i];
    server_drop_oldest(server);
    return place;
}

// Accepts one connection. Returns false if none waits, or if an error lasts.
static bool server_accept(struct server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
        return true;
    if (fd < 0 && errno != EAGAIN) { // mostly EMFILE
        bool dropped = server_drop_oldest(server);
        server->accept_at_ms = dropped ? 0 : server->now_ms + ACCEPT_PAUSE_MS;
        return dropped;
    }
    if (fd < 0)
        return false;
    struct client *client = server_free_place(server);
    client->fd = fd;
    client->number = server->accepted++;
    client->received = 0;
    client->ready = false;
    client_enter(client, CLIENT_READING, server->now_ms + HEAD_MS);
    return true;
}

// Waits for the signals, a connection, and what the clients wait for. Returns false after a signal. Unused places are
// left out, because poll(2) fails if there are more entries than the process may have descriptors.
static bool server_wait(struct server *server, bool *connection)
{
    struct pollfd events[CLIENTS + 2];
    struct client *clients[CLIENTS + 2];
    nfds_t count = 2;
    uint64_t now_ms = rb_system_now_ms(), until_ms = UINT64_MAX;
    bool paused = now_ms < server->accept_at_ms;
    if (paused)
        until_ms = server->accept_at_ms;
    events[0] = (struct pollfd){.fd = server->signals, .events = POLLIN};
    events[1] = (struct pollfd){.fd = paused ? -1 : server->listener, .events = POLLIN};
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &server->list[i];
        client->ready = false;
        if (client->state == CLIENT_FREE)
            continue;
        short wanted = client->state == CLIENT_WRITING ? POLLOUT : POLLIN;
        until_ms = rb_arithmetic_min(until_ms, client->until_ms);
        clients[count] = client;
        events[count++] = (struct pollfd){.fd = client->fd, .events = wanted};
    }
    int timeout = until_ms == UINT64_MAX ? -1 : (int) rb_arithmetic_sub(until_ms, now_ms);
    bool polled = poll(events, count, timeout) >= 0;
    for (nfds_t i = 2; polled && i < count; i++)
        clients[i]->ready = events[i].revents != 0;
    *connection = polled && events[1].revents;
    server->now_ms = rb_system_now_ms();
    return !polled || !events[0].revents;
}

// Serves until one of the signals arrives. A round accepts at most as many connections as there are places, so each of
// them is read once before another one can replace it.
static void server_loop(struct server *server)
{
    bool connection;
    while (server_wait(server, &connection)) {
        for (unsigned i = 0; i < CLIENTS; i++)
            client_act(server, &server->list[i]);
        for (unsigned i = 0; connection && i < CLIENTS; i++)
            connection = server_accept(server);
    }
    while (server_drop_oldest(server))
        continue;
}

// ---- the place ----

static bool serve_read_address(const char *text, size_t length, union place *place)
{
    char address[INET6_ADDRSTRLEN];
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (bracketed) {
        place->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
        return inet_pton(AF_INET6, address, &place->v6.sin6_addr) == 1;
    }
    return inet_pton(AF_INET, address, &place->v4.sin_addr) == 1;
}

static bool read_place(const char *text, union place *place)
{
    const char *colon = strrchr(text, ':');
    *place = (union place){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    if (colon && !serve_read_address(text, (size_t) (colon - text), place))
        return false;
    uint64_t port;
    const char *end = rb_number_read(colon ? colon + 1 : text, PORT_MAX, &port);
    if (!end || *end)
        return false;
    *(place->any.sa_family == AF_INET6 ? &place->v6.sin6_port : &place->v4.sin_port) = htons((uint16_t) port);
    return true;
}

// Returns the listening socket, or a negative errno. Fills in the port that was chosen.
static int serve_listen(union place *place)
{
    const int on = 1, buffer = SEND_BUFFER;
    bool v6 = place->any.sa_family == AF_INET6;
    socklen_t size = v6 ? sizeof(place->v6) : sizeof(place->v4);
    int fd = socket(place->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)); // the connections inherit it
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    int error = 0;
    if (bind(fd, &place->any, size) != 0 || listen(fd, BACKLOG) != 0 || getsockname(fd, &place->any, &size) != 0)
        error = errno;
    if (error != 0)
        close(fd);
    return error != 0 ? -error : fd;
}

int rb_serve_metrics(struct rb_state_file *file, const char *place_text)
{
    union place place;
    char host[INET6_ADDRSTRLEN + 2], address[INET6_ADDRSTRLEN] = "";
    if (!read_place(place_text, &place))
        return rb_command_misuse(&rb_cmd_metrics,
                                 "cannot listen at '%s'; expected PORT, ADDRESS:PORT or [ADDRESS]:PORT", place_text);
    bool v6 = place.any.sa_family == AF_INET6;
    inet_ntop(place.any.sa_family, v6 ? (const void *) &place.v6.sin6_addr : &place.v4.sin_addr, address,
              sizeof(address));
    snprintf(host, sizeof(host), v6 ? "[%s]" : "%s", address);
    struct server *server = calloc(1, sizeof(*server));
    int listener = server ? serve_listen(&place) : -ENOMEM;
    if (listener < 0) {
        rb_say_error("cannot listen at %s: %s", place_text, strerror(-listener));
        free(server);
        return RB_EXIT_ERRORS;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    server->file = file;
    server->listener = listener;
    server->loopback = rb_request_is_loopback(host, strlen(host));
    server->signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (server->signals < 0)
        sigprocmask(SIG_UNBLOCK, &ends, NULL); // they end the process at once
    if (!server->loopback)
        rb_say_warning("anyone who can connect to %s can read the names of your policies and hosts", host);
    rb_say_note("metrics at http://%s:%u/metrics", host, ntohs(v6 ? place.v6.sin6_port : place.v4.sin_port));
    server_loop(server);
    close(server->signals);
    close(listener);
    free(server);
    return 0;
}
