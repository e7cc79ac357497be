// SPDX-License-Identifier: MIT
// Which requests are sent again: by method, idempotency key, what was sent of them, and where their body comes from.
#include "web.h"

static struct bytes body;

static void check_sent(const char *key, int times, const char *reason)
{
    CHECK_INT(web_count(key), times);
    if (reason)
        CHECK_INT(test_log(STOP, reason), 1);
}

// A POST that the server answered is not repeated.
static void post_answered(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "x=1");
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 503);
    CHECK_TEXT(body.at, "status 503\n");
    check_sent("a", 1, "\"reason\":\"method\"");
    curl_easy_cleanup(easy);
}

// A POST that the server may have received is not repeated.
static void post_reset(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/reset/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "x=1");
    CHECK(curl_easy_perform(easy) != CURLE_OK);
    check_sent("a", 1, "\"reason\":\"method\"");
    curl_easy_cleanup(easy);
}

// A POST that was never sent is repeated. The server gets the whole body once.
static void *serve_late(void *context)
{
    char request[4096] = "";
    size_t used = 0;
    const struct port *port = context;
    test_await_log(RETRY, "\"cause\":\"refused\"", 2);
    CHECK_INT(listen(port->fd, 4), 0);
    int fd = accept(port->fd, NULL, NULL);
    while (!strstr(request, "x=1")) {
        ssize_t got = read(fd, request + used, sizeof(request) - 1 - used);
        CHECK(got > 0);
        used += (size_t) got;
    }
    CHECK(strncmp(request, "POST / ", 7) == 0);
    CHECK(write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ngood\n", 43) == 43);
    close(fd);
    return NULL;
}

static void post_refused(void)
{
    struct port port = port_new();
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, serve_late, &port), 0);
    CURL *easy = easy_new(port_url(&port, ""), &body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "x=1");
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good\n");
    CHECK_INT(test_log(RECOVERED, ""), 1);
    thread_end(thread);
    curl_easy_cleanup(easy);
}

// A program that connects for libcurl, blocking: that connect is part of the transfer and not repeated by itself.
static curl_socket_t connect_for_libcurl(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    (void) context, (void) purpose;
    CHECK_INT(connect(fd, &address->addr, address->addrlen), -1);
    CHECK_INT(errno, ECONNREFUSED);
    return fd;
}

static void repeated_by_one_layer(void)
{
    struct port port = port_new();
    CURL *easy = easy_new(port_url(&port, ""), &body);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, connect_for_libcurl);
    CHECK_INT(curl_easy_perform(easy), CURLE_COULDNT_CONNECT);
    CHECK_INT(test_log(RETRY, "\"api\":\"curl\""), 2);
    CHECK_INT(test_log("\"api\":\"connect\"", ""), 0);
    CHECK_INT(dial_once(&port), ECONNREFUSED); // outside of the transfer it is repeated
    CHECK_INT(test_log(RETRY, "\"api\":\"connect\""), 2);
    curl_easy_cleanup(easy);
}

// A key that marks a request as idempotent, and one that the program took off again.
static void idempotency_key(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    struct curl_slist *lines = curl_slist_append(NULL, "idempotency-key: 17");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "x=1");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good a\n");
    check_sent("a", 2, NULL);
    struct curl_slist *removed = curl_slist_append(NULL, "Idempotency-Key:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, removed);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s503/ok"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    check_sent("b", 1, "\"reason\":\"method\"");
    curl_slist_free_all(lines);
    curl_slist_free_all(removed);
    curl_easy_cleanup(easy);
}

// A request with one header line, whose first answer is lost. Returns how often it reached the server.
static int lost_with(const char *key, const char *method, const char *line)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/reset/ok", key);
    CURL *easy = easy_new(web_url(path), &body);
    struct curl_slist *lines = curl_slist_append(NULL, line);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    CURLcode code = curl_easy_perform(easy);
    int count = web_count(key);
    CHECK_INT(code == CURLE_OK, count == 2);
    curl_slist_free_all(lines);
    curl_easy_cleanup(easy);
    return count;
}

// A change under a condition is not repeated: it may have been made, and then the condition fails.
static void conditions(void)
{
    web_start();
    CHECK_INT(lost_with("a", "PUT", "If-Match: \"v1\""), 1);
    CHECK_INT(lost_with("b", "DELETE", "if-none-match: *"), 1);
    CHECK_INT(lost_with("c", "POST", "IF-UNMODIFIED-SINCE: Sat, 29 Oct 1994 19:43:31 GMT"), 1);
    CHECK_INT(lost_with("d", "get", "If-Match:*"), 1); // methods differ by case
    CHECK_INT(lost_with("e", "PUT", "If-Match;"), 1);  // sent empty
    CHECK_INT(test_log(STOP, "\"reason\":\"method\""), 5);
    CHECK_INT(lost_with("f", "PUT", "If-Match:"), 2); // not sent
    CHECK_INT(lost_with("g", "PUT", "If-Match: "), 2);
    CHECK_INT(lost_with("h", "PUT", "If-Matches: x"), 2);
    CHECK_INT(lost_with("i", "PUT", "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT"), 2);
    CHECK_INT(lost_with("j", "GET", "If-None-Match: \"v1\""), 2);
    CHECK_INT(lost_with("k", "PROPFIND", "If-Match: \"v1\""), 2);
}

// A condition wins over a key that marks the request as idempotent, and over an answer that asks to come again.
static void condition_and_key(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    struct curl_slist *lines = curl_slist_append(NULL, "Idempotency-Key: 17");
    lines = curl_slist_append(lines, "If-Match: \"v1\"");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "x=1");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    check_sent("a", 1, "\"reason\":\"method\"");
    curl_slist_free_all(lines);
    curl_easy_cleanup(easy);
}

// libcurl makes the condition by itself.
static void time_condition(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/reset/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
    curl_easy_setopt(easy, CURLOPT_TIMEVALUE, 1000000000L);
    curl_easy_setopt(easy, CURLOPT_TIMECONDITION, (long) CURL_TIMECOND_IFUNMODSINCE);
    CURL *copy = curl_easy_duphandle(easy);
    CHECK(curl_easy_perform(easy) != CURLE_OK);
    check_sent("a", 1, "\"reason\":\"method\"");
    curl_easy_setopt(copy, CURLOPT_URL, web_url("b/reset/ok"));
    CHECK(curl_easy_perform(copy) != CURLE_OK);
    check_sent("b", 1, NULL);
    curl_easy_setopt(easy, CURLOPT_TIMECONDITION, (long) CURL_TIMECOND_IFMODSINCE);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("c/reset/ok"));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    check_sent("c", 2, NULL);
    curl_easy_cleanup(easy);
    curl_easy_cleanup(copy);
}

// One that provably never left is repeated.
static void condition_refused(void)
{
    struct port port = port_new();
    CURL *easy = easy_new(port_url(&port, ""), &body);
    struct curl_slist *lines = curl_slist_append(NULL, "If-Match: \"v1\"");
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    CHECK_INT(curl_easy_perform(easy), CURLE_COULDNT_CONNECT);
    CHECK_INT(test_log(RETRY, "\"cause\":\"refused\""), 2);
    curl_slist_free_all(lines);
    curl_easy_cleanup(easy);
}

// Where the policy allows it a POST from memory is sent again, each time with the same body.
static void all_methods(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/reset/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "seven b");
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good a\n");
    check_sent("a", 3, NULL);
    char *bytes = web_ask("bytes/a");
    CHECK_INT(atoi(bytes), 21);
    free(bytes);
    curl_easy_cleanup(easy);
}

// The word that counts is the one on the wire.
static void custom_method(const char *word, int times)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/s503/ok", word);
    CURL *easy = easy_new(web_url(path), &body);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, word);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count(word), times);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL); // GET again
    snprintf(path, sizeof(path), "%s-get/s503/ok", word);
    curl_easy_setopt(easy, CURLOPT_URL, web_url(path));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    curl_easy_cleanup(easy);
}

static void custom_methods(void)
{
    web_start();
    custom_method("DELETE", 2);
    custom_method("OPTIONS", 2);
    custom_method("PATCH", 1);
    custom_method("get", 1); // methods are case-sensitive
}

// The last option that implies a method wins, as in libcurl.
static void method_options(void)
{
    web_start();
    CURL *easy = easy_new(web_url("head/s503/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "x=1");
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("head"), 2);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("get/s503/ok"));
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("get"), 2);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("post/s503/ok"));
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(web_count("post"), 1);
    curl_easy_cleanup(easy);
}

// An upload from a read function without a seek function: 64 KiB are kept.
static size_t feed(char *data, size_t size, size_t count, void *context)
{
    size_t *left = context, part = size * count < *left ? size * count : *left;
    memset(data, 'x', part);
    *left -= part;
    return part;
}

static void upload(void)
{
    size_t left;
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, feed);
    curl_easy_setopt(easy, CURLOPT_READDATA, &left);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) (left = 5));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    CHECK_INT(web_count("a"), 2);
    body.length = 0;
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s503/ok"));
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) (left = 100000));
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 503);
    CHECK_TEXT(body.at, "status 503\n");
    check_sent("b", 1, "\"reason\":\"upload\"");
    curl_easy_cleanup(easy);
}

// The read function sets the source of the next transfer. libcurl uses it from the next transfer on.
struct successor {
    CURL *easy;
    size_t left;
    struct successor *next;
};

static size_t feed_a_little(char *data, size_t size, size_t count, void *context)
{
    struct successor *source = context;
    size_t part = source->left < 10 ? source->left : 10;
    CHECK(size * count >= part);
    curl_easy_setopt(source->easy, CURLOPT_READDATA, source->next);
    memset(data, 'x', part);
    source->left -= part;
    return part;
}

static void next_upload(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    struct successor second = {easy, 500, &second}, first = {easy, 500, &second};
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, feed_a_little);
    curl_easy_setopt(easy, CURLOPT_READDATA, &first);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    CHECK_INT((int) first.left, 0);
    CHECK_INT((int) second.left, 500);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT((int) second.left, 0);
    curl_easy_cleanup(easy);
}

static void form(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    curl_mime *mime = curl_mime_init(easy);
    curl_mimepart *part = curl_mime_addpart(mime);
    curl_mime_name(part, "x");
    curl_mime_data(part, "1", CURL_ZERO_TERMINATED);
    curl_easy_setopt(easy, CURLOPT_MIMEPOST, mime);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    check_sent("a", 2, NULL);
    curl_easy_cleanup(easy);
    curl_mime_free(mime);
}

// An address given as a parsed URL, which wins over CURLOPT_URL.
static void parsed_url(void)
{
    web_start();
    CURLU *url = curl_url();
    CURL *easy = easy_new("http://127.0.0.2:1/", &body);
    CHECK_INT(curl_url_set(url, CURLUPART_URL, web_url("a/s503/ok"), 0), CURLUE_OK);
    curl_easy_setopt(easy, CURLOPT_CURLU, url);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "good a\n");
    check_sent("a", 2, NULL);
    CHECK_INT(curl_url_set(url, CURLUPART_URL, web_url("b/s503/ok"), 0), CURLUE_OK); // changed behind our back
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    check_sent("b", 2, NULL);
    curl_easy_cleanup(easy);
    curl_url_cleanup(url);
}

// CURLOPT_URL is copied by libcurl, so a program may reuse its buffer.
static void borrowed_url(void)
{
    char url[256];
    web_start();
    snprintf(url, sizeof(url), "%s", web_url("a/s503/ok"));
    CURL *easy = easy_new(url, &body);
    memset(url, 'x', sizeof(url) - 1);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    check_sent("a", 2, NULL);
    curl_easy_cleanup(easy);
}

// Without a scheme libcurl means http.
static void bare_url(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok") + strlen("http://"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    check_sent("a", 2, NULL);
    curl_easy_cleanup(easy);
}

// CURLOPT_PORT wins over the port of the URL, for matching and in the log.
static void port_option(void)
{
    char host[64];
    web_start();
    long port = strtol(strrchr(web_url(""), ':') + 1, NULL, 10);
    CURL *easy = easy_new("http://127.0.0.1/a/s503/ok", &body);
    curl_easy_setopt(easy, CURLOPT_PORT, port);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    snprintf(host, sizeof(host), "\"host\":\"127.0.0.1:%ld\"", port);
    CHECK_INT(test_log("retry", host), 1);
    curl_easy_cleanup(easy);
}

// A URL without a scheme is what CURLOPT_DEFAULT_PROTOCOL says, and so not ours to take for http.
static void default_protocol(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok") + strlen("http://"), &body);
    curl_easy_setopt(easy, CURLOPT_DEFAULT_PROTOCOL, "http");
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 503);
    curl_easy_setopt(easy, CURLOPT_URL, web_url("b/s503/ok")); // says it itself
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 200);
    curl_easy_cleanup(easy);
}

// A host that no section names is left alone.
static void unmatched(void)
{
    web_start();
    CURL *easy = easy_new(web_url("a/s503/ok"), &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_INT(STATUS(easy), 503);
    CHECK_INT(web_count("a"), 1);
    CHECK_INT(test_log_lines(), 0);
    curl_easy_cleanup(easy);
}

// Transfers that are not HTTP go their own way.
static void other_scheme(void)
{
    char url[600];
    test_write(test_path("file"), "text\n");
    snprintf(url, sizeof(url), "file://%s", test_path("file"));
    CURL *easy = easy_new(url, &body);
    CHECK_INT(curl_easy_perform(easy), CURLE_OK);
    CHECK_TEXT(body.at, "text\n");
    curl_easy_setopt(easy, CURLOPT_URL, "file:///nonexistent/file");
    CHECK_INT(curl_easy_perform(easy), CURLE_FILE_COULDNT_READ_FILE);
    CHECK_INT(test_log_lines(), 0);
    curl_easy_cleanup(easy);
}

static const struct test tests[] = {
    {"post_answered", LOCAL, post_answered},
    {"post_reset", LOCAL, post_reset},
    {"post_refused", LOCAL "retry.attempts=100\n", post_refused},
    {"repeated_by_one_layer", LOCAL, repeated_by_one_layer},
    {"idempotency_key", LOCAL, idempotency_key},
    {"conditions", LOCAL "retry.methods=all\n", conditions},
    {"condition_and_key", LOCAL, condition_and_key},
    {"time_condition", LOCAL, time_condition},
    {"condition_refused", LOCAL, condition_refused},
    {"all_methods", LOCAL "retry.methods=all\n", all_methods},
    {"custom_methods", LOCAL, custom_methods},
    {"method_options", LOCAL, method_options},
    {"upload", LOCAL, upload},
    {"next_upload", LOCAL, next_upload},
    {"form", LOCAL "retry.methods=all\n", form},
    {"parsed_url", LOCAL, parsed_url},
    {"borrowed_url", LOCAL, borrowed_url},
    {"bare_url", LOCAL, bare_url},
    {"port_option", LOCAL, port_option},
    {"default_protocol", LOCAL, default_protocol},
    {"unmatched", "[other]\nhosts=127.0.0.2, localhost, 127.0.0.1:1\n" QUICK, unmatched},
    {"intercept_connect", LOCAL "intercept=connect\n", unmatched},
    {"other_scheme", "[default]\n" QUICK "[all]\nhosts=*\n", other_scheme},
};

TEST_MAIN(tests)
