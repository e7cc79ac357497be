// SPDX-License-Identifier: MIT
// Requests and responses without a socket: which responses are repeated, which are passed on, and what is followed.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "process/process.h"
#include "wire/exchange.h"

#define POLICY                                                                                                         \
    "[local]\nhosts=127.0.0.1\nretry.backoff=fixed\nretry.base=50ms\nretry.jitter=none\nretry.attempts=3\nbreaker="    \
    "off\n"                                                                                                            \
    "timeout.total=100s\n"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
#define HEAD_OF(status, fields) "HTTP/1.1 " status " x\r\n" fields "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static char directory[] = "/tmp/rebound-exchange-XXXXXX";
static struct rb_link link_of_test;

static const char *path_of(const char *name)
{
    static char path[64];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static int start_process(void **state)
{
    (void) state;
    assert_non_null(mkdtemp(directory));
    FILE *file = fopen(path_of("policy.ini"), "w");
    assert_non_null(file);
    fputs(POLICY, file);
    fclose(file);
    setenv("REBOUND_POLICY", path_of("policy.ini"), 1);
    setenv("REBOUND_LOG", path_of("log"), 1);
    setenv("REBOUND_STATE", "private", 1);
    rb_process_load();
    assert_true(rb_process_active());
    return 0;
}

static int remove_files(void **state)
{
    (void) state;
    unlink(path_of("policy.ini"));
    unlink(path_of("log"));
    return rmdir(directory);
}

// A link that is claimed, as all functions of the unit expect.
static struct rb_link *fresh_link(void)
{
    static const uint8_t here[] = {127, 0, 0, 1};
    struct rb_link *link = &link_of_test;
    if (link->exchange)
        rb_exchange_end(link);
    memset(link, 0, sizeof(*link));
    link->fd = -1;
    link->peer.target.family = AF_INET;
    link->peer.target.port = 80;
    memcpy(link->peer.target.address, here, sizeof(here));
    return link;
}

static bool wrote(struct rb_link *link, const char *text)
{
    return rb_exchange_wrote(link, text, strlen(text));
}

static bool has_read(struct rb_link *link, const char *text)
{
    return rb_exchange_read(link, text, strlen(text));
}

static struct rb_link *asked(const char *request)
{
    struct rb_link *link = fresh_link();
    assert_true(wrote(link, request));
    assert_int_equal(link->state, RB_LINK_SENT);
    return link;
}

static enum rb_look look(struct rb_link *link, const char *response, bool ended)
{
    struct rb_exchange *x = link->exchange;
    assert_true(rb_exchange_may_hold(link));
    x->seen_length = strlen(response);
    memcpy(x->seen, response, x->seen_length);
    return rb_exchange_look(link, ended, UINT64_MAX);
}

static void expect_pass(const char *request, const char *response, bool ended)
{
    struct rb_link *link = asked(request);
    assert_int_equal(look(link, response, ended), RB_LOOK_PASS);
    assert_false(rb_exchange_may_hold(link)); // it is not examined again
}

// --- requests

static void a_request_may_come_in_any_pieces(void **state)
{
    static const char request[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    (void) state;
    for (size_t size = 1; size < sizeof(request); size++) {
        struct rb_link *link = fresh_link();
        for (size_t at = 0; at < sizeof(request) - 1; at += size) {
            size_t left = sizeof(request) - 1 - at, piece = size < left ? size : left;
            assert_int_equal(link->state, at == 0 ? RB_LINK_IDLE : RB_LINK_SENDING);
            assert_true(rb_exchange_wrote(link, request + at, piece));
        }
        assert_int_equal(link->state, RB_LINK_SENT);
        assert_int_equal(link->exchange->request_length, sizeof(request) - 1);
        assert_memory_equal(link->exchange->request, request, sizeof(request) - 1);
    }
}

static void bytes_that_are_no_request_end_the_link(void **state)
{
    static const char *const others[] = {"\x16\x03\x01", "*1\r\n",   "SSH-2.0-x\r\n",
                                         "GET key\r\n",  "GET \x01", "get / HTTP/1.1\r\n"};
    (void) state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(wrote(fresh_link(), others[i]));
}

static void pipelined_requests_end_the_link(void **state)
{
    (void) state;
    assert_false(wrote(fresh_link(), GET "G"));
    assert_false(wrote(asked(GET), "G"));
    struct rb_link *link = fresh_link();
    assert_true(wrote(link, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"));
    assert_false(wrote(link, "bG"));
}

// Bytes of a body that do not fit are followed, but the request is not kept.
static void a_request_that_is_too_long_is_not_held(void **state)
{
    static char body[RB_EXCHANGE_SIZE];
    char head[100];
    (void) state;
    for (int over = 0; over < 2; over++) {
        struct rb_link *link = fresh_link();
        int length = snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nContent-Length: %05d\r\n\r\n", 0);
        int size = RB_EXCHANGE_SIZE - length + over;
        snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nContent-Length: %05d\r\n\r\n", size);
        assert_true(wrote(link, head));
        assert_true(rb_exchange_wrote(link, body, (size_t) size));
        assert_int_equal(link->state, RB_LINK_SENT);
        assert_int_equal(rb_exchange_may_hold(link), !over);
    }
}

static void some_requests_are_never_held(void **state)
{
    (void) state;
    assert_false(rb_exchange_may_hold(asked("GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n")));
    assert_false(rb_exchange_may_hold(asked("GET / HTTP/1.1\r\nUpgrade: other\r\n\r\n")));
    assert_false(rb_exchange_may_hold(asked("CONNECT a:443 HTTP/1.1\r\n\r\n")));
}

// --- responses before the program reads them

static void a_whole_response_of_a_retried_status_is_repeated(void **state)
{
    static const char *const responses[] = {
        BUSY,
        HEAD_OF("429", "Content-Length: 0\r\n"),
        HEAD_OF("503", CHUNKED) "4\r\nbusy\r\n0\r\n\r\n",
        HEAD_OF("503", CHUNKED) "0\r\nTrailer: x\r\n\r\n",
    };
    (void) state;
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
        struct rb_link *link = asked(GET);
        assert_int_equal(look(link, responses[i], false), RB_LOOK_RETRY);
        assert_true(link->exchange->due_ms > 0);
    }
}

static void each_prefix_of_a_response_asks_for_more(void **state)
{
    static const char response[] = HEAD_OF("503", CHUNKED) "4\r\nbusy\r\n0\r\n\r\n";
    char text[sizeof(response)];
    (void) state;
    struct rb_link *link = asked(GET);
    for (size_t length = 0; length < sizeof(response) - 1; length++) {
        memcpy(text, response, length);
        text[length] = '\0';
        assert_int_equal(look(link, text, false), RB_LOOK_MORE);
    }
    assert_int_equal(look(link, response, false), RB_LOOK_RETRY);
}

static void a_response_up_to_the_end_needs_the_end(void **state)
{
    (void) state;
    struct rb_link *link = asked(GET);
    assert_int_equal(look(link, HEAD_OF("503", "") "busy", false), RB_LOOK_MORE);
    assert_int_equal(look(link, HEAD_OF("503", "") "busy", true), RB_LOOK_RETRY);
}

static void a_response_to_head_has_no_body(void **state)
{
    (void) state;
    assert_int_equal(look(asked("HEAD / HTTP/1.1\r\n\r\n"), HEAD_OF("503", "Content-Length: 4\r\n"), false),
                     RB_LOOK_RETRY);
}

static void other_responses_are_passed_on(void **state)
{
    (void) state;
    expect_pass(GET, OK, false);
    expect_pass(GET, "HTTP/1.1 200", false); // its head need not be whole
    expect_pass(GET, HEAD_OF("404", "Content-Length: 0\r\n"), false);
    expect_pass(GET, HEAD_OF("103", "Link: a\r\n") BUSY, false);
    expect_pass(GET, HEAD_OF("503", "Content-Type: text/event-stream\r\n"), false);
    expect_pass(GET, "<html>", false);
    expect_pass(GET, "HTTP/1.1 503 Busy\n\nbusy", false);
    expect_pass(GET, HEAD_OF("503", "Content-Length: 1\r\nContent-Length: 2\r\n") "ab", false);
    expect_pass(GET, HEAD_OF("503", CHUNKED) "no size\r\n", false);
    expect_pass(GET, BUSY "x", false); // bytes behind it
    expect_pass("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", BUSY, false);
    expect_pass("PUT / HTTP/1.1\r\nIf-Match: \"a\"\r\nContent-Length: 0\r\n\r\n", BUSY, false);
}

static void a_response_that_is_cut_off_is_passed_on(void **state)
{
    (void) state;
    expect_pass(GET, "HTTP/1.1 503", true);
    expect_pass(GET, HEAD_OF("503", "Content-Length: 5\r\n") "busy", true);
    expect_pass(GET, HEAD_OF("503", CHUNKED) "4\r\nbusy\r\n0\r\n", true);
}

static void a_response_that_is_too_long_is_passed_on(void **state)
{
    (void) state;
    struct rb_link *link = asked(GET);
    struct rb_exchange *x = link->exchange;
    static const char head[] = HEAD_OF("503", "Content-Length: 65536\r\n");
    memset(x->seen, 'x', sizeof(x->seen));
    memcpy(x->seen, head, sizeof(head) - 1);
    x->seen_length = sizeof(x->seen) - 1;
    assert_int_equal(rb_exchange_look(link, false, UINT64_MAX), RB_LOOK_MORE);
    x->seen_length = sizeof(x->seen);
    assert_int_equal(rb_exchange_look(link, false, UINT64_MAX), RB_LOOK_PASS);
    assert_int_equal(x->reason, RB_REASON_OVERFLOW);
}

// The longest response that fits is repeated.
static void a_response_that_just_fits_is_repeated(void **state)
{
    (void) state;
    struct rb_link *link = asked(GET);
    struct rb_exchange *x = link->exchange;
    char head[100];
    int length = snprintf(head, sizeof(head), HEAD_OF("503", "Content-Length: %05d\r\n"), 0);
    snprintf(head, sizeof(head), HEAD_OF("503", "Content-Length: %05d\r\n"), RB_EXCHANGE_SIZE - length);
    memset(x->seen, 'x', sizeof(x->seen));
    memcpy(x->seen, head, (size_t) length);
    x->seen_length = sizeof(x->seen);
    assert_int_equal(rb_exchange_look(link, false, UINT64_MAX), RB_LOOK_RETRY);
}

// --- the server's hints

static uint64_t delay_after(const char *response)
{
    struct rb_link *link = asked(GET);
    uint64_t begun_ms = link->exchange->call.attempt_started_ms;
    assert_int_equal(look(link, response, false), RB_LOOK_RETRY);
    return link->exchange->due_ms - begun_ms;
}

static void a_retry_after_delays_the_repetition(void **state)
{
    (void) state;
    assert_in_range(delay_after(BUSY), 50, 8999);
    assert_true(delay_after(HEAD_OF("503", "Retry-After: 9\r\nContent-Length: 0\r\n")) >= 9000);
    assert_true(delay_after(HEAD_OF("429", "Retry-After: 9\r\n" CHUNKED) "1\r\nx\r\n0\r\n\r\n") >= 9000);
}

// The same body with a length, and in two chunks that cut it at `cut`.
static const char *plain_429(const char *body)
{
    static char text[300];
    snprintf(text, sizeof(text), HEAD_OF("429", "Content-Type: application/json\r\nContent-Length: %zu\r\n") "%s",
             strlen(body), body);
    return text;
}

static const char *chunked_429(const char *body, size_t cut)
{
    static char text[300];
    snprintf(text, sizeof(text),
             HEAD_OF("429", "Content-Type: application/json\r\n" CHUNKED) "%zx\r\n%.*s\r\n%zx\r\n%s\r\n0\r\n\r\n", cut,
             (int) cut, body, strlen(body) - cut, body + cut);
    return text;
}

// A quota that is used up is no reason to ask again. Its name stands in the body, whole or cut in two.
static void an_exhausted_quota_is_not_repeated(void **state)
{
    static const char quota[] = "{\"error\":{\"code\":\"insufficient_quota\"}}";
    static const char rate[] = "{\"error\":{\"code\":\"rate_limit_exceeded\"}}";
    (void) state;
    expect_pass(GET, plain_429(quota), false);
    assert_int_equal(look(asked(GET), plain_429(rate), false), RB_LOOK_RETRY);
    for (size_t cut = 1; cut < sizeof(quota) - 1; cut++)
        expect_pass(GET, chunked_429(quota, cut), false);
    assert_int_equal(look(asked(GET), chunked_429(rate, 25), false), RB_LOOK_RETRY);
}

// --- limits

static void a_limit_of_the_program_prevents_the_repetition(void **state)
{
    (void) state;
    struct rb_link *link = asked(GET);
    struct rb_exchange *x = link->exchange;
    x->seen_length = strlen(BUSY);
    memcpy(x->seen, BUSY, x->seen_length);
    assert_int_equal(rb_exchange_look(link, false, x->call.attempt_started_ms + 20), RB_LOOK_PASS);
}

static void the_attempts_are_counted(void **state)
{
    (void) state;
    struct rb_link *link = asked(GET);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(look(link, BUSY, false), RB_LOOK_RETRY);
        assert_true(rb_exchange_again(link));
        assert_int_equal(link->exchange->held_length, strlen(BUSY));
    }
    assert_int_equal(look(link, BUSY, false), RB_LOOK_PASS);
}

static void a_failed_repetition_gives_the_held_response(void **state)
{
    (void) state;
    struct rb_link *link = asked(GET);
    assert_false(rb_exchange_fall_back(link, RB_REASON_NONE)); // nothing is held
    assert_int_equal(look(link, BUSY, false), RB_LOOK_RETRY);
    assert_true(rb_exchange_again(link));
    assert_true(rb_exchange_fall_back(link, RB_REASON_INTERRUPTED));
    assert_int_equal(link->state, RB_LINK_DELIVER);
    assert_memory_equal(link->exchange->held, BUSY, strlen(BUSY));
}

static void a_connection_that_broke_is_repeated_if_the_method_allows(void **state)
{
    (void) state;
    assert_true(rb_exchange_broke(asked(GET), ECONNRESET, true, UINT64_MAX));
    assert_true(rb_exchange_broke(asked(GET), 0, true, UINT64_MAX));
    assert_false(rb_exchange_broke(asked(GET), ECONNRESET, false, UINT64_MAX));
    assert_false(
        rb_exchange_broke(asked("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), ECONNRESET, true, UINT64_MAX));
}

// --- what the program reads

static void a_response_is_followed_to_its_end_in_any_pieces(void **state)
{
    static const char *const responses[] = {OK, HEAD_OF("103", "") OK, HEAD_OF("200", CHUNKED) "4\r\ngood\r\n0\r\n\r\n",
                                            HEAD_OF("204", ""), BUSY};
    (void) state;
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
        for (size_t size = 1; size <= strlen(responses[i]); size++) {
            struct rb_link *link = asked(GET);
            for (size_t at = 0; at < strlen(responses[i]); at += size) {
                size_t left = strlen(responses[i]) - at;
                assert_int_not_equal(link->state, RB_LINK_IDLE);
                assert_true(rb_exchange_read(link, responses[i] + at, size < left ? size : left));
            }
            assert_int_equal(link->state, RB_LINK_IDLE);
            assert_null(link->exchange);
            assert_int_equal(link->exchanges, 1);
        }
}

static void reads_that_end_the_link(void **state)
{
    (void) state;
    assert_false(has_read(fresh_link(), "x"));         // unasked
    assert_false(has_read(asked(GET), OK "x"));        // bytes behind the response
    assert_false(has_read(asked(GET), "<html>"));      // no HTTP/1.x
    assert_false(rb_exchange_read(asked(GET), "", 0)); // cut off
    assert_false(has_read(asked("GET / HTTP/1.1\r\nUpgrade: other\r\n\r\n"), HEAD_OF("101", "Upgrade: other\r\n")));
    assert_false(has_read(asked(GET), HEAD_OF("200", "Connection: close\r\nContent-Length: 0\r\n")));
    struct rb_link *link = asked(GET);
    assert_true(has_read(link, HEAD_OF("200", "") "until the end"));
    assert_false(rb_exchange_read(link, "", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_may_come_in_any_pieces),
        cmocka_unit_test(bytes_that_are_no_request_end_the_link),
        cmocka_unit_test(pipelined_requests_end_the_link),
        cmocka_unit_test(a_request_that_is_too_long_is_not_held),
        cmocka_unit_test(some_requests_are_never_held),
        cmocka_unit_test(a_whole_response_of_a_retried_status_is_repeated),
        cmocka_unit_test(each_prefix_of_a_response_asks_for_more),
        cmocka_unit_test(a_response_up_to_the_end_needs_the_end),
        cmocka_unit_test(a_response_to_head_has_no_body),
        cmocka_unit_test(other_responses_are_passed_on),
        cmocka_unit_test(a_response_that_is_cut_off_is_passed_on),
        cmocka_unit_test(a_response_that_is_too_long_is_passed_on),
        cmocka_unit_test(a_response_that_just_fits_is_repeated),
        cmocka_unit_test(a_retry_after_delays_the_repetition),
        cmocka_unit_test(an_exhausted_quota_is_not_repeated),
        cmocka_unit_test(a_limit_of_the_program_prevents_the_repetition),
        cmocka_unit_test(the_attempts_are_counted),
        cmocka_unit_test(a_failed_repetition_gives_the_held_response),
        cmocka_unit_test(a_connection_that_broke_is_repeated_if_the_method_allows),
        cmocka_unit_test(a_response_is_followed_to_its_end_in_any_pieces),
        cmocka_unit_test(reads_that_end_the_link),
    };
    return cmocka_run_group_tests(tests, start_process, remove_files);
}
