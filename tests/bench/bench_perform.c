// SPDX-License-Identifier: MIT
// What one curl_easy_perform costs on a connection that is kept alive, against a server that only answers.
//
// Prints the median in nanoseconds.
#include <curl/curl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { WARM_UP = 50, SAMPLES = 2000 };

// Answers whatever arrives in one piece: libcurl writes a small request in one send.
static _Noreturn void serve(int server)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\ngood\n";
    char request[4096];
    int peer = accept(server, NULL, NULL);
    while (recv(peer, request, sizeof request, 0) > 0)
        if (send(peer, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            break;
    _exit(0);
}

static size_t discard(char *data, size_t size, size_t count, void *user)
{
    (void) data;
    (void) user;
    return size * count;
}

static double measure(const struct sockaddr_in *address)
{
    static double samples[SAMPLES];
    char url[64];
    long connects = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned) ntohs(address->sin_port));
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    for (unsigned i = 0; i < WARM_UP + SAMPLES; i++) {
        uint64_t began = bench_now_ns();
        CURLcode code = curl_easy_perform(easy);
        if (i >= WARM_UP)
            samples[i - WARM_UP] = (double) (bench_now_ns() - began);
        bench_require(code == CURLE_OK, "curl_easy_perform");
    }
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    bench_require(connects == 0, "the connection was not kept");
    curl_easy_cleanup(easy);
    return bench_median(samples, SAMPLES);
}

int main(void)
{
    struct sockaddr_in address;
    bench_pin();
    int server = bench_listen(&address);
    pid_t child = fork();
    if (child == 0)
        serve(server);
    close(server);
    printf("%.0f\n", measure(&address));
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
