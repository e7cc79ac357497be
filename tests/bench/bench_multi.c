// SPDX-License-Identifier: MIT
// What a thousand transfers in one multi handle cost, in nanoseconds each, on a few connections that are kept alive.
#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { TRANSFERS = 1000, CONNECTIONS = 16 };

static void answer(struct pollfd *peer)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\ngood\n";
    char request[4096];
    if (recv(peer->fd, request, sizeof(request), 0) > 0 && send(peer->fd, text, sizeof(text) - 1, MSG_NOSIGNAL) > 0)
        return;
    close(peer->fd);
    peer->fd = -1;
}

static void welcome(struct pollfd *peers, int server)
{
    int peer = accept(server, NULL, NULL);
    for (unsigned i = 1; i <= CONNECTIONS; i++)
        if (peers[i].fd < 0) {
            peers[i] = (struct pollfd){.fd = peer, .events = POLLIN};
            return;
        }
    close(peer);
}

static _Noreturn void serve(int server)
{
    struct pollfd peers[CONNECTIONS + 1] = {{.fd = server, .events = POLLIN}};
    for (unsigned i = 1; i <= CONNECTIONS; i++)
        peers[i].fd = -1;
    while (poll(peers, CONNECTIONS + 1, -1) > 0) {
        if (peers[0].revents)
            welcome(peers, server);
        for (unsigned i = 1; i <= CONNECTIONS; i++)
            if (peers[i].fd >= 0 && peers[i].revents)
                answer(&peers[i]);
    }
    _exit(0);
}

struct bench {
    CURLM *multi;
    CURL *easies[TRANSFERS];
};

static unsigned count_done(CURLM *multi)
{
    unsigned done = 0;
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)); done++)
        bench_require(message->msg == CURLMSG_DONE && message->data.result == CURLE_OK, "a transfer");
    return done;
}

static double batch(void *context)
{
    struct bench *bench = context;
    int running = 1;
    unsigned done = 0;
    uint64_t began = bench_now_ns();
    for (unsigned i = 0; i < TRANSFERS; i++)
        curl_multi_add_handle(bench->multi, bench->easies[i]);
    while (running > 0) {
        bench_require(curl_multi_perform(bench->multi, &running) == CURLM_OK, "curl_multi_perform");
        done += count_done(bench->multi);
        if (running > 0)
            curl_multi_poll(bench->multi, NULL, 0, 1000, NULL);
    }
    for (unsigned i = 0; i < TRANSFERS; i++)
        curl_multi_remove_handle(bench->multi, bench->easies[i]);
    bench_require(done == TRANSFERS, "all transfers");
    return (double) (bench_now_ns() - began) / TRANSFERS;
}

int main(void)
{
    static struct bench bench;
    struct sockaddr_in address;
    char url[64];
    int server = bench_listen(&address);
    pid_t child = fork();
    if (child == 0)
        serve(server);
    close(server);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned) ntohs(address.sin_port));
    bench.multi = curl_multi_init();
    curl_multi_setopt(bench.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) CONNECTIONS);
    for (unsigned i = 0; i < TRANSFERS; i++) {
        bench.easies[i] = curl_easy_init();
        curl_easy_setopt(bench.easies[i], CURLOPT_URL, url);
        curl_easy_setopt(bench.easies[i], CURLOPT_WRITEFUNCTION, bench_discard);
    }
    bench_take_turns(batch, &bench);
    for (unsigned i = 0; i < TRANSFERS; i++)
        curl_easy_cleanup(bench.easies[i]);
    curl_multi_cleanup(bench.multi);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
