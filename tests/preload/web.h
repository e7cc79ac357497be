// SPDX-License-Identifier: MIT
// The faulty server and libcurl transfers for the tests of curl_easy_perform.
#ifndef RB_PRELOAD_WEB_H
#define RB_PRELOAD_WEB_H

#define CURL_DISABLE_DEPRECATION // programs use the old options too
#include <curl/curl.h>
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>

#include "network.h"

static struct port web_port, web_control;

// Starts a faultd for this test; it ends with the test.
static inline void web_start(void)
{
    int ends[2];
    char line[128] = "";
    size_t used = 0;
    const char *server = getenv("RB_FAULTD");
    CHECK_INT(pipe(ends), 0);
    pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        unsetenv("LD_PRELOAD");
        alarm(0);
        execl(server ? server : RB_BUILD_DIR "/faultd", "faultd", (char *) NULL);
        _exit(127);
    }
    close(ends[1]);
    unsigned control = 0, listening = 0;
    while (used < sizeof(line) - 1 && sscanf(line, "control %u listening %u\n", &control, &listening) < 2) {
        ssize_t got = read(ends[0], line + used, sizeof(line) - 1 - used);
        CHECK(got > 0);
        used += (size_t) got;
    }
    close(ends[0]);
    web_port.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t) listening)};
    web_port.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    web_control.address = web_port.address;
    web_control.address.sin_port = htons((uint16_t) control);
}

// A URL of the port under one of its host's names. The text lasts until the fourth call after this one.
static inline const char *host_url(const char *host, const struct port *port, const char *path)
{
    static __thread char urls[4][1024];
    static __thread unsigned next;
    char *url = urls[next++ % 4];
    snprintf(url, sizeof(urls[0]), "http://%s:%u/%s", host, ntohs(port->address.sin_port), path);
    return url;
}

static inline const char *port_url(const struct port *port, const char *path)
{
    return host_url("127.0.0.1", port, path);
}

// The URL of a path of the server: KEY/STEP/STEP...
static inline const char *web_url(const char *path)
{
    return port_url(&web_port, path);
}

// What the server's control port answers, as text for the caller to free.
static inline char *web_ask(const char *path)
{
    char *answer = calloc(1, 65536);
    char request[512];
    size_t used = 0;
    int fd = stream();
    ssize_t got;
    CHECK_INT(dial_bare(fd, &web_control), 0);
    int length = snprintf(request, sizeof(request), "GET /_/%s HTTP/1.0\r\n\r\n", path);
    CHECK_INT(write(fd, request, (size_t) length), length);
    while (used < 65535 && (got = read(fd, answer + used, 65535 - used)) > 0)
        used += (size_t) got;
    close(fd);
    char *body = strstr(answer, "\r\n\r\n");
    CHECK(body != NULL);
    memmove(answer, body + 4, strlen(body + 4) + 1);
    return answer;
}

// How many requests of a key reached the server.
static inline int web_count(const char *key)
{
    char path[256];
    snprintf(path, sizeof(path), "count/%s", key);
    char *answer = web_ask(path);
    int count = atoi(answer);
    free(answer);
    return count;
}

// --- transfers

// Bytes that callbacks received.
struct bytes {
    char at[300000];
    size_t length;
    unsigned calls;
};

static inline size_t bytes_take(char *data, size_t size, size_t count, void *context)
{
    struct bytes *bytes = context;
    size_t length = size * count;
    CHECK(bytes->length + length < sizeof(bytes->at));
    memcpy(bytes->at + bytes->length, data, length);
    bytes->length += length;
    bytes->at[bytes->length] = '\0';
    bytes->calls++;
    return length;
}

// A write function that fails.
static inline size_t bytes_refuse(char *data, size_t size, size_t count, void *context)
{
    (void) data, (void) size, (void) count, (void) context;
    return 0;
}

static inline CURL *easy_new(const char *url, struct bytes *body)
{
    CURL *easy = curl_easy_init();
    CHECK(easy != NULL);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_URL, url), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_PROXY, ""), CURLE_OK);
    if (body) {
        *body = (struct bytes){.length = 0};
        CHECK_INT(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bytes_take), CURLE_OK);
        CHECK_INT(curl_easy_setopt(easy, CURLOPT_WRITEDATA, body), CURLE_OK);
    }
    return easy;
}

static inline long easy_number(CURL *easy, CURLINFO info)
{
    long number = -1;
    CHECK_INT(curl_easy_getinfo(easy, info, &number), CURLE_OK);
    return number;
}

#define STATUS(easy) easy_number(easy, CURLINFO_RESPONSE_CODE)

// Policies of most of these tests.
#define QUICK "retry.backoff=fixed\nretry.base=5ms\nretry.jitter=none\nbreaker=off\nbudget.floor=1000/s\n"
#define LOCAL "[local]\nhosts=127.0.0.1\n" QUICK

#endif
