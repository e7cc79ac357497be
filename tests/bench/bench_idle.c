// SPDX-License-Identifier: MIT
// Memory that a program has for itself while it keeps many idle connections on which it has spoken HTTP:
// Private_Clean and Private_Dirty of /proc/self/smaps_rollup, in KiB.
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static const char question[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\ngood\n";

static double private_kib(void *context)
{
    char line[256];
    unsigned long total = 0, kib;
    (void) context;
    FILE *rollup = fopen("/proc/self/smaps_rollup", "r");
    bench_require(rollup != NULL, "/proc/self/smaps_rollup");
    while (fgets(line, sizeof(line), rollup))
        if (sscanf(line, "Private_%*[a-zA-Z]: %lu kB", &kib) == 1 && strncmp(line, "Private_H", 9) != 0)
            total += kib;
    fclose(rollup);
    return (double) total;
}

// Answers one request on each connection, and keeps the connections.
static _Noreturn void serve(int server)
{
    char request[4096];
    int peer;
    while ((peer = accept(server, NULL, NULL)) >= 0)
        if (recv(peer, request, sizeof(request), 0) <= 0 || send(peer, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
            break;
    _exit(1);
}

static void exchange(const struct sockaddr_in *address)
{
    char response[4096];
    struct linger reset = {.l_onoff = 1}; // the end of the process leaves no port in TIME_WAIT
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bench_require(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0, "socket");
    bench_require(connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0, "connect");
    bench_require(send(fd, question, sizeof(question) - 1, 0) == sizeof(question) - 1, "send");
    bench_require(recv(fd, response, sizeof(response), 0) == sizeof(answer) - 1, "recv");
}

int main(int argc, char **argv)
{
    struct sockaddr_in address;
    struct rlimit limit;
    int server = bench_listen(&address);
    bench_require(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    bench_require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    pid_t child = fork();
    if (child == 0)
        serve(server);
    close(server);
    for (long left = argc > 1 ? strtol(argv[1], NULL, 10) : 0; left > 0; left--)
        exchange(&address);
    bench_take_turns(private_kib, NULL);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
