// SPDX-License-Identifier: MIT
// Open circuit breakers in a multi handle, and those of hosts that a redirect leads to, in both interfaces.
#include <dlfcn.h>

#include "multi.h"

#define OPENS_AT_2                                                                                                     \
    "retry.attempts=1\nbreaker.window=2\nbreaker.min_calls=2\nbreaker.failure_rate=100%\nbreaker.open=1h\n"            \
    "breaker.open_max=10h\nbreaker.refuse=always\n"
#define ALL "[local]\nhosts=127.0.0.1\n" OPENS_AT_2 "[other]\nhosts=localhost\n" OPENS_AT_2

static struct bytes body;
static char error[CURL_ERROR_SIZE];

static const char *url_at(const char *host, const char *path)
{
    static char urls[2][512];
    static unsigned next;
    char *url = urls[next++ % 2];
    snprintf(url, sizeof(urls[0]), "http://%s:%u/%s", host, ntohs(web_port.address.sin_port), path);
    return url;
}

static int connections(void)
{
    char *answer = web_ask("connections");
    int count = atoi(answer);
    free(answer);
    return count;
}

static CURL *open_breaker(const char *host)
{
    CURL *easy = easy_new(url_at(host, "sick/s503"), &body);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    for (int i = 0; i < 2; i++)
        CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("sick"), 2);
    body = (struct bytes){.length = 0};
    return easy;
}

static void check_refused(const char *host)
{
    CHECK(strstr(error, "circuit breaker") && strstr(error, host));
    CHECK_INT((long long) body.length, 0);
}

// As after a fresh failure, and nothing reaches the server.
static void refused(void)
{
    web_start();
    CURL *easy = open_breaker("127.0.0.1");
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct loop loop;
        error[0] = '\0';
        loop_open(&loop, kind);
        int before = connections();
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(connections(), before);
        CHECK_INT(loop.code, CURLE_COULDNT_CONNECT);
        CHECK_INT(STATUS(easy), 0);
        check_refused("127.0.0.1");
        char *type = (char *) "";
        CHECK_INT(curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type), CURLE_OK);
        CHECK(type == NULL);
        CHECK_INT(web_count("sick"), 2);
        CHECK_INT(test_log(REFUSED, ""), kind + 1);
        loop_remove(&loop, easy);
        loop_close(&loop);
    }
    curl_easy_cleanup(easy);
}

// A transfer that waits finds the breaker open when it is due: what it has is its result.
static void opened_meanwhile(void)
{
    struct loop loop;
    web_start();
    loop_open(&loop, LOOP_POLL);
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    loop_add(&loop, easy);
    loop_until_parked(&loop, 1);
    CURL *sick = easy_new(web_url("b/s503"), NULL);
    curl_easy_setopt(sick, CURLOPT_WRITEFUNCTION, bytes_take);
    static struct bytes unused;
    curl_easy_setopt(sick, CURLOPT_WRITEDATA, &unused);
    loop_add(&loop, sick);
    loop_run(&loop);
    CHECK_INT(loop.messages, 2);
    CHECK_TEXT(body.at, "status 503\n");
    CHECK_INT(STATUS(easy), 503);
    CHECK_INT(web_count("a"), 1);
    loop_remove(&loop, easy);
    loop_remove(&loop, sick);
    curl_easy_cleanup(easy);
    curl_easy_cleanup(sick);
    loop_close(&loop);
}

// --- redirects

static CURL *redirecting(const char *key, const char *location)
{
    char path[256], escaped[128] = "";
    for (const char *at = location; *at; at++)
        snprintf(escaped + strlen(escaped), 4, *at == '/' || *at == ':' ? "%%%02X" : "%c", (unsigned) *at);
    snprintf(path, sizeof(path), "%s/s302;header=Location:%s", key, escaped);
    CURL *easy = easy_new(web_url(path), &body);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    error[0] = '\0';
    return easy;
}

static CURLcode perform(CURL *easy, int kind)
{
    struct loop loop;
    if (kind == LOOP_KINDS)
        return curl_easy_perform(easy);
    loop_open(&loop, kind);
    loop_add(&loop, easy);
    loop_run(&loop);
    loop_remove(&loop, easy);
    loop_close(&loop);
    return loop.code;
}

static void redirected(const char *location)
{
    for (int kind = 0; kind <= LOOP_KINDS; kind++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", kind);
        CURL *easy = redirecting(key, location);
        CHECK_INT(perform(easy, kind), CURLE_COULDNT_CONNECT);
        check_refused("localhost");
        CHECK_INT(web_count(key), 1);
        CHECK_INT(web_count("sick"), 2);
        CHECK_INT(test_log(REFUSED, "localhost"), kind + 1);
        curl_easy_setopt(easy, CURLOPT_URL, web_url("well/ok;text=x"));
        CHECK_INT(perform(easy, kind), CURLE_OK);
        CHECK_TEXT(body.at, "x");
        curl_easy_cleanup(easy);
    }
}

static void redirected_to_url(void)
{
    web_start();
    curl_easy_cleanup(open_breaker("localhost"));
    redirected(url_at("localhost", "sick"));
}

// A place without a scheme is in the scheme of the request.
static void redirected_to_host(void)
{
    web_start();
    curl_easy_cleanup(open_breaker("localhost"));
    redirected(url_at("localhost", "sick") + strlen("http:"));
}

// --- a permit that is not used goes back

static void probe_removed(void)
{
    struct loop loop;
    web_start();
    loop_open(&loop, LOOP_POLL);
    CURL *easy = open_breaker("127.0.0.1");
    curl_easy_setopt(easy, CURLOPT_URL, web_url("probe/ok;size=1000;piece=10;trickle=100"));
    for (int i = 0; i < 4; i++) { // half open: one probe at a time, given up without a result; its lease is for long
        loop_add(&loop, easy);
        while (body.length == 0) {
            loop_turn_within(&loop, 5);
            if (loop.messages == 0)
                continue;
            CHECK_INT(loop.code, CURLE_COULDNT_CONNECT); // still open
            loop_remove(&loop, easy);
            loop.added = loop.messages = 0;
            loop_add(&loop, easy);
        }
        loop_remove(&loop, easy);
        if (i % 2) {
            curl_easy_cleanup(easy);
            easy = easy_new(web_url("probe/ok;size=1000;piece=10;trickle=100"), &body);
        }
        loop.added = loop.messages = 0;
        body.length = 0;
        loop_drive(&loop);
    }
    curl_easy_cleanup(easy);
    loop_close(&loop);
}

// --- both libcurls in one process

static CURL *(*plugin_begin)(const char *url);
static void (*plugin_end)(CURL *easy);

// A handle of the other libcurl is left to it: its multi handle is not ours, and ours goes on.
static void foreign(void)
{
    char path[512];
    struct loop loop;
    web_start();
    snprintf(path, sizeof(path), "%s/plugin_gnutls.so",
             getenv("RB_PLUGINS") ? getenv("RB_PLUGINS") : RB_BUILD_DIR "/preload");
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL);
    *(void **) &plugin_begin = dlsym(plugin, "plugin_begin");
    *(void **) &plugin_end = dlsym(plugin, "plugin_end");
    int (*plugin_perform)(CURL *, char *, size_t, long *);
    *(void **) &plugin_perform = dlsym(plugin, "plugin_perform");
    loop_open(&loop, LOOP_POLL);
    CURL *easy = easy_new(web_url("a/s503/ok;text=x"), &body);
    CURL *other = plugin_begin(web_url("b/s503/ok;text=yy"));
    loop_add(&loop, easy);
    loop_until_parked(&loop, 1);
    char text[64];
    long status = 0;
    CHECK_INT(plugin_perform(other, text, sizeof(text), &status), CURLE_OK);
    CHECK_TEXT(text, "yy");
    CHECK_INT(status, 200);
    loop_run(&loop);
    CHECK_TEXT(body.at, "x");
    CHECK_INT(test_log(RECOVERED, ""), 2);
    plugin_end(other);
    loop_end(&loop, easy);
}

static const struct test tests[] = {
    {"refused", ALL, refused},
    {"opened_meanwhile",
     "[local]\nhosts=127.0.0.1\nretry.base=300ms\nretry.jitter=none\nretry.attempts=2\nbreaker.window=2\n"
     "breaker.min_calls=2\nbreaker.failure_rate=100%\nbreaker.open=1h\nbreaker.open_max=10h\nbreaker.refuse=always\n",
     opened_meanwhile},
    {"redirected_to_url", ALL, redirected_to_url},
    {"redirected_to_host", ALL, redirected_to_host},
    {"probe_removed",
     "[local]\nhosts=127.0.0.1\nretry.attempts=1\nbreaker.window=2\nbreaker.min_calls=2\nbreaker.failure_rate=100%\n"
     "breaker.open=50ms\nbreaker.open_max=50ms\nbreaker.refuse=always\nbreaker.probes=1\nbreaker.probe_lease=1h\n",
     probe_removed},
    {"foreign", WAITING("100ms"), foreign},
};

TEST_MAIN(tests)
