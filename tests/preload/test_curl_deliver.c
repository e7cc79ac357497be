// SPDX-License-Identifier: MIT
// What a transfer delivers: byte for byte what the program would get alone from a server that is well.
#include "web.h"

// How the transfer takes its data.
enum {
    BODY_FUNCTION = 1 << 0,   // WRITEFUNCTION, else fwrite
    BODY_DATA = 1 << 1,       // WRITEDATA is set, else stdout
    HEADER_FUNCTION = 1 << 2, // HEADERFUNCTION with HEADERDATA
    HEADER_DATA = 1 << 3,     // HEADERDATA alone: headers go to the write function
    HEADER_IN_BODY = 1 << 4,  // CURLOPT_HEADER
    MODES = 1 << 5,
};

static size_t put(const char *mark, FILE *file, const char *bytes, size_t length)
{
    fputs(mark, file);
    return fwrite(bytes, 1, length, file);
}

static size_t put_header(char *bytes, size_t size, size_t count, void *context)
{
    return put("header: ", context, bytes, size * count);
}

// Bodies come in pieces of any size: no mark. stdout is libcurl's default for WRITEDATA, also under a function.
static size_t put_body(char *bytes, size_t size, size_t count, void *context)
{
    return put("", context, bytes, size * count);
}

static void transfer(const char *url, int mode)
{
    CURL *easy = easy_new(url, NULL);
    if (mode & BODY_FUNCTION)
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, put_body);
    if (mode & BODY_DATA)
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, stdout);
    if (mode & HEADER_FUNCTION)
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, put_header);
    if (mode & (HEADER_FUNCTION | HEADER_DATA))
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, stdout);
    curl_easy_setopt(easy, CURLOPT_HEADER, mode & HEADER_IN_BODY ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    CURLcode code = curl_easy_perform(easy);
    printf("\nmode %d, result %d, status %ld\n", mode, (int) code, STATUS(easy));
    curl_easy_cleanup(easy);
}

// The role: a transfer of RB_URL (@ is the mode) in every mode; what they deliver and their results into RB_OUT.
static void transfers(void)
{
    CHECK(freopen(getenv("RB_OUT"), "w", stdout) != NULL);
    for (int mode = 0; mode < MODES; mode++) {
        char url[1024] = "";
        for (const char *at = getenv("RB_URL"); *at; at++) {
            size_t length = strlen(url);
            if (*at == '@')
                snprintf(url + length, sizeof(url) - length, "%d", mode);
            else
                snprintf(url + length, sizeof(url) - length, "%c", *at);
        }
        transfer(url, mode);
    }
    fflush(stdout);
}

static char *result_of(int (*run)(const char *role), const char *path)
{
    setenv("RB_URL", web_url(path), 1);
    setenv("RB_OUT", test_path("out"), 1);
    CHECK_INT(run("transfers"), 0);
    return test_read(test_path("out"), NULL);
}

// Under the library the server is sick, alone it is well.
static void check_same(const char *sick, const char *well)
{
    web_start();
    char *ours = result_of(test_under, sick), *alone = result_of(test_alone, well);
    CHECK(strstr(alone, "\nmode 31, result ") != NULL);
    CHECK_TEXT(ours, alone);
    free(ours);
    free(alone);
}

// A good answer after two that are repeated, in every way to take it.
static void after_busy(void)
{
    check_same("s@/s503x2;header=X-Sick:1/ok;size=3000;header=X-Well:1", "w@/ok;size=3000;header=X-Well:1");
    CHECK_INT(test_log(RETRY, "\"cause\":\"503\""), 2 * MODES);
    CHECK_INT(test_log(RECOVERED, ""), MODES);
    CHECK_INT(web_count("s0"), 3);
}

static void after_reset(void)
{
    check_same("s@/reset/close/ok;size=3000", "w@/ok;size=3000");
    CHECK_INT(test_log(RETRY, ""), 2 * MODES);
}

static void after_cut_head(void)
{
    check_same("s@/s503;chunked/ok;size=3000;chunked;trailer=X-End:1", "w@/ok;size=3000;chunked;trailer=X-End:1");
}

// Interim answers belong to the attempt that they came with.
static void interim(void)
{
    check_same("s@/s503;interim=103/ok;interim=103;size=100", "w@/ok;interim=103;size=100");
}

// The last failure is delivered in full.
static void all_busy(void)
{
    check_same("s@/s503;size=2000", "w@/s503;size=2000");
    CHECK_INT(web_count("s0"), 3);
}

static void last_one_other(void)
{
    check_same("s@/s503/s404;size=2000", "w@/s404;size=2000");
    CHECK_INT(web_count("s0"), 2);
}

// A body that breaks off after the program got some of it: not repeated, the same error.
static void cut_body(void)
{
    check_same("s@/s503/cut;size=9000;sent=4000", "w@/cut;size=9000;sent=4000");
    CHECK_INT(test_log(STOP, "\"reason\":\"delivered\""), MODES);
}

// An answer without a body.
static void no_content(void)
{
    check_same("s@/s503/s204", "w@/s204");
}

// A redirect is followed, and its answer shown, as alone; the next attempt begins anew and does not show it twice.
static void redirect(void)
{
    static const char path[] = "r@/s302;header=Location:%20%2Ft@%2Fs503%2Fok%3Bsize=500";
    check_same(path, path); // when it runs alone the server has the one 503 behind it
    CHECK_INT(web_count("r7"), 3);
    CHECK_INT(web_count("t7"), 3);
    CHECK_INT(test_log(RECOVERED, ""), MODES);
}

static const struct test tests[] = {
    {"transfers", NULL, transfers},
    {"after_busy", LOCAL, after_busy},
    {"after_reset", LOCAL, after_reset},
    {"after_cut_head", LOCAL, after_cut_head},
    {"interim", LOCAL, interim},
    {"all_busy", LOCAL, all_busy},
    {"last_one_other", LOCAL, last_one_other},
    {"cut_body", LOCAL, cut_body},
    {"no_content", LOCAL, no_content},
    {"redirect", LOCAL, redirect},
};

TEST_MAIN(tests)
