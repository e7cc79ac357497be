// SPDX-License-Identifier: MIT
// The keys socket.*: which options the connections of libcurl have.
#include "keepalive.h"
#include "multi.h"

#define ALL "[default]\n" QUICK "retry.attempts=5\n"

static struct bytes body;

static int socket_of(CURL *easy)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    CHECK_INT(curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd), CURLE_OK);
    CHECK(fd != CURL_SOCKET_BAD);
    return (int) fd;
}

static void perform(CURL *easy)
{
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
}

static CURL *performed(const char *path)
{
    web_start();
    CURL *easy = easy_new(web_url(path), &body);
    perform(easy);
    return easy;
}

static void plain(void)
{
    CURL *easy = performed("a/ok");
    check_options(socket_of(easy), &ours);
    perform(easy); // on the same connection
    check_options(socket_of(easy), &ours);
    CHECK_INT(web_count("a"), 2);
}

static void off(void)
{
    check_untouched(socket_of(performed("a/ok")));
}

static void repeated(void)
{
    check_options(socket_of(performed("a/reset/s503x2/ok")), &ours);
    CHECK_INT(test_log(RECOVERED, ""), 1);
}

// libcurl sets its own options before the program's function is called.
static void set_by_libcurl(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/ok"), &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 50L), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 20L), CURLE_OK);
    perform(easy);
    struct options found = options_of(socket_of(easy));
    CHECK_INT(found.on, 1);
    CHECK_INT(found.idle, 50);
    CHECK_INT(found.interval, 20);
    CHECK(found.count != ours.count);
    CHECK_INT(found.timeout, ours.timeout);
}

struct maker {
    unsigned calls;
    int result;
};

static int make(void *context, curl_socket_t fd, curlsocktype purpose)
{
    struct maker *maker = context;
    CHECK_INT(purpose, CURLSOCKTYPE_IPCXN);
    set_option((int) fd, IPPROTO_TCP, TCP_KEEPIDLE, 500);
    set_option((int) fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 9000);
    maker->calls++;
    return maker->result;
}

static CURL *with_function(const char *url, struct maker *maker)
{
    CURL *easy = easy_new(url, &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, make), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, maker), CURLE_OK);
    return easy;
}

// The program's function is called once for each connection, with its own data. Its options and its result count.
static void set_by_function(void)
{
    struct maker maker = {0, CURL_SOCKOPT_OK}, other = {0, CURL_SOCKOPT_OK};
    web_start();
    CURL *easy = with_function(web_url("a/reset/ok"), &maker);
    perform(easy);
    CHECK_INT(maker.calls, 2);
    check_options(socket_of(easy), &(struct options){1, 500, 10, 3, 9000});
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, &other), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L), CURLE_OK);
    perform(easy);
    CHECK_INT(maker.calls, 2);
    CHECK_INT(other.calls, 1);
    CURL *copy = curl_easy_duphandle(easy);
    perform(copy);
    CHECK_INT(other.calls, 2);
    other.result = CURL_SOCKOPT_ERROR;
    CHECK_INT(curl_easy_perform(easy), CURLE_ABORTED_BY_CALLBACK);
    CHECK_INT(other.calls, 3);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, NULL), CURLE_OK);
    perform(easy);
    CHECK_INT(other.calls, 3);
    check_options(socket_of(easy), &ours);
}

// After a transfer to a host with the keys, the program's function is in force again for one without.
static void next_host(void)
{
    struct maker maker = {0, CURL_SOCKOPT_OK};
    web_start();
    CURL *easy = with_function(web_url("a/ok"), &maker);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_IPRESOLVE, (long) CURL_IPRESOLVE_V4), CURLE_OK);
    perform(easy);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_URL, host_url("localhost", &web_port, "a/ok")), CURLE_OK);
    perform(easy);
    CHECK_INT(maker.calls, 2);
    CHECK_INT(option(socket_of(easy), SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, NULL), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L), CURLE_OK);
    perform(easy);
    CHECK_INT(maker.calls, 2);
    check_untouched(socket_of(easy));
}

static struct curl_slist *names(void)
{
    char first[64], second[64];
    snprintf(first, sizeof(first), "a.test:%u:127.0.0.1", ntohs(web_port.address.sin_port));
    snprintf(second, sizeof(second), "b.test:%u:127.0.0.1", ntohs(web_port.address.sin_port));
    return curl_slist_append(curl_slist_append(NULL, first), second);
}

static CURL *named(const char *host, const char *path)
{
    CURL *easy = easy_new(host_url(host, &web_port, path), &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_RESOLVE, names()), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L), CURLE_OK);
    return easy;
}

// The section of the name in the URL applies, whatever its address.
static void by_name(void)
{
    web_start();
    CURL *first = named("a.test", "a/ok"), *second = named("b.test", "a/ok");
    perform(first);
    check_options(socket_of(first), &ours);
    perform(second);
    check_untouched(socket_of(second));
}

// Behind a redirect, the section of the other host applies.
static void redirected(void)
{
    char path[256];
    web_start();
    const char *hosts[] = {"a.test", "b.test"};
    for (unsigned i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%u/s302;header=Location:http%%3A%%2F%%2F%s%%3A%u%%2Fc%%2Fok", i, hosts[!i],
                 ntohs(web_port.address.sin_port));
        CURL *easy = named(hosts[i], path);
        perform(easy);
        CHECK_INT(easy_number(easy, CURLINFO_REDIRECT_COUNT), 1);
        if (i == 0)
            check_untouched(socket_of(easy));
        else
            check_options(socket_of(easy), &ours);
    }
}

static void in_multi(void)
{
    struct loop loop;
    web_start();
    loop_open(&loop, LOOP_POLL);
    CURL *first = named("a.test", "a/s503/ok"), *second = named("b.test", "a/ok");
    loop_add(&loop, first);
    loop_add(&loop, second);
    loop_run(&loop);
    CHECK_INT(STATUS(first), 200);
    CHECK_INT(STATUS(second), 200);
    check_options(socket_of(first), &ours);
    check_untouched(socket_of(second));
}

static const struct test tests[] = {
    {"plain", ALL BOTH, plain},
    {"off", ALL, off},
    {"without_retries", "[default]\nretry.attempts=1\n" BOTH, plain},
    {"intercept_connect", ALL BOTH "intercept=connect\n", off},
    {"intercept_curl", ALL BOTH "intercept=curl\n", plain},
    {"repeated", ALL BOTH, repeated},
    {"set_by_libcurl", ALL BOTH, set_by_libcurl},
    {"set_by_function", ALL BOTH, set_by_function},
    {"next_host", LOCAL BOTH, next_host},
    {"by_name", ALL "[a]\nhosts=a.test\n" BOTH, by_name},
    {"redirected", ALL "[a]\nhosts=a.test\n" BOTH, redirected},
    {"in_multi", ALL "[a]\nhosts=a.test\n" BOTH, in_multi},
};

TEST_MAIN(tests)
