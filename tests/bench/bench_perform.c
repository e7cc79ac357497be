// SPDX-License-Identifier: MIT
// What one curl_easy_perform costs, in nanoseconds, on a connection that is kept alive, against a server that only
// answers.
#include <curl/curl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { SAMPLES = 100 };

// Answers whatever arrives in one piece: libcurl writes a small request in one send.
static _Noreturn void serve(int server)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\ngood\n";
    char request[4096];
    int peer = accept(server, NULL, NULL);
    while (recv(peer, request, sizeof(request), 0) > 0)
        if (send(peer, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
            break;
    _exit(0);
}

// The first batch opens the connection; the driver throws it away.
static double batch(void *context)
{
    double samples[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t began = bench_now_ns();
        CURLcode code = curl_easy_perform(context);
        samples[i] = (double) (bench_now_ns() - began);
        bench_require(code == CURLE_OK, "curl_easy_perform");
    }
    long connects = 0;
    curl_easy_getinfo(context, CURLINFO_NUM_CONNECTS, &connects);
    bench_require(connects == 0, "the connection was not kept");
    return bench_median(samples, SAMPLES);
}

static void measure(const struct sockaddr_in *address)
{
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned) ntohs(address->sin_port));
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bench_discard);
    bench_take_turns(batch, easy);
    curl_easy_cleanup(easy);
}

int main(void)
{
    struct sockaddr_in address;
    int server = bench_listen(&address);
    pid_t child = fork();
    if (child == 0)
        serve(server);
    close(server);
    measure(&address);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
