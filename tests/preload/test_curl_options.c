// SPDX-License-Identifier: MIT
// curl_easy_setopt hands every kind of option on with its type, and errors come back as libcurl gives them.
#include "web.h"

static struct bytes body;

// More than 32 bits, so that an argument read as an int would show: libcurl sends the size as Content-Length.
static size_t feed_nothing(char *data, size_t size, size_t count, void *context)
{
    (void) data, (void) size, (void) count, (void) context;
    return CURL_READFUNC_ABORT;
}

static int note_headers(CURL *easy, curl_infotype type, char *data, size_t size, void *context)
{
    (void) easy;
    return type == CURLINFO_HEADER_OUT ? (bytes_take(data, 1, size, context), 0) : 0;
}

static void offsets(void)
{
    static struct bytes sent;
    web_start();
    CURL *easy = easy_new(web_url("a/ok"), &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) 0x123456789a), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) -2), CURLE_BAD_FUNCTION_ARGUMENT);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_READFUNCTION, feed_nothing), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, note_headers), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_DEBUGDATA, &sent), CURLE_OK);
    CHECK_INT(curl_easy_perform(easy), CURLE_ABORTED_BY_CALLBACK);
    CHECK(strstr(sent.at, "Content-Length: 78187493530\r\n") != NULL);
    curl_easy_cleanup(easy);
}

static void numbers(void)
{
    CURL *easy = easy_new("http://127.0.0.1:1/", &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_TIMEOUT, -1L), CURLE_BAD_FUNCTION_ARGUMENT);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 86400000L), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_MAXREDIRS, -2L), CURLE_BAD_FUNCTION_ARGUMENT);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_PORT, 70000L), CURLE_BAD_FUNCTION_ARGUMENT);
    curl_easy_cleanup(easy);
}

// A refused value changes nothing that we noted: the old one stays in force.
static void refused_value(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/ok;delay=300"), &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 20000L), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_TIMEOUT, -5L), CURLE_BAD_FUNCTION_ARGUMENT);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_cleanup(easy);
}

// Blobs are pointers beyond the range of offsets.
static void blobs(void)
{
    char certificate[] = "no certificate";
    struct curl_blob blob = {.data = certificate, .len = sizeof(certificate), .flags = CURL_BLOB_COPY};
    CURL *easy = easy_new("https://127.0.0.1:1/", &body);
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
    CHECK(code == CURLE_OK || code == CURLE_UNKNOWN_OPTION || code == CURLE_NOT_BUILT_IN);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, NULL), code);
    curl_easy_cleanup(easy);
}

static int called;

static int note_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void) context, (void) fd, (void) purpose;
    called++;
    return CURL_SOCKOPT_OK;
}

static void functions(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/ok"), &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, note_socket), CURLE_OK);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(called, 1);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, NULL), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L), CURLE_OK);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(called, 1);
    curl_easy_cleanup(easy);
}

// Pointers that libcurl hands back.
static void pointers(void)
{
    char tag[] = "mine", *back = NULL;
    CURL *easy = easy_new("http://127.0.0.1:1/", &body);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_PRIVATE, tag), CURLE_OK);
    CHECK_INT(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &back), CURLE_OK);
    CHECK(back == tag);
    curl_easy_cleanup(easy);
}

// After a retry the program's choice between a new and a kept connection is still in force.
static void fresh_connect(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/reset/ok"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/ok"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(easy_number(easy, CURLINFO_NUM_CONNECTS), 0);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("c/s503/ok"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(easy_number(easy, CURLINFO_NUM_CONNECTS), 1);
    curl_easy_cleanup(easy);
}

// Hands out one host for each call of the program's.
static CURLSTScode hand_out_host(CURL *easy, struct curl_hstsentry *entry, void *context)
{
    unsigned *asked = context;
    (void) easy;
    if (++*asked % 2 == 0)
        return CURLSTS_DONE;
    snprintf(entry->name, entry->namelen, "hsts.example");
    snprintf(entry->expire, sizeof(entry->expire), "20370320 01:02:03");
    return CURLSTS_OK;
}

static void hosts_are_read_once(void)
{
    unsigned asked = 0;
    web_start();
    CURL *easy = easy_new(web_url("a/s503x2/ok;text=x"), &body);
    if (curl_easy_setopt(easy, CURLOPT_HSTSREADFUNCTION, hand_out_host) != CURLE_OK)
        test_skip("this libcurl has no HSTS");
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_HSTSREADDATA, &asked), CURLE_OK);
    CHECK_INT(curl_easy_setopt(easy, CURLOPT_HSTS_CTRL, (long) CURLHSTS_ENABLE), CURLE_OK);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("a"), 3);
    CHECK_INT(asked, 2);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(asked, 4);
    curl_easy_cleanup(easy);
}

static const struct test tests[] = {
    {"offsets", LOCAL, offsets},
    {"numbers", LOCAL, numbers},
    {"refused_value", LOCAL, refused_value},
    {"blobs", LOCAL, blobs},
    {"functions", LOCAL, functions},
    {"pointers", LOCAL, pointers},
    {"fresh_connect", LOCAL, fresh_connect},
    {"hosts_are_read_once", LOCAL, hosts_are_read_once},
};

TEST_MAIN(tests)
