// SPDX-License-Identifier: MIT
// Time in a transfer: the program's own limit bounds the whole, its progress function cancels a wait, the policy's
// limits end one attempt.
#include <setjmp.h>

#include "web.h"

static struct bytes body;

static int cancel_after_retry(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    unsigned *calls = context;
    (void) a, (void) b, (void) c, (void) d;
    ++*calls;
    return test_log(RETRY, "") > 0;
}

static int cancel_after_retry_old(void *context, double a, double b, double c, double d)
{
    (void) a, (void) b, (void) c, (void) d;
    return cancel_after_retry(context, 0, 0, 0, 0);
}

static void check_cancelled(CURL *easy)
{
    char error[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_ABORTED_BY_CALLBACK);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 10000); // the wait is 25 s
    CHECK_TEXT(error, "Callback aborted");
    CHECK_INT((long long) body.length, 0);
    CHECK_INT(web_count("a"), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"interrupted\""), 1);
    curl_easy_cleanup(easy);
}

// A progress function that aborts ends the wait between two attempts.
static void cancelled(void)
{
    unsigned calls = 0;
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, cancel_after_retry);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &calls);
    check_cancelled(easy);
}

static void cancelled_the_old_way(void)
{
    unsigned calls = 0;
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_PROGRESSFUNCTION, cancel_after_retry_old);
    curl_easy_setopt(easy, CURLOPT_PROGRESSDATA, &calls);
    check_cancelled(easy);
}

static void clean_up(void *easy)
{
    curl_easy_cleanup(easy);
}

struct performer {
    CURL *easy;
    pthread_t thread;
    _Atomic pid_t id;
};

static void *perform_once(void *context)
{
    struct performer *performer = context;
    performer->id = test_thread_id();
    pthread_cleanup_push(clean_up, performer->easy);
    curl_easy_perform(performer->easy);
    pthread_cleanup_pop(0);
    return NULL;
}

// A thread that is cancelled between two attempts ends at once. Its cleanup handler can clean up the handle.
static void cancelled_thread(void)
{
    struct performer performer = {.id = 0};
    void *result = NULL;
    web_start();
    unsigned before = test_descriptors();
    performer.easy = easy_new(web_url("a/s503/ok"), &body);
    CHECK_INT(pthread_create(&performer.thread, NULL, perform_once, &performer), 0);
    test_await_log(RETRY, "", 1);
    test_await_sleep(performer.id);
    CHECK_INT(pthread_cancel(performer.thread), 0);
    CHECK_INT(pthread_join(performer.thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_INT(web_count("a"), 1);
    CHECK_INT(test_descriptors(), before);
    CURL *easy = easy_new(web_url("b/ok"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_cleanup(easy);
}

static sigjmp_buf outside;

static void leave(int number)
{
    (void) number;
    siglongjmp(outside, 1);
}

static void *send_in_wait(void *context)
{
    const struct performer *performer = context;
    test_await_log(RETRY, "", 1);
    test_await_sleep(performer->id);
    CHECK_INT(kill(getpid(), SIGUSR1), 0);
    return NULL;
}

// The same for a handler that leaves by siglongjmp. Later transfers of the thread are repeated.
static void left_by_jump(void)
{
    struct performer performer = {.id = test_thread_id()};
    struct sigaction action = {.sa_handler = leave};
    sigset_t signals;
    web_start();
    unsigned before = test_descriptors();
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0); // in the thread
    CHECK_INT(pthread_create(&performer.thread, NULL, send_in_wait, &performer), 0);
    CHECK_INT(pthread_sigmask(SIG_UNBLOCK, &signals, NULL), 0);
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    if (sigsetjmp(outside, 1) == 0) {
        curl_easy_perform(easy);
        CHECK(!"the wait is left");
    }
    thread_end(performer.thread);
    curl_easy_cleanup(easy);
    CHECK_INT(test_descriptors(), before);
    CHECK_INT(dial_once(&web_port), 0);
    easy = easy_new(web_url("b/s503;after=1/ok"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("b"), 2);
    curl_easy_cleanup(easy);
}

// CURLOPT_TIMEOUT limits the whole call with all attempts and waits.
static void program_limit(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503;delay=150"), &body);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 500L);
    uint64_t began = test_now_ms();
    CURLcode code = curl_easy_perform(easy);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 300, 5000);
    CHECK(code == CURLE_OK || code == CURLE_OPERATION_TIMEDOUT);
    CHECK_BETWEEN(web_count("a"), 2, 4);
    CHECK(test_log(STOP, "") == 1);
    curl_easy_cleanup(easy);
}

// A server never answers. The last attempt ends at the program's time limit. The next call has the whole limit again.
static void program_limit_in_an_attempt(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503x2;delay=600/hang"), &body);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 1600L);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_OPERATION_TIMEDOUT);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 1500, 2600); // with 1600 ms for the last one alone: 2800
    CHECK_INT(web_count("a"), 3);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/ok;delay=600"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("b"), 1);
    curl_easy_cleanup(easy);
}

// timeout.attempt ends an attempt that hangs. The next attempt follows.
static void attempt_limit(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/hang/ok"), &body);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 250, 10000);
    CHECK_TEXT(body.at, "good a\n");
    CHECK_INT(test_log(RETRY, "\"cause\":\"timeout\""), 1);
    curl_easy_cleanup(easy);
}

// timeout.connect, against a server whose backlog is full.
static void connect_limit(void)
{
    struct port port = port_new();
    int fillers[2];
    port_fill(&port, fillers);
    CURL *easy = easy_new(port_url(&port, ""), &body);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_OPERATION_TIMEDOUT);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 400, 10000);
    CHECK_INT(test_log(RETRY, "\"cause\":\"timeout\""), 1);
    CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), 1);
    curl_easy_cleanup(easy);
}

// The program set no limit, and timeout.total is set. A wait that would end too late does not begin. The program gets
// the last response.
static void total(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503"), &body);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 0, 5000);
    CHECK_TEXT(body.at, "status 503\n");
    CHECK_INT(test_log(STOP, "\"reason\":\"time\""), 1);
    CHECK_BETWEEN(web_count("a"), 1, 5);
    curl_easy_cleanup(easy);
}

// The wait lasts as long as Retry-After asks for, without jitter.
static void retry_after(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503;after=1/ok"), &body);
    uint64_t began = test_now_ms();
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_BETWEEN((long long) (test_now_ms() - began), 1000, 10000);
    CHECK_INT(test_log(RETRY, "\"delay_ms\":1000,"), 1);
    curl_easy_cleanup(easy);
}

#define SLOW "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.base=25s\nretry.cap=25s\nretry.jitter=none\n"

static const struct test tests[] = {
    {"cancelled", SLOW, cancelled},
    {"cancelled_the_old_way", SLOW, cancelled_the_old_way},
    {"cancelled_thread", SLOW, cancelled_thread},
    {"left_by_jump", SLOW, left_by_jump},
    {"program_limit", LOCAL "retry.attempts=100\n", program_limit},
    {"program_limit_in_an_attempt", LOCAL, program_limit_in_an_attempt},
    {"attempt_limit", LOCAL "timeout.attempt=300ms\n", attempt_limit},
    {"connect_limit", LOCAL "retry.attempts=2\ntimeout.connect=200ms\n", connect_limit},
    {"total",
     "[local]\nhosts=127.0.0.1\nretry.attempts=100\nretry.backoff=fixed\nretry.base=60ms\nretry.jitter=none\n"
     "breaker=off\ntimeout.total=200ms\n",
     total},
    {"retry_after", LOCAL, retry_after},
};

TEST_MAIN(tests)
