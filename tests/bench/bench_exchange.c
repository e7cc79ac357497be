// SPDX-License-Identifier: MIT
// What one HTTP exchange costs a program that speaks HTTP itself, in nanoseconds, on a connection that is kept alive:
// by write and read (plain), with a poll before the read (polled), with a response of 100 KB (body), or through OpenSSL
// (tls).
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { SAMPLES = 100, SMALL = 500, BODY = 100 * 1000, VALID_S = 86400 };

static const char question[] = "GET /item?id=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1.0\r\n"
                               "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n";

// One end of the connection.
struct line {
    int fd;
    SSL *ssl;      // NULL: plain
    bool polls;    // poll before each read
    size_t answer; // bytes of a response
};

static ssize_t get(const struct line *line, char *bytes, size_t size)
{
    struct pollfd readable = {.fd = line->fd, .events = POLLIN};
    if (line->polls)
        bench_require(poll(&readable, 1, 30000) == 1, "poll");
    return line->ssl ? SSL_read(line->ssl, bytes, (int) size) : read(line->fd, bytes, size);
}

static void put(const struct line *line, const char *bytes, size_t size)
{
    ssize_t sent = line->ssl ? SSL_write(line->ssl, bytes, (int) size) : write(line->fd, bytes, size);
    bench_require(sent == (ssize_t) size, "write");
}

// --- the server

// Makes a context with a key and a certificate of its own.
static SSL_CTX *server_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S);
    X509_set_pubkey(certificate, key);
    bench_require(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign");
    bench_require(SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1,
                  "certificate");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return context;
}

// Returns a response with a body of `size` bytes.
static char *make_answer(size_t size, size_t *length)
{
    static char answer[BODY + 256];
    int head = snprintf(answer, 256,
                        "HTTP/1.1 200 OK\r\nDate: Tue, 01 Jul 2025 12:00:00 GMT\r\nServer: bench\r\n"
                        "Content-Type: text/plain\r\nContent-Length: %zu\r\nConnection: keep-alive\r\n\r\n",
                        size);
    memset(answer + head, 'x', size);
    *length = (size_t) head + size;
    return answer;
}

// Answers whatever arrives in one piece. Runs in a process without a preloaded library.
static int serve(int server, bool tls, size_t size)
{
    char request[4096];
    size_t length;
    const char *answer = make_answer(size, &length);
    struct line line = {.fd = accept(server, NULL, NULL)};
    if (tls) {
        line.ssl = SSL_new(server_context());
        SSL_set_fd(line.ssl, line.fd);
        bench_require(SSL_accept(line.ssl) == 1, "SSL_accept");
    }
    while (get(&line, request, sizeof(request)) > 0)
        put(&line, answer, length);
    return 0;
}

// Starts the program again as a server on an inherited socket.
static _Noreturn void become_server(int server, const char *kind)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", server);
    unsetenv("LD_PRELOAD");
    execl("/proc/self/exe", "bench_exchange", kind, number, NULL);
    _exit(1);
}

// --- the client

static double batch(void *context)
{
    static char bytes[BODY + 256];
    const struct line *line = context;
    double samples[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t began = bench_now_ns();
        put(line, question, sizeof(question) - 1);
        for (size_t got = 0; got < line->answer;) {
            ssize_t part = get(line, bytes, sizeof(bytes));
            bench_require(part > 0, "read");
            got += (size_t) part;
        }
        samples[i] = (double) (bench_now_ns() - began);
    }
    return bench_median(samples, SAMPLES);
}

static void measure(const struct sockaddr_in *address, struct line *line, bool tls)
{
    line->fd = socket(AF_INET, SOCK_STREAM, 0);
    bench_require(connect(line->fd, (const struct sockaddr *) address, sizeof(*address)) == 0, "connect");
    if (tls) {
        line->ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
        SSL_set_fd(line->ssl, line->fd);
        bench_require(SSL_connect(line->ssl) == 1, "SSL_connect");
    }
    bench_take_turns(batch, line);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    const char *kind = argc > 1 ? argv[1] : "plain";
    bool tls = strcmp(kind, "tls") == 0;
    size_t size = strcmp(kind, "body") == 0 ? BODY : SMALL;
    struct line line = {.polls = strcmp(kind, "polled") == 0};
    if (argc > 2)
        return serve(atoi(argv[2]), tls, size);
    make_answer(size, &line.answer);
    int server = bench_listen(&address);
    pid_t child = fork();
    if (child == 0)
        become_server(server, kind);
    close(server);
    measure(&address, &line, tls);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
