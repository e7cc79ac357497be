// SPDX-License-Identifier: MIT
// Transfers that fail and come back in a multi handle, in each kind of loop: the counts are right, nobody spins or
// stalls.
#include "multi.h"

static struct bytes body, other;

// What a loop of each kind makes of one transfer.
static void each_kind(const char *steps, CURLcode code, const char *text, int requests)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64], key[8];
        struct loop loop;
        snprintf(key, sizeof(key), "k%d", kind);
        snprintf(path, sizeof(path), "%s/%s", key, steps);
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(loop.code, code);
        CHECK(loop.last == easy);
        CHECK_TEXT(body.at, text);
        CHECK_INT(web_count(key), requests);
        loop_end(&loop, easy);
    }
}

static void after_statuses(void)
{
    each_kind("s503x2/ok;text=x", CURLE_OK, "x", 3);
}

static void after_resets(void)
{
    each_kind("resetx2/ok;text=x", CURLE_OK, "x", 3);
}

static void after_closes(void)
{
    each_kind("closex2/ok;text=x", CURLE_OK, "x", 3);
}

static void given_up(void)
{
    each_kind("s503", CURLE_OK, "status 503\n", 3);
}

static void after_refusals(void)
{
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        struct port port = port_new();
        struct loop loop;
        loop_open(&loop, kind);
        CURL *easy = easy_new(port_url(&port, ""), &body);
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(loop.code, CURLE_COULDNT_CONNECT);
        CHECK_INT(test_log(RETRY, "\"cause\":\"refused\""), 2 * (kind + 1));
        CHECK_INT(test_log(STOP, "\"reason\":\"attempts\""), kind + 1);
        CHECK_INT(STATUS(easy), 0);
        loop_end(&loop, easy);
        close(port.fd);
    }
}

// While the only transfer waits 200 ms, twice, a loop that would wait for 20 s turns a few times and is there in time.
static void no_spin_no_stall(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64];
        struct loop loop;
        snprintf(path, sizeof(path), "k%d/s503;last/reset/ok", kind);
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        loop_add(&loop, easy);
        uint64_t began_ms = test_now_ms();
        loop_run(&loop);
        CHECK_BETWEEN((long long) (test_now_ms() - began_ms), 400, 5000);
        CHECK_INT(loop.code, CURLE_OK);
        CHECK_BETWEEN(loop.turns, 3, 60);
        CHECK_BETWEEN(loop.timers, 0, 60);
        loop_end(&loop, easy);
    }
}

// Another transfer of the same handle comes to its end while the first one waits for long.
static void others_go_on(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64];
        struct loop loop;
        loop_open(&loop, kind);
        snprintf(path, sizeof(path), "p%d/s503/ok", kind);
        CURL *parked = easy_new(web_url(path), &body);
        loop_add(&loop, parked);
        loop_until_parked(&loop, (unsigned) kind + 1);
        snprintf(path, sizeof(path), "o%d/ok;size=20000;piece=1000;trickle=2", kind);
        CURL *easy = easy_new(web_url(path), &other);
        loop_add(&loop, easy);
        loop_drive(&loop);
        while (loop.messages < 1)
            loop_turn(&loop);
        CHECK(loop.last == easy);
        CHECK_INT(loop.running, 1);
        CHECK_INT((long long) other.length, 20000);
        CHECK_INT((long long) body.length, 0);
        loop_remove(&loop, easy);
        loop_remove(&loop, parked);
        curl_easy_cleanup(easy);
        curl_easy_cleanup(parked);
        loop_close(&loop);
    }
}

// Hundreds of transfers that fail once each, none of them lost or told of twice.
enum { MANY = 300 };

static size_t count_bytes(char *data, size_t size, size_t count, void *context)
{
    (void) data;
    *(size_t *) context += size * count;
    return size * count;
}

static void many(enum loop_kind kind)
{
    static CURL *easies[MANY];
    static size_t received[MANY];
    struct loop loop;
    web_start();
    loop_open(&loop, kind);
    curl_multi_setopt(loop.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 20L);
    for (int i = 0; i < MANY; i++) {
        char path[64];
        snprintf(path, sizeof(path), "m%d/s503/ok;text=0123456789", i);
        easies[i] = easy_new(web_url(path), NULL);
        curl_easy_setopt(easies[i], CURLOPT_WRITEFUNCTION, count_bytes);
        curl_easy_setopt(easies[i], CURLOPT_WRITEDATA, &received[i]);
        loop_add(&loop, easies[i]);
    }
    loop_run(&loop);
    CHECK_INT(test_log(RECOVERED, ""), MANY);
    for (int i = 0; i < MANY; i++) {
        CHECK_INT((long long) received[i], 10);
        CHECK_INT(STATUS(easies[i]), 200);
        loop_remove(&loop, easies[i]);
        curl_easy_cleanup(easies[i]);
    }
    loop_close(&loop);
}

static void many_by_poll(void)
{
    many(LOOP_POLL);
}

static void many_by_action(void)
{
    many(LOOP_ACTION);
}

// A download that breaks off is continued, and its figures are those of one whole.
static void resumed(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[128];
        struct loop loop;
        curl_off_t size = 0;
        const char *steps = "cut;range;etag=%22a%22;size=200000;sent=70000";
        snprintf(path, sizeof(path), "k%d/%s", kind, steps);
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(loop.code, CURLE_OK);
        CHECK_INT((long long) body.length, 200000);
        for (size_t i = 0; i < body.length; i++)
            CHECK_INT(body.at[i], i % 64 == 63 ? '\n' : (char) ('A' + (i * 7 + i / 64) % 26));
        CHECK_INT(STATUS(easy), 200);
        CHECK_INT(curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &size), CURLE_OK);
        CHECK_INT(size, 200000);
        CHECK_INT(curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size), CURLE_OK);
        CHECK_INT(size, 200000);
        loop_end(&loop, easy);
    }
}

// An upload is rewound, and sent whole each time.
struct source {
    size_t at, size;
};

static size_t feed(char *data, size_t size, size_t count, void *context)
{
    struct source *source = context;
    size_t length = size * count < source->size - source->at ? size * count : source->size - source->at;
    memset(data, 'u', length);
    source->at += length;
    return length;
}

static int rewind_source(void *context, curl_off_t offset, int origin)
{
    CHECK_INT(origin, SEEK_SET);
    ((struct source *) context)->at = (size_t) offset;
    return CURL_SEEKFUNC_OK;
}

static void uploaded(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64], key[8];
        struct loop loop;
        struct source source = {.size = 50000};
        snprintf(key, sizeof(key), "k%d", kind);
        snprintf(path, sizeof(path), "%s/s503/reset/ok;text=x", key);
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, feed);
        curl_easy_setopt(easy, CURLOPT_READDATA, &source);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_source);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, &source);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) source.size);
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(loop.code, CURLE_OK);
        CHECK_TEXT(body.at, "x");
        snprintf(path, sizeof(path), "bytes/%s", key);
        char *bytes = web_ask(path);
        CHECK_INT(atoi(bytes), 150000);
        free(bytes);
        loop_end(&loop, easy);
    }
}

// The figures of a repeated transfer count from the beginning of the call.
static void figures(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64];
        struct loop loop;
        curl_off_t total = 0, first = 0;
        double seconds = 0;
        snprintf(path, sizeof(path), "k%d/s503/ok", kind);
        loop_open(&loop, kind);
        CURL *easy = easy_new(web_url(path), &body);
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total), CURLE_OK);
        CHECK_INT(curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &first), CURLE_OK);
        CHECK_INT(curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME, &seconds), CURLE_OK);
        CHECK_BETWEEN(total, 299000, 5000000);
        CHECK_BETWEEN(first, 299000, total);
        CHECK_BETWEEN((long long) (seconds * 1e6), total - 1000, total + 1000);
        loop_remove(&loop, easy);
        curl_easy_setopt(easy, CURLOPT_URL, web_url("plain/ok"));
        loop.added++;
        CHECK_INT(curl_multi_add_handle(loop.multi, easy), CURLM_OK);
        loop_run(&loop); // a single one again: nothing of the last stays
        CHECK_INT(curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total), CURLE_OK);
        CHECK_BETWEEN(total, 0, 250000);
        loop_end(&loop, easy);
    }
}

// Options that are set between the adding and the first drive count.
static void options_after_adding(void)
{
    web_start();
    for (int kind = 0; kind < LOOP_KINDS; kind++) {
        char path[64];
        struct loop loop;
        loop_open(&loop, kind);
        CURL *easy = easy_new("http://127.0.0.2:1/", &body);
        loop_add(&loop, easy);
        snprintf(path, sizeof(path), "k%d/s503/ok;text=x", kind);
        curl_easy_setopt(easy, CURLOPT_URL, web_url(path));
        loop_run(&loop);
        CHECK_TEXT(body.at, "x");
        loop_end(&loop, easy);
    }
}

// Multi handles on threads of their own that begin at once: each libcurl function is the first call of its kind for
// all.
enum { THREADS = 6, ROUNDS = 6 };

static pthread_barrier_t gate;

static void *run_some(void *context)
{
    static struct bytes bodies[THREADS];
    int number = *(int *) context;
    pthread_barrier_wait(&gate);
    for (int i = 0; i < ROUNDS; i++) {
        struct loop loop;
        char path[64];
        snprintf(path, sizeof(path), "t%d-%d/s503/reset/ok;text=x", number, i);
        loop_open(&loop, i % LOOP_KINDS);
        CURL *easy = easy_new(web_url(path), &bodies[number]);
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_TEXT(bodies[number].at, "x");
        loop_end(&loop, easy);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t all[THREADS];
    int numbers[THREADS];
    web_start();
    curl_global_init(CURL_GLOBAL_ALL);
    CHECK_INT(pthread_barrier_init(&gate, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK_INT(pthread_create(&all[i], NULL, run_some, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        thread_end(all[i]);
    CHECK_INT(test_log(RECOVERED, ""), THREADS * ROUNDS);
}

// Handles that share their cookies and names, each repeated on its own.
static void sharing(void)
{
    struct loop loop;
    CURL *easies[8];
    static struct bytes bodies[8];
    web_start();
    CURLSH *share = curl_share_init();
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
    loop_open(&loop, LOOP_POLL);
    for (int i = 0; i < 8; i++) {
        char path[64];
        snprintf(path, sizeof(path), "s%d/s503/reset/ok;text=x", i);
        easies[i] = easy_new(web_url(path), &bodies[i]);
        curl_easy_setopt(easies[i], CURLOPT_SHARE, share);
        loop_add(&loop, easies[i]);
    }
    loop_run(&loop);
    for (int i = 0; i < 8; i++) {
        CHECK_TEXT(bodies[i].at, "x");
        loop_remove(&loop, easies[i]);
        curl_easy_cleanup(easies[i]);
    }
    loop_close(&loop);
    CHECK_INT(curl_share_cleanup(share), CURLSHE_OK);
}

// A request that libcurl sends again by itself, on a connection that had died, stands in the log.
static void hidden_resend(void)
{
    struct loop loop;
    web_start();
    loop_open(&loop, LOOP_POLL);
    CURL *easy = easy_new(web_url("a/ok;text=x/close/ok;text=x"), &body);
    for (unsigned i = 1; i <= 2; i++) {
        loop_add(&loop, easy);
        loop_run(&loop);
        CHECK_INT(loop.code, CURLE_OK);
        loop_remove(&loop, easy);
    }
    CHECK_TEXT(body.at, "xx");
    CHECK_INT(web_count("a"), 3);
    CHECK_INT(test_log("\"decision\":\"resent\"", "\"resends\":1"), 1);
    curl_easy_cleanup(easy);
    loop_close(&loop);
}

// A child goes on with the multi handle that it has from its parent, whose copy is untouched.
static void forked(void)
{
    struct loop loop;
    web_start();
    CURL *easy = loop_open_parked(&loop, &body);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(TEST_LIMIT_S);
        loop_run(&loop);
        CHECK_TEXT(body.at, "x");
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    loop_run(&loop);
    CHECK_TEXT(body.at, "x");
    loop_end(&loop, easy);
}

static const struct test tests[] = {
    {"after_statuses", LOCAL, after_statuses},
    {"after_resets", LOCAL, after_resets},
    {"after_closes", LOCAL, after_closes},
    {"given_up", LOCAL, given_up},
    {"after_refusals", LOCAL, after_refusals},
    {"no_spin_no_stall", WAITING("200ms"), no_spin_no_stall},
    {"others_go_on", WAITING("1h") "retry.cap=1h\ntimeout.total=10h\n", others_go_on},
    {"many_by_poll", LOCAL, many_by_poll},
    {"many_by_action", LOCAL, many_by_action},
    {"resumed", LOCAL "retry.attempts=10\n", resumed},
    {"uploaded", LOCAL, uploaded},
    {"figures", WAITING("300ms"), figures},
    {"options_after_adding", LOCAL, options_after_adding},
    {"threads", LOCAL, threads},
    {"sharing", LOCAL, sharing},
    {"hidden_resend", LOCAL, hidden_resend},
    {"forked", WAITING("100ms"), forked},
};

TEST_MAIN(tests)
