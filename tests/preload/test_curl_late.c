// SPDX-License-Identifier: MIT
// A held response that is delivered after all, because no retry was to be had: late, but as libcurl would.
#include "web.h"

// Retries that the budget never allows: every 503 is held first and delivered late.
#define NO_BUDGET                                                                                                      \
    "[local]\nhosts=127.0.0.1\nretry.attempts=3\nretry.base=5ms\nbreaker=off\nbudget.ratio=0%\nbudget.floor=0/s\n"

static struct bytes body, headers;

static void check_held(const char *key)
{
    CHECK_INT(web_count(key), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"budget\""), 1);
}

static void in_full(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503;size=20000"), &body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, bytes_take);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &headers);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT((long long) body.length, 20000);
    CHECK(strncmp(headers.at, "HTTP/1.1 503 ", 13) == 0);
    CHECK_TEXT(headers.at + headers.length - 4, "\r\n\r\n");
    CHECK_INT(STATUS(easy), 503);
    check_held("a");
    curl_easy_cleanup(easy);
}

// A program that pauses in its write function and goes on from its progress function.
struct pauser {
    CURL *easy;
    unsigned pauses;   // how often it will still pause
    unsigned progress; // progress calls seen while paused
    unsigned resume_after;
    int answer; // of the progress function
    bool paused;
};

static size_t pausing_write(char *data, size_t size, size_t count, void *context)
{
    struct pauser *pauser = context;
    if (pauser->pauses > 0 && body.calls > 0) {
        pauser->pauses--;
        pauser->paused = true;
        pauser->progress = 0;
        return CURL_WRITEFUNC_PAUSE;
    }
    return bytes_take(data, size, count, &body);
}

static int resuming_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct pauser *pauser = context;
    (void) a, (void) b, (void) c, (void) d;
    if (!pauser->paused)
        return 0;
    if (++pauser->progress >= pauser->resume_after) {
        pauser->paused = false;
        CHECK_INT(curl_easy_pause(pauser->easy, CURLPAUSE_CONT), CURLE_OK);
    }
    return pauser->answer;
}

static CURL *pausing_new(struct pauser *pauser, const char *url)
{
    CURL *easy = easy_new(url, &body);
    pauser->easy = easy;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, pausing_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, pauser);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, resuming_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, pauser);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    return easy;
}

// Nothing is lost and nothing comes twice.
static void paused_and_resumed(void)
{
    struct pauser pauser = {.pauses = 2, .resume_after = 3};
    web_start();
    CURL *easy = pausing_new(&pauser, web_url("a/s503;size=3000;chunked;piece=500;trickle=5"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT((long long) body.length, 3000);
    CHECK_INT(pauser.pauses, 0);
    for (size_t i = 0; i < body.length; i++)
        CHECK_INT(body.at[i], i % 64 == 63 ? '\n' : (char) ('A' + (i * 7 + i / 64) % 26));
    check_held("a");
    curl_easy_cleanup(easy);
}

static unsigned seen(const char *text)
{
    unsigned count = 0;
    for (const char *at = body.at; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

// The header goes where the body goes.
static void follow(CURL *easy, void *taker)
{
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, taker);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
}

// The program pauses in the header of a redirect, so several lines follow at once. No redirect is shown twice.
static void paused_in_header(void)
{
    struct pauser pauser = {.pauses = 1, .resume_after = 1};
    web_start();
    CURL *easy = pausing_new(&pauser, web_url("a/s302;header=Location:%20%2Fb%2Fs302%3Bheader=Location:%2520%252Fc"
                                              "%252Fs503%252Fok"));
    follow(easy, &pauser);
    CHECK_INT(pauser.pauses, 0);
    CHECK_INT(web_count("a"), 2);
    CHECK_INT(web_count("c"), 2);
    CHECK_INT(seen("HTTP/1.1 302"), 2);
    CHECK_INT(seen("HTTP/1.1 503"), 0);
    CHECK_INT(seen("good c"), 1);
    curl_easy_cleanup(easy);
}

// Some attempts have an interim response before the redirect that all of them have. The program gets each of them once.
static void interim_in_between(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s302;header=Location:%20%2Fb%2Fs503x2%2Fok/"
                                  "s302x2;interim=103;header=Location:%20%2Fb%2Fs503x2%2Fok"),
                          &body);
    follow(easy, &body);
    CHECK_INT(web_count("a"), 3);
    CHECK_INT(seen("HTTP/1.1 302"), 1);
    CHECK_INT(seen("HTTP/1.1 103"), 1);
    CHECK_INT(seen("HTTP/1.1 503"), 0);
    CHECK_INT(seen("good b"), 1);
    curl_easy_cleanup(easy);
}

// The progress function ends a pause that never ends by itself.
static void paused_and_aborted(void)
{
    struct pauser pauser = {.pauses = 1, .resume_after = 1000000, .answer = 1};
    web_start();
    CURL *easy = pausing_new(&pauser, web_url("a/s503;size=3000;chunked;piece=500;trickle=5"));
    CHECK_INT(curl_easy_perform(easy), CURLE_ABORTED_BY_CALLBACK);
    CHECK_BETWEEN((long long) body.length, 1, 2999);
    check_held("a");
    pauser.paused = false;
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/ok"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK); // nothing of the pause is left
    curl_easy_cleanup(easy);
}

// The program's own time limit ends a pause.
static void paused_and_timed_out(void)
{
    struct pauser pauser = {.pauses = 1, .resume_after = 1000000};
    web_start();
    CURL *easy = pausing_new(&pauser, web_url("a/s503;size=3000;chunked;piece=500;trickle=5"));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 500L);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_OPERATION_TIMEDOUT);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 450, 10000);
    check_held("a");
    curl_easy_cleanup(easy);
}

// A function of the program refuses the held response. Returns libcurl's text of the error.
static const char *check_write_error(CURL *easy)
{
    static char error[CURL_ERROR_SIZE];
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    CHECK_INT(curl_easy_perform(easy), CURLE_WRITE_ERROR);
    check_held("a");
    curl_easy_cleanup(easy);
    return error;
}

// A write function that fails is error 23, late as well as in time.
static void failing_write(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503"), &body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, bytes_refuse);
    CHECK(check_write_error(easy)[0] != '\0');
}

static void failing_header(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503"), &body);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, bytes_refuse);
    CHECK_TEXT(check_write_error(easy), "Failed writing header"); // libcurl's own, up to 8.6
    CHECK_INT((long long) body.length, 0);
}

// The program receives the 200,000 bytes that the server sends (tests/server/pattern.c has their formula).
static void check_large_response(CURL *easy)
{
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT((long long) body.length, 200000);
    for (size_t i = 0; i < body.length; i++)
        CHECK_INT(body.at[i], i % 64 == 63 ? '\n' : (char) ('A' + (i * 7 + i / 64) % 26));
}

// A response that is too large to hold is delivered whole, and there is no retry.
static void overflow(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503;size=200000/ok"), &body);
    check_large_response(easy);
    CHECK_INT(web_count("a"), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"overflow\""), 1);
    curl_easy_cleanup(easy);
}

// The same with a program that pauses while it gets the held part.
static void overflow_paused(void)
{
    struct pauser pauser = {.pauses = 3, .resume_after = 2};
    web_start();
    CURL *easy = pausing_new(&pauser, web_url("a/s503;size=200000"));
    check_large_response(easy);
    CHECK_INT(pauser.pauses, 0);
    curl_easy_cleanup(easy);
}

// Retry-After asks for more than the maximum. The program gets the response at once.
static void after_too_long(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503;after=3600/ok"), &body);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 10000);
    CHECK_TEXT(body.at, "status 503\n");
    CHECK_INT(web_count("a"), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"retry-after\""), 1);
    curl_easy_cleanup(easy);
}

// With FAILONERROR a held response is an error. No body reaches the program.
static void fail_on_error(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503"), &body);
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    CHECK_INT(curl_easy_perform(easy), CURLE_HTTP_RETURNED_ERROR);
    CHECK_INT((long long) body.length, 0);
    check_held("a");
    curl_easy_cleanup(easy);
}

static const struct test tests[] = {
    {"in_full", NO_BUDGET, in_full},
    {"paused_and_resumed", NO_BUDGET, paused_and_resumed},
    {"paused_in_header", LOCAL, paused_in_header},
    {"interim_in_between", LOCAL, interim_in_between},
    {"paused_and_aborted", NO_BUDGET, paused_and_aborted},
    {"paused_and_timed_out", NO_BUDGET, paused_and_timed_out},
    {"failing_write", NO_BUDGET, failing_write},
    {"failing_header", NO_BUDGET, failing_header},
    {"overflow", LOCAL, overflow},
    {"overflow_paused", LOCAL, overflow_paused},
    {"after_too_long", LOCAL, after_too_long},
    {"fail_on_error", NO_BUDGET, fail_on_error},
};

TEST_MAIN(tests)
