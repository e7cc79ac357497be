// SPDX-License-Identifier: MIT
// Transfers under an open circuit breaker.
#include "web.h"

#define OPENS_AT_2                                                                                                     \
    "[local]\nhosts=127.0.0.1\nretry.attempts=1\nbreaker.window=2\nbreaker.min_calls=2\nbreaker.failure_rate=100%\n"   \
    "breaker.refuse=always\n"

static struct bytes body;

static CURL *open_breaker(void)
{
    web_start();
    CURL *easy = easy_new(web_url("sick/s503"), &body);
    for (int i = 0; i < 2; i++)
        CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("sick"), 2);
    body.length = 0;
    return easy;
}

// Refused at once: 7, a sentence for people, nothing of the transfer before in CURLINFO, no request at the server.
static void refused(void)
{
    char error[CURL_ERROR_SIZE] = "stale", host[64];
    CURL *easy = open_breaker();
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    CHECK_INT(curl_easy_perform(easy), CURLE_COULDNT_CONNECT);
    CHECK_INT(STATUS(easy), 0);
    CHECK_INT(easy_number(easy, CURLINFO_NUM_CONNECTS), 0);
    CHECK_INT((long long) body.length, 0);
    CHECK_INT(web_count("sick"), 2);
    snprintf(host, sizeof(host), "127.0.0.1:%u", ntohs(web_port.address.sin_port));
    CHECK(strstr(error, "circuit breaker") && strstr(error, host));
    CHECK_INT(test_log(REFUSED, "\"reason\":\"breaker\""), 1);
    curl_easy_cleanup(easy);
}

// A hundred refusals neither reach the server nor wait.
static void refused_often(void)
{
    CURL *easy = open_breaker();
    for (int i = 0; i < 100; i++)
        CHECK_INT(curl_easy_perform(easy), CURLE_COULDNT_CONNECT);
    CHECK_INT(test_log(REFUSED, ""), 100);
    CHECK_INT(web_count("sick"), 2);
    curl_easy_cleanup(easy);
}

static void until_it_closes(CURL *easy)
{
    CURLcode code;
    curl_easy_setopt(easy, CURLOPT_URL, web_url("well/ok"));
    while ((code = curl_easy_perform(easy)) == CURLE_COULDNT_CONNECT)
        test_pause();
    CHECK_INT(code, CURLE_OK);
    CHECK_TEXT(body.at, "good well\n");
    CHECK(test_log(REFUSED, "") > 0);
}

// After a refusal the handle works on, with the protocols that libcurl allows by itself ...
static void handle_works_on(void)
{
    CURL *easy = open_breaker();
    until_it_closes(easy);
    curl_easy_cleanup(easy);
}

// ... or those that the program chose, in the old way and the new one.
static void check_protocols(CURL *easy)
{
    char url[600];
    until_it_closes(easy);
    test_write(test_path("file"), "text\n");
    snprintf(url, sizeof(url), "file://%s", test_path("file"));
    curl_easy_setopt(easy, CURLOPT_URL, url);
    CHECK_INT(curl_easy_perform(easy), CURLE_UNSUPPORTED_PROTOCOL);
    curl_easy_cleanup(easy);
}

static void protocols(void)
{
    CURL *easy = open_breaker();
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) CURLPROTO_HTTP);
    check_protocols(easy);
}

static void protocols_text(void)
{
    CURL *easy = open_breaker();
    if (curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http") != CURLE_OK)
        test_skip("this libcurl has no PROTOCOLS_STR");
    check_protocols(easy);
}

// A clone made by the debug callback while libcurl refuses the original's attempt.
struct cloner {
    CURL *copy;
};

static int clone_when_told(CURL *easy, curl_infotype type, char *data, size_t size, void *context)
{
    struct cloner *cloner = context;
    (void) type, (void) data, (void) size;
    if (!cloner->copy)
        cloner->copy = curl_easy_duphandle(easy);
    return 0;
}

// Such a clone has the protocols of the original. No section names localhost, so that nothing refuses the clone's call.
static void clone_of_refused(void)
{
    char url[600];
    struct cloner cloner = {NULL};
    CURL *easy = open_breaker();
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) CURLPROTO_HTTP);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, clone_when_told);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, &cloner);
    CHECK_INT(curl_easy_perform(easy), CURLE_COULDNT_CONNECT);
    CHECK_INT(test_log(REFUSED, ""), 1);
    CHECK(cloner.copy != NULL);
    curl_easy_cleanup(easy);
    curl_easy_setopt(cloner.copy, CURLOPT_URL, host_url("localhost", &web_port, "well/ok"));
    CHECK_INT(curl_easy_perform(cloner.copy), CURLE_OK);
    CHECK_TEXT(body.at, "good well\n");
    test_write(test_path("file"), "text\n");
    snprintf(url, sizeof(url), "file://%s", test_path("file"));
    curl_easy_setopt(cloner.copy, CURLOPT_URL, url);
    CHECK_INT(curl_easy_perform(cloner.copy), CURLE_UNSUPPORTED_PROTOCOL);
    curl_easy_cleanup(cloner.copy);
}

// Retries end when the breaker opens under them, and the response that was held is delivered.
static void ends_retries(void)
{
    web_start();
    CURL *easy = easy_new(web_url("sick/s503"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "status 503\n");
    CHECK_INT(STATUS(easy), 503);
    CHECK_INT(web_count("sick"), 2);
    CHECK_INT(test_log(STOP, "\"reason\":\"breaker\""), 1);
    curl_easy_cleanup(easy);
}

// 404, 429 and the program's own failures say nothing against the host.
static void not_the_hosts_fault(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s404"), &body);
    for (int i = 0; i < 5; i++)
        CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s429"));
    for (int i = 0; i < 5; i++)
        CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("c/ok"));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bytes_refuse);
    for (int i = 0; i < 5; i++)
        CHECK_INT(curl_easy_perform(easy), CURLE_WRITE_ERROR);
    CHECK_INT(web_count("a") + web_count("b") + web_count("c"), 15);
    CHECK_INT(test_log(REFUSED, ""), 0);
    curl_easy_cleanup(easy);
}

// Both kinds of call share the host's breaker.
static void shared_with_connect(void)
{
    CURL *easy = open_breaker();
    CHECK_INT(dial_once(&web_port), ECONNREFUSED);
    CHECK_INT(test_log(REFUSED, "\"api\":\"connect\""), 1);
    curl_easy_cleanup(easy);
}

static const struct test tests[] = {
    {"refused", OPENS_AT_2, refused},
    {"refused_often", OPENS_AT_2 "breaker.open=60s\n", refused_often},
    {"handle_works_on", OPENS_AT_2 "breaker.open=1s\n", handle_works_on},
    {"protocols", OPENS_AT_2 "breaker.open=1s\n", protocols},
    {"protocols_text", OPENS_AT_2 "breaker.open=1s\n", protocols_text},
    {"clone_of_refused", OPENS_AT_2, clone_of_refused},
    {"ends_retries",
     "[local]\nhosts=127.0.0.1\nretry.attempts=9\nretry.base=5ms\nbreaker.window=2\nbreaker.min_calls=2\n"
     "breaker.failure_rate=50%\n",
     ends_retries},
    {"not_the_hosts_fault", OPENS_AT_2, not_the_hosts_fault},
    {"shared_with_connect", OPENS_AT_2, shared_with_connect},
};

TEST_MAIN(tests)
