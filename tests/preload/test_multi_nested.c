// SPDX-License-Identifier: MIT
// Calls from within callbacks of a transfer in a multi handle: libcurl refuses them. It must be the same where the
// library calls the program between two attempts and after the last one.
#include "multi.h"

static struct bytes body, other;
static bool parked_seen;

// What the calls of one callback answered.
struct answers {
    int removed_self, removed_other, added_self, added_other, performed, acted, waited, timeout, cleaned, repeated;
    bool message;
};

static struct {
    struct loop *loop;
    CURL *self, *other, *outside; // this one, another of the multi handle, one that is in none
    unsigned calls;
    struct answers answers;
} nest;

static void call_all(void)
{
    int count = 0;
    long timeout_ms = -1;
    CURLM *multi = nest.loop->multi;
    struct answers *answers = &nest.answers;
    nest.calls++;
    answers->removed_self = curl_multi_remove_handle(multi, nest.self);
    answers->removed_other = curl_multi_remove_handle(multi, nest.other);
    answers->added_self = curl_multi_add_handle(multi, nest.self);
    answers->added_other = curl_multi_add_handle(multi, nest.outside);
    answers->performed = curl_multi_perform(multi, &count);
    answers->acted = curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &count);
    answers->waited = curl_multi_wait(multi, NULL, 0, 0, &count);
    answers->timeout = curl_multi_timeout(multi, &timeout_ms);
    answers->cleaned = curl_multi_cleanup(multi);
    answers->repeated = curl_easy_perform(nest.self);
    answers->message = curl_multi_info_read(multi, &count) != NULL;
}

static size_t nesting_write(char *data, size_t size, size_t count, void *context)
{
    call_all();
    return bytes_take(data, size, count, context);
}

static int nesting_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void) context, (void) a, (void) b, (void) c, (void) d;
    if (test_log(RETRY, "") > 0 && parked_seen)
        call_all();
    return 0;
}

// Runs `url` with another transfer beside it, whose callback calls everything.
static struct answers run(enum loop_kind kind, const char *url, bool by_progress, const char *other_path)
{
    struct loop loop;
    loop_open(&loop, kind);
    nest.loop = &loop;
    nest.calls = 0;
    nest.self = easy_new(url, &body);
    nest.other = easy_new(web_url(other_path), &other);
    nest.outside = easy_new("http://127.0.0.2:1/", NULL);
    if (by_progress) {
        curl_easy_setopt(nest.self, CURLOPT_XFERINFOFUNCTION, nesting_progress);
        curl_easy_setopt(nest.self, CURLOPT_NOPROGRESS, 0L);
    } else {
        curl_easy_setopt(nest.self, CURLOPT_WRITEFUNCTION, nesting_write);
    }
    loop_add(&loop, nest.other);
    loop_add(&loop, nest.self);
    loop_drive(&loop);
    loop_read(&loop);
    while (loop.messages < 1 || loop.last != nest.self) {
        parked_seen = test_log(RETRY, "") > 0;
        loop_turn_within(&loop, 50);
    }
    CHECK(nest.calls > 0);
    CHECK_INT(loop.code, CURLE_OK);
    loop_remove(&loop, nest.self);
    loop_remove(&loop, nest.other);
    loop_close(&loop);
    curl_easy_cleanup(nest.self);
    curl_easy_cleanup(nest.other);
    curl_easy_cleanup(nest.outside);
    return nest.answers;
}

static void check_same(struct answers actual, struct answers expected)
{
    CHECK_INT(actual.removed_self, expected.removed_self);
    CHECK_INT(actual.removed_other, expected.removed_other);
    CHECK_INT(actual.added_self, expected.added_self);
    CHECK_INT(actual.added_other, expected.added_other);
    CHECK_INT(actual.performed, expected.performed);
    CHECK_INT(actual.acted, expected.acted);
    CHECK_INT(actual.waited, expected.waited);
    CHECK_INT(actual.timeout, expected.timeout);
    CHECK_INT(actual.cleaned, expected.cleaned);
    CHECK_INT(actual.repeated, expected.repeated);
    CHECK_INT(actual.message, expected.message);
}

// A URL of a host that no section names: libcurl answers without the library.
static const char *bare_url(const char *path)
{
    return host_url("localhost", &web_port, path);
}

// The callback runs within libcurl. Another transfer waits, and its wait ends during the call.
static void in_libcurl(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct answers expected = run(kind, bare_url("a/ok;text=x"), false, "o/hang");
        check_same(run(kind, web_url("b/ok;text=x"), false, "o/hang"), expected);
        check_same(run(kind, web_url("c/ok;text=abcdef;trickle=10"), false, "p/s503x100/ok"), expected);
    }
}

// The callback runs while a held response is delivered.
static void delivered_late(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct answers expected = run(kind, bare_url("a/s503"), false, "o/hang");
        check_same(run(kind, web_url("b/s503;size=3000"), false, "o/hang"), expected);
        CHECK_INT((long long) body.length, 3000);
    }
}

// The calls come from the progress callback of a transfer that waits.
static void waiting(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64];
        test_write(test_path("log"), "");
        snprintf(path, sizeof(path), "w%d/s503/ok;text=x", kind);
        struct answers under = run(kind, web_url(path), true, "o/hang");
        CHECK_TEXT(body.at, "x");
        parked_seen = true;
        test_write(test_path("log"), RETRY "\n");
        check_same(under, run(kind, bare_url("a/ok;trickle=10;text=abcdef"), true, "o/hang"));
    }
}

// The same in the easy interface: a transfer cannot be begun in the middle of itself.
static CURL *easy_self;
static int easy_answer, pause_answer;

static int easy_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void) context, (void) a, (void) b, (void) c, (void) d;
    if (test_log(RETRY, "") != 1)
        return 0;
    easy_answer = curl_easy_perform(easy_self);
    pause_answer = curl_easy_pause(easy_self, CURLPAUSE_CONT);
    return 0;
}

static void easy_waiting(void)
{
    web_start();
    easy_answer = -1;
    easy_self = easy_new(web_url("a/s503/ok;text=x"), &body);
    curl_easy_setopt(easy_self, CURLOPT_XFERINFOFUNCTION, easy_progress);
    curl_easy_setopt(easy_self, CURLOPT_NOPROGRESS, 0L);
    CHECK_INT(curl_easy_perform(easy_self), CURLE_OK);
    CHECK_INT(pause_answer, CURLE_OK);
    CHECK(easy_answer == CURLE_FAILED_INIT || easy_answer == CURLE_RECURSIVE_API_CALL);
    CHECK_TEXT(body.at, "x");
    CHECK_INT(web_count("a"), 2);
    curl_easy_cleanup(easy_self);
}

#define NO_BUDGET                                                                                                      \
    "[local]\nhosts=127.0.0.1\nretry.attempts=3\nretry.base=5ms\nbreaker=off\nbudget.ratio=0%\nbudget.floor=0/s\n"

static const struct test tests[] = {
    {"in_libcurl", LOCAL "retry.attempts=100\n", in_libcurl},
    {"delivered_late", NO_BUDGET, delivered_late},
    {"waiting", WAITING("500ms"), waiting},
    {"easy_waiting", WAITING("300ms"), easy_waiting},
};

TEST_MAIN(tests)
