// SPDX-License-Identifier: MIT
// faultd: an HTTP/1.1 and raw TCP server on loopback that fails as its script says, and counts what reached it.
//
//   faultd [--host ADDRESS|/PATH] [--port N] [--script STEPS] [--accept STEPS] [--listen-after MS|never]
//
// It prints "control PORT" and then "listening PORT" on stdout when it is ready; SIGTERM ends it.
//
// A script is a row of steps, one for each request of a key. The path of a request brings both: /KEY/STEP/STEP/...;
// the last step goes on for ever. A path without steps (/KEY) takes them from --script, where commas separate them
// (default: ok). A step is a name, perhaps xN for N times, and options: NAME[xN][;OPTION[=VALUE]]...
//
//   s503              a status, with the body "status 503\n"
//   ok                200, with the body "good KEY\n"
//   cut               200 whose body ends early (size 1000, sent half of it unless told otherwise)
//   reset             RST in place of an answer
//   close             FIN in place of an answer
//   cuthead           FIN in the middle of the header block
//   hang              no answer until the client goes away
//   raw               the bytes of text=, then FIN
//
//   text=T            the body; %XX is decoded here and in the values below
//   size=N            a body of N deterministic bytes (pattern.h), with `binary` of all byte values
//   seed=N            other bytes of the same kind
//   gzip              with size=N: those bytes encoded, whoever asks; sent= and ranges count encoded bytes, 23 more or
//   so sent=N            the connection ends after N bytes of this answer's body, with `rst` by RST spread=M with
//   sent=N: after N to N + M - 1 bytes, by the number of the request, the same in every run status=N          for cut:
//   the status after=T           Retry-After: T header=Name:T     a further header line; may repeat chunked,
//   trailer=Name:T interim=103       a 1xx response comes first, gap=MS before the answer delay=MS          waits
//   before it answers trickle=MS waits between two pieces of the body; piece=N is their size (1 unless told otherwise)
//   last              Connection: close early             answers before it reads the request's body etag=T ETag: T,
//   with its quotes: %22x%22, W%2F%22x%22 range             announces Accept-Ranges: bytes and answers the Range of a
//   GET with 206 or 416; If-Range is
//                     compared strongly with etag=. Without `range` a Range is not seen, the answer is a whole 200
//   shift=N           wrong: the 206 begins N bytes after the place that was asked for, and says so
//   upto=N            the 206 ends before byte N of the whole body, and says so
//
// So a download of 1 GiB that breaks about fifty times is one step:
//   cut;range;etag=%22a%22;binary;size=1073741824;sent=10000000;spread=22000000
// and content that changed in between is a second step with another seed= or etag=.
//
// --accept scripts connections in the same way, for what happens before or without HTTP: `http` (the default) serves
// requests, `reset` and `close` end the connection at once, `raw;text=T` greets with T, reads until the peer closes and
// notes the bytes under the key "raw" (with `last` it ends its own side after the greeting), `hang` only reads.
//
// Control requests, answered on both ports and never counted: /_/count/KEY, /_/bytes/KEY (request bodies), /_/log/KEY
// (one line per request: milliseconds, method, path, body bytes, CRC-32 of body and of head), /_/ranges/KEY (one line
// per request: Range and If-Range, "-" without), /_/connections, /_/reset, /_/listen/MS (begin to listen in MS
// milliseconds). A CONNECT request has the key "connect"; once granted, the connection goes on as the tunnel's other
// end.
//
// Until --listen-after has passed the port is bound but refuses; a Unix socket's path does not exist yet.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ledger.h"
#include "script.h"
#include "serve.h"

enum { BACKLOG = 511 };

static const unsigned long never = ~0ul;

struct settings {
    const char *host;
    unsigned port;
    unsigned long listen_after; // ms, or `never`
    struct rb_serve_options serve;
};

static pthread_mutex_t due_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long due; // on rb_ledger_clock: when to listen
static int wake[2];       // a byte here makes the loop look at `due` again

static void listen_in(unsigned after)
{
    pthread_mutex_lock(&due_lock);
    due = rb_ledger_clock() + after;
    pthread_mutex_unlock(&due_lock);
    if (write(wake[1], "", 1) < 0)
        perror("faultd: pipe");
}

static unsigned long due_time(void)
{
    pthread_mutex_lock(&due_lock);
    unsigned long at = due;
    pthread_mutex_unlock(&due_lock);
    return at;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "faultd: %s: %s\n", what, strerror(errno));
    exit(1);
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

// Returns the length of the address, 0 when `host` is none of the three kinds.
static socklen_t make_address(const char *host, unsigned port, union address *address)
{
    memset(address, 0, sizeof(*address));
    if (host[0] == '/' && strlen(host) < sizeof(address->local.sun_path)) {
        address->local.sun_family = AF_UNIX;
        memcpy(address->local.sun_path, host, strlen(host) + 1);
        return sizeof(address->local);
    }
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t) port);
        return sizeof(address->v4);
    }
    if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t) port);
        return sizeof(address->v6);
    }
    return 0;
}

static unsigned bound_port(int fd)
{
    union address address;
    socklen_t length = sizeof(address);
    if (getsockname(fd, &address.any, &length) < 0 || address.any.sa_family == AF_UNIX)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

// A socket bound to host and port that does not listen yet. A Unix socket is bound only when it listens.
static int open_port(const char *host, unsigned port)
{
    union address address;
    int on = 1;
    socklen_t length = make_address(host, port, &address);
    if (length == 0)
        fail(host);
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address.any.sa_family != AF_UNIX && bind(fd, &address.any, length) < 0)
        fail(host);
    return fd;
}

static void begin_listening(int fd, const char *host)
{
    union address address;
    socklen_t length = make_address(host, 0, &address);
    if (address.any.sa_family == AF_UNIX && bind(fd, &address.any, length) < 0)
        fail(host);
    if (listen(fd, BACKLOG) < 0)
        fail("listen");
}

// Takes everything that waits. Accepted sockets do not inherit O_NONBLOCK.
static void take_all(int fd, bool control, const struct rb_serve_options *options)
{
    int peer;
    while ((peer = accept(fd, NULL, NULL)) >= 0)
        if (rb_serve_start(peer, control, options) < 0)
            fail("thread");
}

static int time_left(unsigned long at)
{
    unsigned long now = rb_ledger_clock();
    if (at == never)
        return -1;
    return at > now ? (int) (at - now) : 0;
}

// The main port comes first, so that a control answer counts every connection that was made before it was asked for.
static _Noreturn void run(int port, int control, const struct settings *settings)
{
    bool listening = settings->listen_after == 0;
    for (;;) {
        if (!listening && time_left(due_time()) == 0) {
            begin_listening(port, settings->host);
            listening = true;
        }
        struct pollfd ready[] = {{listening ? port : -1, POLLIN, 0}, {control, POLLIN, 0}, {wake[0], POLLIN, 0}};
        if (poll(ready, 3, listening ? -1 : time_left(due_time())) < 0 && errno != EINTR)
            fail("poll");
        char byte;
        if (ready[2].revents && read(wake[0], &byte, 1) < 0)
            fail("pipe");
        if (listening)
            take_all(port, false, &settings->serve);
        if (ready[1].revents)
            take_all(control, true, &settings->serve);
    }
}

static unsigned long parse_number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > max) {
        fprintf(stderr, "faultd: not a number up to %lu: %s\n", max, text);
        exit(2);
    }
    return value;
}

static void check_script(const char *script)
{
    char bad[256];
    if (rb_script_check(script, ',', bad, sizeof(bad)) < 0) {
        fprintf(stderr, "faultd: no such step: %s\n", bad);
        exit(2);
    }
}

static void parse_options(int argc, char **argv, struct settings *settings)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 'h'},         {"port", required_argument, NULL, 'p'},
        {"script", required_argument, NULL, 's'},       {"accept", required_argument, NULL, 'a'},
        {"listen-after", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0}};
    int choice;
    while ((choice = getopt_long(argc, argv, "", known, NULL)) != -1)
        if (choice == 'h')
            settings->host = optarg;
        else if (choice == 'p')
            settings->port = (unsigned) parse_number(optarg, 65535);
        else if (choice == 's')
            settings->serve.script = optarg;
        else if (choice == 'a')
            settings->serve.accept = optarg;
        else if (choice == 'l')
            settings->listen_after = strcmp(optarg, "never") ? parse_number(optarg, 3600000) : never;
        else
            exit(2);
    if (optind < argc) {
        fprintf(stderr, "faultd: what is '%s'? The usage stands at the top of faultd.c\n", argv[optind]);
        exit(2);
    }
    check_script(settings->serve.script);
    check_script(settings->serve.accept);
}

static void end_quietly(int number)
{
    (void) number;
    _exit(0);
}

int main(int argc, char **argv)
{
    struct settings settings = {.host = "127.0.0.1",
                                .serve = {.script = "ok", .accept = "http", .listen_in = listen_in}};
    parse_options(argc, argv, &settings);
    signal(SIGTERM, end_quietly);
    if (pipe(wake) < 0)
        fail("pipe");
    int port = open_port(settings.host, settings.port);
    int control = open_port("127.0.0.1", 0);
    begin_listening(control, "127.0.0.1");
    due = settings.listen_after == never ? never : rb_ledger_clock() + settings.listen_after;
    if (settings.listen_after == 0)
        begin_listening(port, settings.host);
    printf("control %u\nlistening %u\n", bound_port(control), bound_port(port));
    fflush(stdout);
    run(port, control, &settings);
}
