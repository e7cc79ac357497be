// SPDX-License-Identifier: MIT
// Notifications of a multi handle (libcurl 8.17): of transfers that have ended for the program, and of nothing else.
#include "multi.h"

enum { INFO_READ = 0, EASY_DONE = 1, OF_FUNCTION = 20018, OF_DATA = 10019 };

extern CURLMcode curl_multi_notify_enable(CURLM *multi, unsigned int kind) __attribute__((weak));

static const char again[] = WAITING("20ms");
static const char guarded[] = "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.base=100ms\nretry.jitter=none\n"
                              "retry.attempts=9\nbreaker.window=4\nbreaker.min_calls=2\nbudget.floor=1000/s\n";

// What a program that reads its messages only when it is notified gets to know.
struct told {
    CURLM *multi;
    unsigned news, done, messages;
    CURL *next; // to be added when a message has been read
};

static void on_notify(CURLM *multi, unsigned int kind, CURL *easy, void *context)
{
    struct told *told = context;
    CURLMsg *message;
    int left;
    CHECK(multi == told->multi);
    told->done += kind == EASY_DONE && easy != NULL;
    told->news += kind == INFO_READ;
    while (kind == INFO_READ && (message = curl_multi_info_read(multi, &left))) {
        told->messages++;
        CHECK_INT(curl_multi_remove_handle(multi, message->easy_handle), CURLM_OK);
        if (told->next)
            CHECK_INT(curl_multi_add_handle(multi, told->next), CURLM_OK);
        told->next = NULL;
    }
}

static CURLM *open_told(struct told *told)
{
    *told = (struct told){.multi = curl_multi_init()};
    CHECK(told->multi != NULL);
    if (curl_multi_setopt(told->multi, (CURLMoption) OF_FUNCTION, on_notify) == CURLM_UNKNOWN_OPTION) {
        if (curl_multi_notify_enable)
            CHECK(curl_multi_notify_enable(told->multi, INFO_READ) != CURLM_OK);
        CHECK_INT(curl_multi_setopt(told->multi, (CURLMoption) OF_DATA, told), CURLM_UNKNOWN_OPTION);
        test_skip("this libcurl has no notifications");
    }
    CHECK_INT(curl_multi_setopt(told->multi, (CURLMoption) OF_DATA, told), CURLM_OK);
    CHECK_INT(curl_multi_notify_enable(told->multi, INFO_READ), CURLM_OK);
    CHECK_INT(curl_multi_notify_enable(told->multi, EASY_DONE), CURLM_OK);
    return told->multi;
}

static void drive(CURLM *multi)
{
    int running = 1;
    while (running > 0) {
        CHECK_INT(curl_multi_perform(multi, &running), CURLM_OK);
        if (running > 0)
            CHECK_INT(curl_multi_poll(multi, NULL, 0, LOOP_WAIT_MS, NULL), CURLM_OK);
    }
}

static void check(const struct told *told, unsigned transfers)
{
    CHECK_INT(told->done, transfers);
    CHECK_INT(told->messages, transfers);
    CHECK(told->news >= 1 && told->news <= transfers);
    CHECK_INT(curl_multi_cleanup(told->multi), CURLM_OK);
}

static struct bytes body, other;

static void after_statuses(void)
{
    struct told told;
    CURLM *multi = open_told(&told);
    web_start();
    CURL *easy = easy_new(web_url("k/s503x2/ok;text=x"), &body);
    CHECK_INT(curl_multi_add_handle(multi, easy), CURLM_OK);
    drive(multi);
    CHECK_TEXT(body.at, "x");
    CHECK_INT(web_count("k"), 3);
    CHECK_INT(told.news, 1);
    check(&told, 1);
    curl_easy_cleanup(easy);
}

// Drives two transfers. The program adds the second one at the start, or else the callback adds it.
static void check_two(const char *first_path, const char *second_path, bool at_the_start)
{
    struct told told;
    CURLM *multi = open_told(&told);
    web_start();
    CURL *first = easy_new(web_url(first_path), &body), *second = easy_new(web_url(second_path), &other);
    CHECK_INT(curl_multi_add_handle(multi, first), CURLM_OK);
    if (at_the_start)
        CHECK_INT(curl_multi_add_handle(multi, second), CURLM_OK);
    else
        told.next = second;
    drive(multi);
    check(&told, 2);
    curl_easy_cleanup(first);
    curl_easy_cleanup(second);
}

// The first transfer opens the breaker. That ends the second one in its wait, and libcurl does not know of the end.
static void refused_in_its_wait(void)
{
    check_two("k/s503x9", "l/s503x9", true);
}

static void added_from_the_callback(void)
{
    check_two("k/s503/ok;text=x", "l/s503/ok;text=y", false);
    CHECK_TEXT(other.at, "y");
}

static const struct test tests[] = {
    {"after_statuses", again, after_statuses},
    {"refused_in_its_wait", guarded, refused_in_its_wait},
    {"added_from_the_callback", again, added_from_the_callback},
};

TEST_MAIN(tests)
