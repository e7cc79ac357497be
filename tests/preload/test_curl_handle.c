// SPDX-License-Identifier: MIT
// Handles: reset, clones, options changed in the middle, nested and parallel transfers; the callbacks stay the
// program's own.
#include "web.h"

static struct bytes body, other;

// The same handle again and again: each transfer is repeated as if it were the first.
static void used_again(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good a\n");
    body.length = 0;
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s503x2/ok"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good b\n");
    CHECK_INT(STATUS(easy), 200);
    CHECK_INT(web_count("a"), 2);
    CHECK_INT(web_count("b"), 3);
    curl_easy_cleanup(easy);
}

static size_t asking_write(char *data, size_t size, size_t count, void *easy)
{
    struct curl_header *range;
    curl_off_t length = 0, received = 0;
    CHECK_INT(STATUS(easy), 200);
    CHECK_INT(curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length), CURLE_OK);
    CHECK_INT(length, 200000);
    CHECK_INT(curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received), CURLE_OK);
    CHECK_BETWEEN(received, (long long) body.length, 200000);
    CHECK_INT(curl_easy_header(easy, "Content-Range", 0, CURLH_HEADER, -1, &range), CURLHE_MISSING);
    return bytes_take(data, size, count, &body);
}

// What a callback asks for while a download is continued is about the one response that the program sees.
static void asked_while_continued(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/cut;range;etag=%22a%22;size=200000;sent=70000"), &body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, asking_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, easy);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT((long long) body.length, 200000);
    CHECK_INT(web_count("a"), 3);
    curl_easy_cleanup(easy);
}

// A body that is decoded on its way is read again from its beginning; its size is what libcurl counts, before decoding.
static void decoded_size(void)
{
    curl_off_t length = 0, received = 0;
    web_start();
    CURL *easy =
        easy_new(web_url("a/cut;gzip;etag=%22a%22;size=20000;sent=7000/ok;gzip;etag=%22a%22;size=20000"), &body);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT((long long) body.length, 20000);
    CHECK_INT(web_count("a"), 2);
    CHECK_INT(curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length), CURLE_OK);
    CHECK_INT(curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received), CURLE_OK);
    CHECK_INT(received, length);
    curl_easy_cleanup(easy);
}

static long status_of(CURL *easy, const char *url)
{
    if (url)
        curl_easy_setopt(easy, CURLOPT_URL, url);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    return STATUS(easy);
}

// What the policy says is found anew for another host, and when the policy changes. Only 127.0.0.1 is in it at first.
static void follows_url_and_policy(void)
{
    char elsewhere[64];
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    snprintf(elsewhere, sizeof(elsewhere), "http://127.0.0.2:%u/b/s503/ok", ntohs(web_port.address.sin_port));
    struct curl_slist *connect_to = curl_slist_append(NULL, "127.0.0.2::127.0.0.1:");
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to);
    CHECK_INT(status_of(easy, NULL), 200);
    CHECK_INT(status_of(easy, elsewhere), 503);
    CHECK_INT(web_count("b"), 1);
    CHECK_INT(status_of(easy, web_url("c/s503/ok")), 200);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("d/s503"));
    test_write(test_path("policy.ini"), "[local]\nhosts=10.0.0.1\n" QUICK);
    for (int before = 0, now = 2; now > before + 1; now = web_count("d")) {
        before = web_count("d");
        CHECK_INT(status_of(easy, NULL), 503);
        test_pause();
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(connect_to);
}

// After a reset nothing of the old options is left: the body goes to stdout, and our callbacks are gone.
static void reset(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s503/ok"));
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    body.length = 0;
    CHECK(freopen(test_path("out"), "w", stdout) != NULL);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    fflush(stdout);
    char *text = test_read(test_path("out"), NULL);
    CHECK_TEXT(text, "good b\n");
    CHECK_INT((long long) body.length, 0);
    CHECK_INT(web_count("b"), 2);
    free(text);
    curl_easy_cleanup(easy);
}

// A clone has the program's options and works independently of the original.
static void clone_lives_on(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s503/ok"));
    CURL *copy = curl_easy_duphandle(easy);
    CHECK(copy != NULL);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("c/ok"));
    curl_easy_cleanup(easy);
    body.length = 0;
    CHECK_INT(curl_easy_perform(copy), CURLE_OK);
    CHECK_TEXT(body.at, "good b\n");
    CHECK_INT(web_count("b"), 2);
    curl_easy_cleanup(copy);
}

// A clone made while the original transfers: made in its callback, used afterwards.
struct cloner {
    CURL *easy, *copy;
};

static size_t clone_in_callback(char *data, size_t size, size_t count, void *context)
{
    struct cloner *cloner = context;
    if (!cloner->copy)
        cloner->copy = curl_easy_duphandle(cloner->easy);
    return bytes_take(data, size, count, &body);
}

static void clone_in_the_middle(void)
{
    web_start();
    struct cloner cloner = {.easy = easy_new(web_url("a/s503/ok"), &body)};
    curl_easy_setopt(cloner.easy, CURLOPT_WRITEFUNCTION, clone_in_callback);
    curl_easy_setopt(cloner.easy, CURLOPT_WRITEDATA, &cloner);
    curl_easy_setopt(cloner.easy, CURLOPT_HEADERFUNCTION, bytes_take);
    curl_easy_setopt(cloner.easy, CURLOPT_HEADERDATA, &other);
    CHECK_INT(curl_easy_perform(cloner.easy), CURLE_OK);
    CHECK(cloner.copy != NULL);
    curl_easy_cleanup(cloner.easy);
    const char *url = host_url("localhost", &web_port, "b/ok;delay=600"); // no section names localhost
    curl_easy_setopt(cloner.copy, CURLOPT_URL, url);
    body.length = other.length = 0;
    CHECK_INT(curl_easy_perform(cloner.copy), CURLE_OK); // so the limit of the original's attempts is not for it
    CHECK_TEXT(body.at, "good b\n");
    CHECK(strncmp(other.at, "HTTP/1.1 200", 12) == 0);
    curl_easy_cleanup(cloner.copy);
}

// A write function that is replaced in the middle of a transfer takes over at once, as alone.
struct changer {
    CURL *easy;
    unsigned calls;
};

static size_t change_in_callback(char *data, size_t size, size_t count, void *context)
{
    struct changer *changer = context;
    (void) data;
    changer->calls++;
    CHECK_INT(curl_easy_setopt(changer->easy, CURLOPT_WRITEFUNCTION, bytes_take), CURLE_OK);
    CHECK_INT(curl_easy_setopt(changer->easy, CURLOPT_WRITEDATA, &body), CURLE_OK);
    return size * count;
}

static void changed_in_the_middle(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok;size=3000;chunked;piece=1000;trickle=20"), &body);
    struct changer changer = {.easy = easy};
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, change_in_callback);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &changer);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(changer.calls, 1);
    CHECK_BETWEEN((long long) body.length, 1, 2999);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s503/ok"));
    body.length = 0;
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(changer.calls, 1);
    CHECK_TEXT(body.at, "good b\n");
    curl_easy_cleanup(easy);
}

// The same while a response is held: an interim answer, which is passed on at once, makes the program choose a
// function, by its header callback.
static void changed_while_held(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503;interim=103/ok"), NULL);
    struct changer changer = {.easy = easy};
    body.length = 0;
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, change_in_callback);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &changer);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK(changer.calls > 0);
    CHECK_TEXT(body.at, "good a\n");
    curl_easy_cleanup(easy);
}

// A transfer begun in the callback of another one.
static size_t perform_in_callback(char *data, size_t size, size_t count, void *context)
{
    CURL *inner = easy_new(context, &other);
    CHECK_INT(curl_easy_perform(inner), CURLE_OK);
    curl_easy_cleanup(inner);
    return bytes_take(data, size, count, &body);
}

static void nested(void)
{
    char url[256];
    web_start();
    snprintf(url, sizeof(url), "%s", web_url("inner/ok"));
    CURL *easy = easy_new(web_url("outer/s503/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, perform_in_callback);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, url);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good outer\n");
    CHECK_TEXT(other.at, "good inner\n");
    CHECK_INT(web_count("outer"), 2);
    curl_easy_cleanup(easy);
}

// A handle performed in its own callback is libcurl's error, not ours to hide.
static CURLcode recursive_code;

static size_t perform_itself(char *data, size_t size, size_t count, void *context)
{
    (void) data;
    recursive_code = curl_easy_perform(context);
    return size * count;
}

static void recursive(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, perform_itself);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, easy);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK(recursive_code != CURLE_OK);
    curl_easy_cleanup(easy);
}

// Many threads, each with handles of its own.
enum { THREADS = 8, ROUNDS = 5 };

static void *perform_on_thread(void *context)
{
    struct bytes *mine = calloc(1, sizeof(*mine));
    CHECK(mine != NULL);
    for (int i = 0; i < ROUNDS; i++) {
        char path[64], good[64];
        snprintf(path, sizeof(path), "t%d-%d/s503x2/ok", (int) (intptr_t) context, i);
        snprintf(good, sizeof(good), "good t%d-%d\n", (int) (intptr_t) context, i);
        CURL *easy = easy_new(web_url(path), mine);
        CHECK_INT(curl_easy_perform(easy), CURLE_OK);
        CHECK_TEXT(mine->at, good);
        curl_easy_cleanup(easy);
    }
    free(mine);
    return NULL;
}

static void on_many_threads(void)
{
    pthread_t threads[THREADS];
    web_start();
    CHECK_INT(curl_global_init(CURL_GLOBAL_ALL), CURLE_OK);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, perform_on_thread, (void *) (intptr_t) i), 0);
    for (int i = 0; i < THREADS; i++)
        thread_end(threads[i]);
    CHECK_INT(test_log(RETRY, ""), THREADS * ROUNDS * 2);
    CHECK_INT(test_log(RECOVERED, ""), THREADS * ROUNDS);
}

// More handles at once than the first table has room for: each is known.
static void many_handles(void)
{
    enum { HANDLES = 500 };
    static CURL *all[HANDLES];
    web_start();
    for (int i = 0; i < HANDLES; i++)
        all[i] = easy_new(web_url("x/ok"), NULL);
    for (int i = 0; i < HANDLES; i += 100) {
        char path[64];
        snprintf(path, sizeof(path), "h%d/s503/ok", i);
        curl_easy_setopt(all[i], CURLOPT_URL, web_url(path));
        curl_easy_setopt(all[i], CURLOPT_WRITEFUNCTION, bytes_take);
        curl_easy_setopt(all[i], CURLOPT_WRITEDATA, &body);
        CHECK_INT(curl_easy_perform(all[i]), CURLE_OK);
    }
    CHECK_INT(test_log(RECOVERED, ""), HANDLES / 100);
    for (int i = 0; i < HANDLES; i++)
        curl_easy_cleanup(all[i]);
}

// A fork with handles alive: the child's transfers and the parent's are both repeated.
static void fork_in_the_middle(void)
{
    web_start();
    CURL *easy = easy_new(web_url("child/s503/ok"), &body);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_INT(curl_easy_perform(easy), CURLE_OK);
        CHECK_TEXT(body.at, "good child\n");
        _exit(0);
    }
    CHECK_INT(test_status(child), 0);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("parent/s503/ok"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good parent\n");
    CHECK_INT(test_log(RECOVERED, ""), 2);
    curl_easy_cleanup(easy);
}

// Arguments that libcurl refuses are refused by libcurl.
static void bad_arguments(void)
{
    CHECK(curl_easy_perform(NULL) != CURLE_OK);
    CHECK(curl_easy_setopt(NULL, CURLOPT_URL, "x") != CURLE_OK);
    curl_easy_cleanup(NULL);
    CURL *easy = curl_easy_init();
    CHECK(curl_easy_setopt(easy, (CURLoption) 9999, 1L) != CURLE_OK);
    CHECK(curl_easy_perform(easy) != CURLE_OK); // no URL
    curl_easy_cleanup(easy);
}

// From a multi handle into the hands of the easy interface.
static void multi(void)
{
    int running = 1;
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    CURLM *multi_handle = curl_multi_init();
    CHECK_INT(curl_multi_add_handle(multi_handle, easy), CURLM_OK);
    while (running) {
        CHECK_INT(curl_multi_perform(multi_handle, &running), CURLM_OK);
        if (running)
            curl_multi_wait(multi_handle, NULL, 0, 1000, NULL);
    }
    CHECK_TEXT(body.at, "good a\n");
    CHECK_INT(STATUS(easy), 200);
    CHECK_INT(web_count("a"), 2);
    curl_multi_remove_handle(multi_handle, easy);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK); // and the handle is as good as ever
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_handle);
}

// In its callbacks: the next transfer goes elsewhere.
static struct {
    CURL *easy;
    const char *url;
    bool waits; // does so only while we wait
} leading;

static int lead_away(bool now)
{
    if (leading.url && now)
        curl_easy_setopt(leading.easy, CURLOPT_URL, leading.url);
    return 0;
}

static int leading_request(void *context, char *peer, char *local, int peer_port, int local_port)
{
    (void) context, (void) peer, (void) local, (void) peer_port, (void) local_port;
    return lead_away(!leading.waits);
}

static int leading_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void) context, (void) a, (void) b, (void) c, (void) d;
    return lead_away(leading.waits && test_log(RETRY, "") == 1);
}

// No attempt of this transfer goes to the URL that the program has set for its next one.
static void led_away(void)
{
    char first[64], next[64];
    web_start();
    for (int waits = 0; waits <= 1; waits++) {
        test_write(test_path("log"), "");
        snprintf(first, sizeof(first), "%s%d/s503;text=sick", web_url("first"), waits);
        snprintf(next, sizeof(next), "%s%d/ok;text=well", web_url("next"), waits);
        CURL *easy = easy_new(first, &body);
        leading.easy = easy, leading.url = next, leading.waits = waits;
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, leading_request);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, leading_progress);
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        CHECK_INT(status_of(easy, NULL), 503);
        CHECK_TEXT(body.at, "sick");
        CHECK_INT(test_log("\"decision\":\"stop\"", "\"reason\":\"interrupted\""), 1);
        leading.url = NULL;
        body.length = 0;
        CHECK_INT(status_of(easy, NULL), 200);
        CHECK_TEXT(body.at, "well");
        curl_easy_cleanup(easy);
    }
    CHECK_INT(web_count("first0"), 1);
    CHECK_INT(web_count("next0"), 1);
    CHECK_INT(web_count("first1"), 1);
    CHECK_INT(web_count("next1"), 1);
}

static const struct test tests[] = {
    {"used_again", LOCAL, used_again},
    {"decoded_size", LOCAL, decoded_size},
    {"asked_while_continued", LOCAL, asked_while_continued},
    {"follows_url_and_policy", LOCAL, follows_url_and_policy},
    {"reset", LOCAL, reset},
    {"clone_lives_on", LOCAL, clone_lives_on},
    {"clone_in_the_middle", LOCAL "timeout.attempt=400ms\ntimeout.connect=300ms\n", clone_in_the_middle},
    {"changed_in_the_middle", LOCAL, changed_in_the_middle},
    {"changed_while_held", LOCAL, changed_while_held},
    {"led_away", LOCAL, led_away},
    {"nested", LOCAL, nested},
    {"recursive", LOCAL, recursive},
    {"on_many_threads", LOCAL, on_many_threads},
    {"many_handles", LOCAL, many_handles},
    {"fork_in_the_middle", LOCAL, fork_in_the_middle},
    {"bad_arguments", LOCAL, bad_arguments},
    {"multi", LOCAL, multi},
};

TEST_MAIN(tests)
