// SPDX-License-Identifier: MIT
// What a large download costs, in nanoseconds, on a connection that is kept alive: `plain`, or `tagged` with a strong
// entity tag, after which it can be continued if it breaks off, or `ranges` with Accept-Ranges, too.
#include <curl/curl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { PIECE = 256 * 1024, PIECES = 256 }; // 64 MiB

static char piece[PIECE];

static void send_all(int peer, const char *bytes, size_t length)
{
    for (ssize_t sent; length > 0; bytes += sent, length -= (size_t) sent) {
        sent = send(peer, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            _exit(0);
    }
}

// Answers whatever arrives in one piece: libcurl writes a small request in one send.
static _Noreturn void serve(int server, const char *fields)
{
    char request[4096], head[256];
    int peer = accept(server, NULL, NULL);
    int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n", fields, PIECE * PIECES);
    while (recv(peer, request, sizeof request, 0) > 0) {
        send_all(peer, head, (size_t) length);
        for (unsigned i = 0; i < PIECES; i++)
            send_all(peer, piece, PIECE);
    }
    _exit(0);
}

static size_t discard(char *data, size_t size, size_t count, void *user)
{
    (void) data;
    (void) user;
    return size * count;
}

static double batch(void *context)
{
    curl_off_t received = 0;
    uint64_t began = bench_now_ns();
    bench_require(curl_easy_perform(context) == CURLE_OK, "curl_easy_perform");
    double ns = (double) (bench_now_ns() - began);
    curl_easy_getinfo(context, CURLINFO_SIZE_DOWNLOAD_T, &received);
    bench_require(received == PIECE * PIECES, "the whole");
    return ns;
}

static const char *fields_of(const char *kind)
{
    if (strcmp(kind, "plain") == 0)
        return "";
    return strcmp(kind, "ranges") == 0 ? "ETag: \"one\"\r\nAccept-Ranges: bytes\r\n" : "ETag: \"one\"\r\n";
}

int main(int count, char **arguments)
{
    struct sockaddr_in address;
    char url[64];
    int server = bench_listen(&address);
    pid_t child = fork();
    if (child == 0)
        serve(server, fields_of(count > 1 ? arguments[1] : "plain"));
    close(server);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned) ntohs(address.sin_port));
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    bench_take_turns(batch, easy);
    curl_easy_cleanup(easy);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
