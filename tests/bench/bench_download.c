// SPDX-License-Identifier: MIT
// What a large download costs, in nanoseconds, on a connection that is kept alive: `plain`, or `tagged` with a strong
// entity tag, after which it can be continued if it breaks off, or `ranges` with Accept-Ranges, too. `cut` is the last
// one, broken off 50 times: the program goes on by itself, at once, unless something mends it; then the waits of 1 ms
// each do not count. Each new connection begins slowly, whoever makes it.
#include <curl/curl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { PIECE = 256 * 1024, CUTS = 50, WAIT_NS = 1000000 };

static const long long WHOLE = 1 << 30;
static char piece[PIECE];
static const char *fields;
static long long part; // after which the connection is cut; 0: never

static void send_all(int peer, const char *bytes, size_t length)
{
    for (ssize_t sent; length > 0; bytes += sent, length -= (size_t) sent) {
        sent = send(peer, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            _exit(0);
    }
}

// Where a request asks to begin: "Range: bytes=N-"; 0 without.
static long long wanted_from(const char *request)
{
    const char *range = strstr(request, "Range: bytes=");
    return range ? atoll(range + 13) : 0;
}

static int write_head(char *head, size_t size, long long from)
{
    if (from == 0)
        return snprintf(head, size, "HTTP/1.1 200 OK\r\n%sContent-Length: %lld\r\n\r\n", fields, WHOLE);
    return snprintf(head, size,
                    "HTTP/1.1 206 OK\r\n%sContent-Length: %lld\r\nContent-Range: bytes %lld-%lld/%lld\r\n\r\n", fields,
                    WHOLE - from, from, WHOLE - 1, WHOLE);
}

// Answers whatever arrives in one piece: libcurl writes a small request in one send.
static void serve_one(int peer)
{
    char request[4096], head[256];
    for (ssize_t got; (got = recv(peer, request, sizeof(request) - 1, 0)) > 0;) {
        request[got] = '\0';
        long long from = wanted_from(request), left = WHOLE - from;
        bool whole = part == 0 || left <= part;
        send_all(peer, head, (size_t) write_head(head, sizeof(head), from));
        for (left = whole ? left : part; left > 0; left -= PIECE)
            send_all(peer, piece, left < PIECE ? (size_t) left : PIECE);
        if (!whole)
            break;
    }
    close(peer);
}

static _Noreturn void serve(int server)
{
    close(STDOUT_FILENO); // a driver that waits for an answer notices when the client ends without one
    for (int peer; (peer = accept(server, NULL, NULL)) >= 0;)
        serve_one(peer);
    _exit(0);
}

// Returns how many bytes of the body have come.
static curl_off_t download_from(CURL *easy, curl_off_t from)
{
    char range[32];
    curl_off_t received = 0;
    snprintf(range, sizeof(range), "%lld-", (long long) from);
    curl_easy_setopt(easy, CURLOPT_RANGE, from > 0 ? range : NULL);
    CURLcode code = curl_easy_perform(easy);
    bench_require(code == CURLE_OK || (part > 0 && code == CURLE_PARTIAL_FILE), "curl_easy_perform");
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    return received;
}

static double batch(void *context)
{
    curl_off_t received = 0;
    unsigned performs = 0;
    uint64_t began = bench_now_ns();
    for (; received < WHOLE; performs++)
        received += download_from(context, received);
    double ns = (double) (bench_now_ns() - began);
    bench_require(received == WHOLE, "the whole");
    return part > 0 && performs == 1 ? ns - (double) CUTS * WAIT_NS : ns;
}

static const char *fields_of(const char *kind)
{
    if (strcmp(kind, "plain") == 0)
        return "";
    return strcmp(kind, "tagged") == 0 ? "ETag: \"one\"\r\n" : "ETag: \"one\"\r\nAccept-Ranges: bytes\r\n";
}

int main(int count, char **arguments)
{
    struct sockaddr_in address;
    char url[64];
    const char *kind = count > 1 ? arguments[1] : "plain";
    int server = bench_listen(&address);
    fields = fields_of(kind);
    part = strcmp(kind, "cut") == 0 ? WHOLE / (CUTS + 1) + 1 : 0;
    pid_t child = fork();
    if (child == 0)
        serve(server);
    close(server);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned) ntohs(address.sin_port));
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bench_discard);
    bench_take_turns(batch, easy);
    curl_easy_cleanup(easy);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
