// SPDX-License-Identifier: MIT
// What programs may do with a handle that waits outside its multi handle, or whose delivery is paused: as with one that
// is running.
#include "multi.h"

static struct bytes body, other;

// A transfer that waits for an hour.
static CURL *park(struct loop *loop, enum loop_kind kind, const char *path)
{
    loop_open(loop, kind);
    CURL *easy = easy_new(web_url(path), &body);
    loop_add(loop, easy);
    loop_until_parked(loop, 1);
    CHECK_INT(loop->running, 1);
    return easy;
}

static void removed(void)
{
    struct loop loop;
    web_start();
    CURL *easy = park(&loop, LOOP_POLL, "a/s503/ok;text=x");
    loop_remove(&loop, easy);
    loop.added = 0;
    loop_drive(&loop);
    loop_read(&loop);
    CHECK_INT(curl_multi_remove_handle(loop.multi, easy), CURLM_OK); // as libcurl answers for one that is nowhere
    CHECK_INT((long long) body.length, 0);
    loop_add(&loop, easy);
    loop_run(&loop);
    CHECK_TEXT(body.at, "x");
    loop_remove(&loop, easy);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_cleanup(easy);
    loop_close(&loop);
}

static void added_again(void)
{
    struct loop loop, second;
    web_start();
    CURL *easy = park(&loop, LOOP_POLL, "a/s503/ok;text=x");
    loop_open(&second, LOOP_POLL);
    CHECK_INT(curl_multi_add_handle(loop.multi, easy), CURLM_ADDED_ALREADY);
    CHECK_INT(curl_multi_add_handle(second.multi, easy), CURLM_ADDED_ALREADY);
    CHECK_INT(curl_easy_perform(easy), CURLE_FAILED_INIT);
    loop_drive(&loop);
    loop_read(&loop);
    loop_remove(&loop, easy);
    loop_close(&loop);
    loop_add(&second, easy);
    loop_run(&second);
    CHECK_TEXT(body.at, "x");
    loop_end(&second, easy);
}

// The answer for a handle that runs in another multi handle.
static void removed_from_another(void)
{
    struct loop loop, second;
    web_start();
    CURL *bare = easy_new(web_url("b/hang"), &other);
    loop_open(&second, LOOP_POLL);
    loop_add(&second, bare);
    loop_drive(&second);
    CURL *easy = park(&loop, LOOP_POLL, "a/s503/ok;text=x");
    CURLMcode running = curl_multi_remove_handle(loop.multi, bare);
    CHECK_INT(curl_multi_remove_handle(second.multi, easy), running);
    loop_drive(&loop);
    CHECK_INT(loop.running, 1);
    loop_remove(&loop, easy);
    loop_remove(&second, bare);
    curl_easy_cleanup(bare);
    curl_easy_cleanup(easy);
    loop_close(&loop);
    loop_close(&second);
}

static void cleaned_up(void)
{
    struct loop loop;
    web_start();
    CURL *easy = park(&loop, LOOP_ACTION, "a/s503/ok");
    curl_easy_cleanup(easy);
    loop.added = 0;
    loop_drive(&loop);
    loop_read(&loop);
    loop_close(&loop);
}

static void multi_cleaned_up(void)
{
    struct loop loop;
    web_start();
    CURL *easy = park(&loop, LOOP_ACTION, "a/s503/ok;text=x");
    loop_close(&loop);
    CHECK_INT((long long) body.length, 0);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "x");
    curl_easy_cleanup(easy);
}

// A handle whose message was not read takes it along.
static void removed_unread(void)
{
    struct loop loop;
    int left;
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64];
        snprintf(path, sizeof(path), "k%d/s503", kind);
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        loop_add(&loop, easy);
        while (loop.running || test_log(STOP, "") <= (unsigned) kind) {
            CHECK_INT(curl_multi_perform(loop.multi, &loop.running), CURLM_OK);
            test_pause();
        }
        loop_remove(&loop, easy);
        CHECK(curl_multi_info_read(loop.multi, &left) == NULL);
        curl_easy_cleanup(easy);
        loop_close(&loop);
    }
}

// Many of them waiting, removed in another order than they came.
static void removed_in_any_order(void)
{
    enum { COUNT = 30 };
    CURL *easies[COUNT];
    struct loop loop;
    web_start();
    loop_open(&loop, LOOP_POLL);
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        snprintf(path, sizeof(path), "r%d/s503/ok", i);
        easies[i] = easy_new(web_url(path), &body);
        loop_add(&loop, easies[i]);
    }
    loop_until_parked(&loop, COUNT);
    for (int i = 0; i < COUNT; i++) {
        int at = i * 7 % COUNT;
        if (i % 2)
            loop_remove(&loop, easies[at]);
        curl_easy_cleanup(easies[at]);
        loop.added--;
        loop_drive(&loop);
        loop_read(&loop);
    }
    loop_close(&loop);
}

// --- wakeup and descriptors of the program's own

static void *wake(void *context)
{
    test_await_call(*(pid_t *) context, SYS_poll);
    CHECK_INT(curl_multi_wakeup(*(CURLM **) ((pid_t *) context + 2)), CURLM_OK);
    return NULL;
}

static void woken(void)
{
    struct {
        pid_t thread, unused;
        CURLM *multi;
    } sleeper = {.thread = test_thread_id()};
    struct loop loop;
    pthread_t thread;
    int ready;
    web_start();
    CURL *easy = park(&loop, LOOP_POLL, "a/s503/ok");
    sleeper.multi = loop.multi;
    CHECK_INT(pthread_create(&thread, NULL, wake, &sleeper), 0);
    uint64_t began_ms = test_now_ms();
    CHECK_INT(curl_multi_poll(loop.multi, NULL, 0, LOOP_WAIT_MS, &ready), CURLM_OK);
    CHECK_BETWEEN((long long) (test_now_ms() - began_ms), 0, LOOP_WAIT_MS / 2);
    thread_end(thread);
    curl_easy_cleanup(easy);
    loop_close(&loop);
}

static void own_descriptors(enum loop_kind kind)
{
    struct loop loop;
    int ends[2], ready = -1;
    web_start();
    CURL *easy = park(&loop, kind, "a/s503/ok");
    CHECK_INT(pipe(ends), 0);
    struct curl_waitfd extra[20];
    for (int i = 0; i < 20; i++)
        extra[i] = (struct curl_waitfd){.fd = ends[0], .events = CURL_WAIT_POLLIN, .revents = 0};
    CURLMcode (*wait)(CURLM *, struct curl_waitfd *, unsigned, int, int *) =
        kind == LOOP_WAIT ? curl_multi_wait : curl_multi_poll;
    CHECK_INT(wait(loop.multi, extra, 20, 20, &ready), CURLM_OK);
    CHECK_INT(ready, 0);
    CHECK_INT(extra[0].revents, 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK_INT(wait(loop.multi, extra, 20, LOOP_WAIT_MS, &ready), CURLM_OK);
    CHECK_INT(ready, 20);
    CHECK_INT(extra[19].revents, CURL_WAIT_POLLIN);
    CHECK_INT(wait(loop.multi, NULL, 0, 20, NULL), CURLM_OK);
    curl_easy_cleanup(easy);
    CURLMcode idle = wait(loop.multi, NULL, 0, -1, NULL);
    CHECK(idle == CURLM_BAD_FUNCTION_ARGUMENT || idle == CURLM_OK);
    loop_close(&loop);
}

static void own_descriptors_wait(void)
{
    own_descriptors(LOOP_WAIT);
}

static void own_descriptors_poll(void)
{
    own_descriptors(LOOP_POLL);
}

// A negative time is refused, as without a transfer that waits.
static void negative_time(void)
{
    struct loop loop, idle;
    web_start();
    CURL *easy = park(&loop, LOOP_POLL, "a/s503/ok");
    loop_open(&idle, LOOP_POLL);
    CHECK_INT(curl_multi_poll(loop.multi, NULL, 0, -1, NULL), curl_multi_poll(idle.multi, NULL, 0, -1, NULL));
    CHECK_INT(curl_multi_wait(loop.multi, NULL, 0, -1, NULL), curl_multi_wait(idle.multi, NULL, 0, -1, NULL));
    curl_easy_cleanup(easy);
    loop_close(&idle);
    loop_close(&loop);
}

// --- progress and time limits while it waits

static int cancel(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void) a, (void) b, (void) c, (void) d;
    return *(int *) context && test_log(RETRY, "") > 0;
}

static void cancelled(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct loop loop;
        char path[64];
        int cancels = 0;
        snprintf(path, sizeof(path), "k%d/s503/ok", kind);
        test_write(test_path("log"), "");
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, cancel);
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &cancels);
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        loop_add(&loop, easy);
        loop_until_parked(&loop, 1);
        loop_turn(&loop);
        CHECK_INT(loop.messages, 0);
        cancels = 1;
        while (loop.messages == 0)
            loop_turn(&loop);
        CHECK_INT(loop.code, CURLE_ABORTED_BY_CALLBACK);
        CHECK_INT((long long) body.length, 0);
        CHECK_INT(curl_multi_add_handle(loop.multi, easy), CURLM_ADDED_ALREADY);
        loop_remove(&loop, easy);
        loop.running = 0;
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
        CHECK_INT(curl_easy_perform(easy), CURLE_OK);
        curl_easy_cleanup(easy);
        loop_close(&loop);
    }
}

// The wait that does not fit into CURLOPT_TIMEOUT is not begun, and one that does leaves the rest to the next attempt.
static void timed_out(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct loop loop;
        char path[64];
        snprintf(path, sizeof(path), "k%d/s503/hang", kind);
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 400L);
        loop_add(&loop, easy);
        uint64_t began_ms = test_now_ms();
        loop_run(&loop);
        CHECK_INT(loop.code, CURLE_OPERATION_TIMEDOUT);
        CHECK_BETWEEN((long long) (test_now_ms() - began_ms), 390, 3000);
        loop_end(&loop, easy);
    }
}

// --- pauses

static struct {
    unsigned pauses; // still to come
    bool paused;
} pauser;

static size_t pausing_write(char *data, size_t size, size_t count, void *context)
{
    if (pauser.pauses > 0) {
        pauser.pauses--;
        pauser.paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return bytes_take(data, size, count, context);
}

// The next pause is to come.
static void pause_once(void)
{
    pauser.pauses = 1;
    pauser.paused = false;
}

// A loop and a transfer for it that will be paused once.
static CURL *open_pausing(struct loop *loop, enum loop_kind kind, const char *path)
{
    pause_once();
    loop_open(loop, kind);
    CURL *easy = easy_new(web_url(path), &body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, pausing_write);
    return easy;
}

// A delivery after the transfer that is paused, until the program resumes it from its loop.
static CURL *linger(struct loop *loop, enum loop_kind kind, const char *path)
{
    CURL *easy = open_pausing(loop, kind, path);
    loop_add(loop, easy);
    loop_drive(loop);
    loop_read(loop);
    while (!pauser.paused)
        loop_turn(loop);
    CHECK_INT(loop->running, 1);
    CHECK_INT(loop->messages, 0);
    return easy;
}

// The path of a response that is held, for one kind of loop.
static const char *held_path(int kind)
{
    static char path[64];
    snprintf(path, sizeof(path), "k%d/s503;size=3000", kind);
    return path;
}

static void lingering(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct loop loop;
        CURL *easy = linger(&loop, kind, held_path(kind));
        for (int i = 0; i < 3; i++)
            loop_turn_within(&loop, 20);
        CHECK_INT(loop.messages, 0);
        CHECK_INT((long long) body.length, 0);
        pause_once();
        CHECK_INT(curl_easy_pause(easy, CURLPAUSE_CONT), CURLE_OK);
        while (!pauser.paused)
            loop_turn(&loop);
        CHECK_INT(loop.messages, 0);
        CHECK_INT(curl_easy_pause(easy, CURLPAUSE_CONT), CURLE_OK);
        unsigned turns = loop.turns;
        while (loop.messages == 0)
            loop_turn(&loop);
        CHECK_BETWEEN(loop.turns - turns, 1, 5);
        CHECK_INT(loop.code, CURLE_OK);
        CHECK_INT((long long) body.length, 3000);
        CHECK_INT(web_count((char[]){'k', (char) ('0' + kind), '\0'}), 1);
        loop_end(&loop, easy);
    }
}

// One that lingers may be removed, freed, reset, or left behind.
static void lingering_removed(void)
{
    web_start();
    for (int way = 0; way < 4; way++) {
        struct loop loop;
        char path[64];
        snprintf(path, sizeof(path), "w%d/s503;size=3000", way);
        CURL *easy = linger(&loop, way % 2 ? LOOP_ACTION : LOOP_POLL, path);
        CURL *running = easy_new(web_url("b/hang"), &other);
        loop_add(&loop, running);
        if (way == 2)
            curl_easy_reset(easy);
        if (way == 0 || way == 2)
            loop_remove(&loop, easy);
        if (way != 3)
            curl_easy_cleanup(easy);
        if (way != 3) {
            loop.added = 1;
            loop_drive(&loop);
            loop_read(&loop);
        }
        loop_close(&loop);
        curl_easy_cleanup(running);
        if (way == 3)
            curl_easy_cleanup(easy);
    }
}

// A transfer that is paused for good ends by its time limit, as one that is paused in libcurl's hands does.
static void lingering_timed_out(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct loop loop;
        CURL *easy = open_pausing(&loop, kind, held_path(kind));
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 300L);
        loop_add(&loop, easy);
        uint64_t began_ms = test_now_ms();
        loop_run(&loop);
        CHECK(pauser.paused);
        CHECK_INT(loop.code, CURLE_OPERATION_TIMEDOUT);
        CHECK_BETWEEN((long long) (test_now_ms() - began_ms), 290, 5000);
        CHECK_BETWEEN(loop.turns, 1, 60);
        loop_end(&loop, easy);
    }
}

// ... or by its progress callback.
static int cancel_paused(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void) context, (void) a, (void) b, (void) c, (void) d;
    return pauser.paused;
}

static void lingering_cancelled(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct loop loop;
        CURL *easy = open_pausing(&loop, kind, held_path(kind));
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, cancel_paused);
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(loop.code, CURLE_ABORTED_BY_CALLBACK);
        CHECK_INT((long long) body.length, 0);
        loop_end(&loop, easy);
    }
}

// A waiting transfer that is paused comes back paused; the pause ends with the transfer.
static void paused_while_waiting(void)
{
    struct loop loop;
    web_start();
    CURL *easy = loop_open_parked(&loop, &body);
    CHECK_INT(curl_easy_pause(easy, CURLPAUSE_RECV), CURLE_OK);
    while (web_count("a") < 2)
        loop_turn_within(&loop, 20);
    for (int i = 0; i < 5; i++)
        loop_turn_within(&loop, 20);
    CHECK_INT(loop.messages, 0);
    CHECK_INT((long long) body.length, 0);
    CHECK_INT(curl_easy_pause(easy, CURLPAUSE_CONT), CURLE_OK);
    loop_run(&loop);
    CHECK_TEXT(body.at, "x");
    loop_end(&loop, easy);
}

static void pause_forgotten(void)
{
    struct loop loop;
    web_start();
    CURL *easy = park(&loop, LOOP_POLL, "a/s503/ok;text=x");
    CHECK_INT(curl_easy_pause(easy, CURLPAUSE_RECV), CURLE_OK);
    loop_remove(&loop, easy);
    loop.added = 0;
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 5000L);
    loop_add(&loop, easy);
    loop_run(&loop);
    CHECK_INT(loop.code, CURLE_OK);
    CHECK_TEXT(body.at, "x");
    loop_end(&loop, easy);
}

// --- copies

static unsigned old_calls;

static int old_progress(void *context, double a, double b, double c, double d)
{
    (void) context, (void) a, (void) b, (void) c, (void) d;
    old_calls++;
    return 0;
}

// A copy of a handle during its transfer has the program's options and none of ours.
static void copied(void)
{
    struct loop loop;
    web_start();
    loop_open(&loop, LOOP_POLL);
    CURL *easy = easy_new(web_url("a/s503;last/ok;size=30000;trickle=20;piece=1000"), &body);
    curl_easy_setopt(easy, CURLOPT_PROGRESSFUNCTION, old_progress);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 20000L);
    loop_add(&loop, easy);
    loop_drive(&loop);
    while (body.length == 0)
        loop_turn(&loop);
    CURL *copy = curl_easy_duphandle(easy);
    CHECK(copy != NULL);
    curl_easy_cleanup(easy);
    old_calls = 0;
    body.length = 0;
    curl_easy_setopt(copy, CURLOPT_URL, host_url("localhost", &web_port, "c/ok;text=x")); // no section names localhost
    CHECK_INT(curl_easy_perform(copy), CURLE_OK);
    CHECK_TEXT(body.at, "x");
    CHECK(old_calls > 0);
    curl_easy_cleanup(copy);
    loop_close(&loop);
}

#define HOUR WAITING("1h") "retry.cap=1h\ntimeout.total=10h\n"
#define NO_BUDGET                                                                                                      \
    "[local]\nhosts=127.0.0.1\nretry.attempts=3\nretry.base=5ms\nbreaker=off\nbudget.ratio=0%\nbudget.floor=0/s\n"

static const struct test tests[] = {
    {"removed", HOUR, removed},
    {"added_again", HOUR, added_again},
    {"removed_from_another", HOUR, removed_from_another},
    {"cleaned_up", HOUR, cleaned_up},
    {"multi_cleaned_up", HOUR, multi_cleaned_up},
    {"removed_unread", LOCAL, removed_unread},
    {"removed_in_any_order", HOUR, removed_in_any_order},
    {"woken", HOUR, woken},
    {"own_descriptors_wait", HOUR, own_descriptors_wait},
    {"own_descriptors_poll", HOUR, own_descriptors_poll},
    {"negative_time", HOUR, negative_time},
    {"cancelled", HOUR, cancelled},
    {"timed_out", WAITING("100ms"), timed_out},
    {"lingering", NO_BUDGET, lingering},
    {"lingering_removed", NO_BUDGET, lingering_removed},
    {"lingering_timed_out", NO_BUDGET, lingering_timed_out},
    {"lingering_cancelled", NO_BUDGET, lingering_cancelled},
    {"paused_while_waiting", WAITING("100ms"), paused_while_waiting},
    {"pause_forgotten", HOUR, pause_forgotten},
    {"copied", LOCAL, copied},
};

TEST_MAIN(tests)
