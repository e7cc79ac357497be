// SPDX-License-Identifier: MIT
// The held response: which of its bytes reach the program's callbacks, and in which order.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "curl/response/response_private.h"

// What the program received: header pieces in upper-case brackets order, as one text.
struct program {
    char got[256 * 1024];
    size_t length;
    int pauses;        // how many deliveries are answered with PAUSE
    size_t short_from; // answer one byte less once this much was received
};

static size_t take(struct program *program, const char *bytes, size_t length)
{
    if (program->pauses > 0) {
        program->pauses--;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (program->short_from && program->length >= program->short_from)
        return length - 1;
    assert_true(program->length + length < sizeof(program->got));
    memcpy(program->got + program->length, bytes, length);
    program->length += length;
    program->got[program->length] = '\0';
    return length;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *data)
{
    return take(data, bytes, size * count);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    struct program *program = data;
    size_t taken = take(program, bytes, size * count);
    return taken;
}

struct fixture {
    struct program program;
    struct rb_handle handle;
    struct rb_rules rules;
    struct rb_response response;
    bool tunnel; // the next header block is a proxy's answer to CONNECT
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    f->handle.write = on_write;
    f->handle.write_data = &f->program;
    f->handle.write_data_set = true;
    f->handle.header = on_header;
    f->handle.header_data = &f->program;
    rb_rules_put(f->rules.statuses, 503, true);
    rb_response_begin(&f->response, &f->handle, &f->rules, &(struct rb_asked){0});
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    rb_response_end(&f->response);
    test_free(f);
    return 0;
}

// As libcurl does: each header line, with CURLOPT_HEADER first to the write callback; returns false on a short answer.
static bool header(struct fixture *f, const char *line)
{
    char copy[1024];
    size_t length = strlen(line);
    memcpy(copy, line, length);
    if (f->handle.include_header && rb_response_on_body(copy, 1, length, &f->response) != length)
        return false;
    return rb_response_on_header(copy, 1, length, &f->response) == length;
}

static size_t body(struct fixture *f, const char *text)
{
    char copy[1024];
    size_t length = strlen(text);
    memcpy(copy, text, length);
    return rb_response_on_body(copy, 1, length, &f->response);
}

static void block(struct fixture *f, const char *status_line)
{
    assert_true(header(f, status_line));
    assert_true(header(f, "A: b\r\n"));
    assert_true(header(f, "\r\n"));
}

// Begins an attempt whose response may be held, and receives two header blocks.
static void attempt_with(struct fixture *f, const char *first, const char *second)
{
    rb_response_attempt(&f->response, true);
    block(f, first);
    block(f, second);
}

static void test_good_response_passes_at_once(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    assert_true(header(f, "HTTP/1.1 200 OK\r\n"));
    assert_string_equal(f->program.got, "HTTP/1.1 200 OK\r\n");
    assert_true(header(f, "\r\n"));
    assert_int_equal(body(f, "good"), 4);
    assert_string_equal(f->program.got, "HTTP/1.1 200 OK\r\n\r\ngood");
    assert_int_equal(f->response.received, RB_RECEIVED_BODY);
}

static void test_retried_response_is_held_and_dropped(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 503 Busy\r\n");
    assert_int_equal(body(f, "sorry"), 5);
    assert_int_equal(f->program.length, 0);
    assert_false(rb_response_reached_program(&f->response));
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 200 OK\r\n");
    assert_int_equal(body(f, "good"), 4);
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED);
    assert_string_equal(f->program.got, "HTTP/1.1 200 OK\r\nA: b\r\n\r\ngood");
}

static void test_held_response_is_delivered_in_order(void **state)
{
    struct fixture *f = *state;
    f->handle.include_header = true;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 503 Busy\r\n");
    body(f, "sor");
    body(f, "ry");
    assert_true(header(f, "Trailer: x\r\n"));
    assert_int_equal(f->program.length, 0);
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED);
    assert_string_equal(f->program.got, "HTTP/1.1 503 Busy\r\nHTTP/1.1 503 Busy\r\nA: b\r\nA: b\r\n\r\n\r\nsorry"
                                        "Trailer: x\r\nTrailer: x\r\n");
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED); // nothing twice
    assert_int_equal(f->program.length, strlen(f->program.got));
}

static void test_last_attempt_is_not_held(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, false);
    assert_true(header(f, "HTTP/1.1 503 Busy\r\n"));
    assert_string_equal(f->program.got, "HTTP/1.1 503 Busy\r\n");
}

static void test_interim_blocks_are_shown_once(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        rb_response_attempt(&f->response, true);
        block(f, "HTTP/1.1 100 Continue\r\n");
        block(f, "HTTP/1.1 302 Found\r\n");
        block(f, i == 0 ? "HTTP/1.1 503 Busy\r\n" : "HTTP/1.1 200 OK\r\n");
        rb_response_finish(&f->response, 1, true);
    }
    assert_string_equal(f->program.got, "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 302 Found\r\nA: b\r\n\r\n"
                                        "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
}

static void test_changed_interim_block_is_not_skipped(void **state)
{
    struct fixture *f = *state;
    attempt_with(f, "HTTP/1.1 302 Found\r\n", "HTTP/1.1 503 Busy\r\n");
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 200 OK\r\n");
    assert_string_equal(f->program.got, "HTTP/1.1 302 Found\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n");
}

// The first attempt opens a tunnel. The second one uses the same tunnel, so that its response comes without the proxy's
// answer to CONNECT. Both have the status 200.
static void retry_in_one_tunnel(struct fixture *f)
{
    attempt_with(f, "HTTP/1.1 200 Connection established\r\n", "HTTP/1.1 503 Busy\r\n");
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 200 OK\r\n");
}

static void test_same_status_without_the_interim_block(void **state)
{
    struct fixture *f = *state;
    retry_in_one_tunnel(f);
    assert_int_equal(body(f, "good"), 4);
    assert_string_equal(f->program.got, "HTTP/1.1 200 Connection established\r\nA: b\r\n\r\n"
                                        "HTTP/1.1 200 OK\r\nA: b\r\n\r\ngood");
}

static void test_same_status_without_a_body(void **state)
{
    struct fixture *f = *state;
    retry_in_one_tunnel(f);
    rb_response_finish(&f->response, 0, true);
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED);
    assert_string_equal(f->program.got, "HTTP/1.1 200 Connection established\r\nA: b\r\n\r\n"
                                        "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
}

// --- a proxy's answers to CONNECT

static void ignore_redirect(void *context, const char *location, size_t length)
{
    (void) context;
    (void) location;
    (void) length;
}

static void ignore_answer(void *context, unsigned status)
{
    const struct fixture *f = context;
    assert_false(f->tunnel);
    assert_int_not_equal(status, 0);
}

static bool is_tunnel(void *context, unsigned status)
{
    const struct fixture *f = context;
    (void) status;
    return f->tunnel;
}

// Begins an attempt of a request that may not be repeated. A proxy answers its CONNECT.
static void attempt_by_proxy(struct fixture *f, const char *status_line)
{
    static const struct rb_response_listener listener = {ignore_redirect, ignore_answer, is_tunnel};
    rb_response_listen(&f->response, &listener, f);
    rb_response_hold_tunnels(&f->response, true);
    rb_response_attempt(&f->response, false);
    f->tunnel = true;
    assert_true(header(f, status_line));
    assert_string_equal(f->program.got, "");
    assert_true(header(f, "A: b\r\n"));
    assert_true(header(f, "\r\n"));
    f->tunnel = false;
}

static void test_tunnel_is_shown_before_the_request(void **state)
{
    struct fixture *f = *state;
    attempt_by_proxy(f, "HTTP/1.1 200 Granted\r\n");
    assert_string_equal(f->program.got, "HTTP/1.1 200 Granted\r\nA: b\r\n\r\n");
    struct rb_response_seen seen = rb_response_seen(&f->response);
    assert_true(!seen.answered && seen.finals == 0 && seen.status == 0);
    block(f, "HTTP/1.1 204 None\r\n");
    seen = rb_response_seen(&f->response);
    assert_true(seen.answered && seen.finals == 1 && seen.status == 204);
}

static void test_tunnel_is_shown_once(void **state)
{
    struct fixture *f = *state;
    attempt_by_proxy(f, "HTTP/1.1 200 Granted\r\n");
    rb_response_finish(&f->response, 0, false);
    assert_false(rb_response_reached_program(&f->response));
    f->program.length = 0;
    f->program.got[0] = '\0';
    attempt_by_proxy(f, "HTTP/1.1 200 Granted\r\n");
    assert_string_equal(f->program.got, "");
    block(f, "HTTP/1.1 200 OK\r\n");
    assert_string_equal(f->program.got, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
}

static void test_refused_tunnel_is_held(void **state)
{
    struct fixture *f = *state;
    attempt_by_proxy(f, "HTTP/1.1 503 First\r\n");
    rb_response_finish(&f->response, 0, false);
    assert_false(rb_response_reached_program(&f->response));
    f->handle.include_header = true;
    attempt_by_proxy(f, "HTTP/1.1 503 Second\r\n");
    rb_response_finish(&f->response, 0, false);
    assert_string_equal(f->program.got, "");
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED);
    assert_string_equal(f->program.got, "HTTP/1.1 503 Second\r\nHTTP/1.1 503 Second\r\nA: b\r\nA: b\r\n\r\n\r\n");
}

static void test_login_at_the_proxy_is_not_held(void **state)
{
    struct fixture *f = *state;
    rb_rules_put(f->rules.statuses, 407, true);
    attempt_by_proxy(f, "HTTP/1.1 407 Login\r\n");
    assert_string_equal(f->program.got, "HTTP/1.1 407 Login\r\nA: b\r\n\r\n");
    assert_false(rb_response_reached_program(&f->response));
}

static void test_answer_to_connect_breaks_off(void **state)
{
    struct fixture *f = *state;
    attempt_by_proxy(f, "HTTP/1.1 503 Busy\r\n");
    rb_response_attempt(&f->response, false);
    f->tunnel = true;
    assert_true(header(f, "HTTP/1.1 200 Granted\r\n"));
    rb_response_finish(&f->response, 0, false);
    assert_false(rb_response_reached_program(&f->response));
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED);
    assert_string_equal(f->program.got, "HTTP/1.1 200 Granted\r\n");
}

// libcurl passes the blank line again after the pause.
static void test_pause_at_the_end_of_a_tunnel(void **state)
{
    struct fixture *f = *state;
    char blank[] = "\r\n";
    attempt_by_proxy(f, "HTTP/1.1 503 Busy\r\n");
    rb_response_attempt(&f->response, false);
    f->tunnel = true;
    assert_true(header(f, "HTTP/1.1 200 Granted\r\n"));
    f->program.pauses = 1;
    assert_int_equal(rb_response_on_header(blank, 1, 2, &f->response), CURL_WRITEFUNC_PAUSE);
    assert_int_equal(rb_response_on_header(blank, 1, 2, &f->response), 2);
    assert_string_equal(f->program.got, "HTTP/1.1 200 Granted\r\n\r\n");
}

// With CURLOPT_HEADER, the write callback gets the blank line first. If the program pauses there, libcurl passes the
// line to both callbacks again.
static void test_pause_at_the_echo_of_a_tunnel(void **state)
{
    struct fixture *f = *state;
    char blank[] = "\r\n";
    f->handle.include_header = true;
    attempt_by_proxy(f, "HTTP/1.1 503 Busy\r\n");
    rb_response_attempt(&f->response, false);
    f->tunnel = true;
    assert_true(header(f, "HTTP/1.1 200 Granted\r\n"));
    f->program.pauses = 1;
    assert_int_equal(rb_response_on_body(blank, 1, 2, &f->response), CURL_WRITEFUNC_PAUSE);
    assert_true(header(f, "\r\n"));
    assert_string_equal(f->program.got, "HTTP/1.1 200 Granted\r\nHTTP/1.1 200 Granted\r\n\r\n\r\n");
    assert_int_equal(body(f, "\r\n"), 2); // no blank line
}

// A callback of the program can refuse the tunnel before the request is sent.
static void test_program_refuses_a_tunnel(void **state)
{
    struct fixture *f = *state;
    attempt_by_proxy(f, "HTTP/1.1 503 Busy\r\n");
    rb_response_attempt(&f->response, false);
    f->tunnel = true;
    assert_true(header(f, "HTTP/1.1 200 Granted\r\n"));
    assert_true(header(f, "A: b\r\n"));
    f->program.short_from = 1;
    assert_false(header(f, "\r\n"));
    assert_string_equal(f->program.got, "HTTP/1.1 200 Granted\r\n");
}

// The second attempt uses the tunnel of the first one. Its response is no answer to CONNECT, so it is passed at once.
static void test_response_in_a_kept_tunnel(void **state)
{
    struct fixture *f = *state;
    attempt_by_proxy(f, "HTTP/1.1 200 Granted\r\n");
    rb_response_attempt(&f->response, true);
    assert_true(header(f, "HTTP/1.1 200 OK\r\n"));
    assert_string_equal(f->program.got, "HTTP/1.1 200 Granted\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n");
}

static void test_redirect_then_transport_failure_counts_as_interim(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 302 Found\r\n");
    rb_response_finish(&f->response, 1, false);
    assert_false(rb_response_reached_program(&f->response));
    attempt_with(f, "HTTP/1.1 302 Found\r\n", "HTTP/1.1 200 OK\r\n");
    assert_string_equal(f->program.got, "HTTP/1.1 302 Found\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n");
}

static void test_unfollowed_redirect_is_final(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 302 Found\r\n");
    rb_response_finish(&f->response, 0, true);
    assert_true(rb_response_reached_program(&f->response));
}

static void test_over_the_cap_is_delivered_whole(void **state)
{
    struct fixture *f = *state;
    size_t expected = strlen("HTTP/1.1 503 Busy\r\nA: b\r\n\r\n");
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 503 Busy\r\n");
    for (int i = 0; i < 100; i++, expected += 1000) {
        char piece[1001];
        memset(piece, 'a' + i % 26, 1000);
        piece[1000] = '\0';
        assert_int_equal(body(f, piece), 1000);
    }
    assert_true(rb_response_overflowed(&f->response));
    assert_int_equal(f->program.length, expected);
    for (int i = 0; i < 100; i++)
        assert_int_equal(f->program.got[expected - 100000 + (size_t) i * 1000], 'a' + i % 26);
}

static void test_pause_resumes_at_the_same_piece(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 503 Busy\r\n");
    body(f, "sorry");
    f->program.pauses = 1;
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERY_PAUSED);
    assert_int_equal(f->program.length, 0);
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED);
    assert_string_equal(f->program.got, "HTTP/1.1 503 Busy\r\nA: b\r\n\r\nsorry");
}

static void test_pause_while_releasing_brings_the_bytes_again(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 503 Busy\r\n");
    f->program.pauses = 1;
    assert_false(header(f, "HTTP/1.1 200 OK\r\n")); // the 503 was interim after all: delivered first, which pauses
    assert_true(header(f, "HTTP/1.1 200 OK\r\n"));
    assert_true(header(f, "\r\n"));
    assert_string_equal(f->program.got, "HTTP/1.1 503 Busy\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
}

static void test_short_write_fails_the_delivery(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 503 Busy\r\n");
    body(f, "sorry");
    f->program.short_from = 10;
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERY_HEADER_REFUSED);
}

static void test_retry_after_of_the_last_block_counts(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    header(f, "HTTP/1.1 302 Found\r\n");
    header(f, "Retry-After: 50\r\n");
    header(f, "\r\n");
    header(f, "HTTP/1.1 503 Busy\r\n");
    header(f, "retry-AFTER:  7 \r\n");
    header(f, "\r\n");
    assert_int_equal(rb_response_hint(&f->response).source, RB_HINT_RETRY_AFTER);
    assert_int_equal(rb_response_hint(&f->response).wait_ms, 7000);
}

static void test_body_that_looks_like_a_status_line(void **state)
{
    struct fixture *f = *state;
    f->handle.include_header = true;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 200 OK\r\n");
    assert_int_equal(body(f, "HTTP/1.1 503 is a status line.\nSo much for that.\n"), 49);
    assert_int_not_equal(f->response.treatment, RB_TREATMENT_HOLD);
}

static void test_headers_without_callback_go_where_libcurl_sends_them(void **state)
{
    struct fixture *f = *state;
    f->handle.header = NULL; // HEADERDATA set: the write function gets them
    rb_response_attempt(&f->response, true);
    header(f, "HTTP/1.1 200 OK\r\n");
    assert_string_equal(f->program.got, "HTTP/1.1 200 OK\r\n");
    f->handle.header_data = NULL; // nowhere
    header(f, "A: b\r\n");
    assert_string_equal(f->program.got, "HTTP/1.1 200 OK\r\n");
}

// A block that has not ended when the attempt ends was cut off. Header lines that nobody receives leave the program
// with nothing, so the attempt may be repeated.
static void test_block_that_is_cut_off(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    assert_true(header(f, "HTTP/1.1 200 OK\r\n"));
    assert_true(rb_response_seen(&f->response).cut);
    assert_true(rb_response_reached_program(&f->response));
    f->handle.header = NULL;
    f->handle.header_data = NULL;
    rb_response_attempt(&f->response, true);
    assert_true(header(f, "HTTP/1.1 200 OK\r\n"));
    assert_true(rb_response_seen(&f->response).cut);
    assert_false(rb_response_reached_program(&f->response));
    assert_true(header(f, "\r\n"));
    assert_false(rb_response_seen(&f->response).cut);
}

// libcurl compares only the first byte of the line.
static void test_blank_line_with_more_in_it(void **state)
{
    struct fixture *f = *state;
    rb_response_attempt(&f->response, true);
    assert_true(header(f, "HTTP/1.1 200 OK\r\n"));
    assert_true(header(f, "\rA: b\r\n"));
    assert_false(rb_response_seen(&f->response).cut);
}

// The attempt before has shown the same interim block to the program.
static void test_interim_block_that_is_cut_off_is_not_shown_again(void **state)
{
    struct fixture *f = *state;
    attempt_with(f, "HTTP/1.1 103 Hints\r\n", "HTTP/1.1 503 Busy\r\n");
    rb_response_finish(&f->response, 0, true);
    f->program.length = 0;
    rb_response_attempt(&f->response, true);
    assert_true(header(f, "HTTP/1.1 103 Hints\r\n"));
    rb_response_finish(&f->response, 0, true);
    assert_int_equal(rb_response_deliver(&f->response), RB_DELIVERED);
    assert_int_equal(f->program.length, 0);
}

static void test_no_write_function_means_fwrite(void **state)
{
    struct fixture *f = *state;
    char written[64] = {0};
    FILE *file = fmemopen(written, sizeof(written), "w");
    f->handle.write = NULL;
    f->handle.write_data = file;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 200 OK\r\n");
    body(f, "to a file");
    fclose(file);
    assert_string_equal(written, "to a file");
}

// --- continuing

static size_t piece(struct fixture *f, const char *text, size_t from, size_t to)
{
    char copy[8192];
    memcpy(copy, text + from, to - from);
    return rb_response_on_body(copy, 1, to - from, &f->response);
}

static const char content[] = "0123456789abcdefghijklmnopqrstuvwxyz";
enum { CONTENT = sizeof(content) - 1 };

static void head(struct fixture *f, const char *status_line, const char *etag, const char *more)
{
    assert_true(header(f, status_line));
    assert_true(header(f, etag));
    assert_true(!*more || header(f, more));
    assert_true(header(f, "\r\n"));
}

static const char ok[] = "HTTP/1.1 200 OK\r\n", part[] = "HTTP/1.1 206 Part\r\n", one[] = "ETag: \"one\"\r\n",
                  sized[] = "Content-Length: 36\r\n", rest[] = "Content-Range: bytes 10-35/36\r\n";

// The first attempt ends after ten bytes. The test then forgets what the program has received.
static void break_off(struct fixture *f, const char *etag, const char *length)
{
    rb_response_attempt(&f->response, true);
    head(f, ok, etag, length);
    assert_int_equal(piece(f, content, 0, 10), 10);
    rb_response_finish(&f->response, 0, false);
    f->program.length = 0;
    f->program.got[0] = '\0';
}

// The next attempt asks for this range.
static void check_asks(struct fixture *f, const char *range)
{
    struct rb_asked missing;
    char text[48];
    assert_true(rb_response_can_continue(&f->response));
    assert_true(rb_response_continue(&f->response, &missing));
    rb_asked_format(&missing, text, sizeof(text));
    assert_string_equal(text, range);
}

static void go_on(struct fixture *f)
{
    check_asks(f, "10-");
    rb_response_attempt(&f->response, true);
}

static void test_range_continues(void **state)
{
    struct fixture *f = *state;
    break_off(f, one, sized);
    go_on(f);
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, 20), 10);
    assert_false(rb_response_continued(&f->response, true)); // well-ended, but too early
    assert_int_equal(piece(f, content, 20, CONTENT), CONTENT - 20);
    assert_false(rb_response_continued(&f->response, false));
    assert_true(rb_response_continued(&f->response, true));
    assert_string_equal(f->program.got, content + 10);
}

static void test_range_that_breaks_off_continues(void **state)
{
    struct fixture *f = *state;
    break_off(f, one, sized);
    go_on(f);
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, 20), 10);
    check_asks(f, "20-");
    rb_response_attempt(&f->response, true);
    head(f, part, one, "Content-Range: bytes 20-35/36\r\n");
    assert_int_equal(piece(f, content, 20, CONTENT), CONTENT - 20);
    assert_true(rb_response_continued(&f->response, true));
    assert_string_equal(f->program.got, content + 10);
}

// Each of these responses differs from the first one. None of its bytes reaches the program, and the transfer ends.
static void test_other_responses_do_not_continue(void **state)
{
    static const struct {
        const char *status_line, *etag, *more;
    } others[] = {
        {part, one, "Content-Range: bytes 9-35/36\r\n"},
        {part, one, "Content-Range: bytes 11-35/36\r\n"},
        {part, one, "Content-Range: bytes 10-34/36\r\n"},
        {part, one, "Content-Range: bytes 10-35/37\r\n"},
        {part, one, ""},
        {part, "ETag: \"two\"\r\n", rest},
        {part, "ETag: W/\"one\"\r\n", rest},
        {ok, "ETag: \"two\"\r\n", sized},
        {ok, "ETag: W/\"one\"\r\n", sized},
        {ok, one, "Content-Length: 37\r\n"},
        {ok, one, rest},
        {"HTTP/1.1 404 Gone\r\n", one, ""},
        {"HTTP/1.1 416 Range\r\n", one, "Content-Range: bytes */36\r\n"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        rb_response_end(&f->response);
        rb_response_begin(&f->response, &f->handle, &f->rules, &(struct rb_asked){0});
        break_off(f, one, sized);
        go_on(f);
        head(f, others[i].status_line, others[i].etag, others[i].more);
        assert_int_equal(piece(f, content, 10, CONTENT), 0);
        assert_int_equal(f->program.length, 0);
        assert_false(rb_response_can_continue(&f->response));
        assert_false(rb_response_continued(&f->response, true));
    }
}

static void test_repeated_status_is_swallowed(void **state)
{
    struct fixture *f = *state;
    break_off(f, one, sized);
    go_on(f);
    block(f, "HTTP/1.1 503 Busy\r\n");
    assert_int_equal(body(f, "sorry"), 5);
    assert_int_equal(f->program.length, 0);
    assert_false(rb_response_continued(&f->response, true));
    go_on(f);
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, CONTENT), CONTENT - 10);
    assert_true(rb_response_continued(&f->response, true));
}

static void test_weak_tag_is_no_ground_to_continue(void **state)
{
    struct fixture *f = *state;
    break_off(f, "ETag: W/\"one\"\r\n", sized);
    assert_false(rb_response_can_continue(&f->response));
}

// The second attempt sends the whole body again, in pieces of any size. The bytes that the program has are dropped.
static void test_whole_again_at_every_split(void **state)
{
    struct fixture *f = *state;
    for (size_t cut = 1; cut < CONTENT; cut++) {
        rb_response_end(&f->response);
        rb_response_begin(&f->response, &f->handle, &f->rules, &(struct rb_asked){0});
        break_off(f, one, sized);
        go_on(f);
        head(f, ok, one, sized);
        assert_int_equal(piece(f, content, 0, cut), cut);
        assert_int_equal(piece(f, content, cut, CONTENT), CONTENT - cut);
        assert_string_equal(f->program.got, content + 10);
        assert_true(rb_response_continued(&f->response, true));
    }
}

static void test_changed_whole_is_seen(void **state)
{
    struct fixture *f = *state;
    for (size_t at = 0; at < 10; at++) {
        char other[CONTENT + 1];
        memcpy(other, content, sizeof(other));
        other[at] ^= 1;
        rb_response_end(&f->response);
        rb_response_begin(&f->response, &f->handle, &f->rules, &(struct rb_asked){0});
        break_off(f, one, sized);
        go_on(f);
        head(f, ok, one, sized);
        assert_int_equal(piece(f, other, 0, 5), 5);
        assert_int_equal(piece(f, other, 5, CONTENT), 0);
        assert_int_equal(f->program.length, 0);
        assert_false(rb_response_can_continue(&f->response));
    }
}

static void test_pause_where_dropping_ends(void **state)
{
    struct fixture *f = *state;
    break_off(f, one, sized);
    go_on(f);
    head(f, ok, one, sized);
    assert_int_equal(piece(f, content, 0, 4), 4);
    f->program.pauses = 2;
    assert_int_equal(piece(f, content, 4, CONTENT), CURL_WRITEFUNC_PAUSE);
    assert_int_equal(piece(f, content, 4, CONTENT), CURL_WRITEFUNC_PAUSE);
    assert_int_equal(piece(f, content, 4, CONTENT), CONTENT - 4);
    assert_string_equal(f->program.got, content + 10);
    assert_true(rb_response_continued(&f->response, true));
}

static void test_header_of_a_part_is_not_echoed(void **state)
{
    struct fixture *f = *state;
    f->handle.include_header = true;
    break_off(f, one, sized);
    go_on(f);
    block(f, "HTTP/1.1 100 Continue\r\n");
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, CONTENT), CONTENT - 10);
    assert_string_equal(f->program.got, content + 10);
    assert_true(rb_response_continued(&f->response, true));
}

static void test_trailers_of_a_part_pass_once(void **state)
{
    struct fixture *f = *state;
    break_off(f, one, "");
    go_on(f);
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, CONTENT), CONTENT - 10);
    assert_true(header(f, "Trailer: x\r\n"));
    assert_string_equal(f->program.got + CONTENT - 10, "Trailer: x\r\n");
    assert_true(rb_response_continued(&f->response, true));
    assert_false(rb_response_can_continue(&f->response)); // if it breaks off here: they would come again
}

// The program itself asks for a range. Its response breaks off after ten bytes.
static void break_off_part(struct fixture *f, struct rb_asked asked, const char *content_range)
{
    rb_response_end(&f->response);
    rb_response_begin(&f->response, &f->handle, &f->rules, &asked);
    rb_response_attempt(&f->response, true);
    head(f, part, one, content_range);
    assert_int_equal(piece(f, content, 5, 15), 10);
    rb_response_finish(&f->response, 0, false);
    f->program.length = 0;
    f->program.got[0] = '\0';
}

static void test_range_of_the_program_continues(void **state)
{
    static const struct {
        struct rb_asked asked;
        const char *got, *asks, *gets;
        size_t end;
    } cases[] = {
        {{RB_ASKED_FROM, 5, 0}, "bytes 5-35/36", "15-", "bytes 15-35/36", 36},
        {{RB_ASKED_FROM, 5, 0}, "bytes 5-30/36", "15-30", "bytes 15-30/36", 31}, // the server sends less
        {{RB_ASKED_FROM, 5, 0}, "bytes 5-35/*", "15-35", "bytes 15-35/36", 36},
        {{RB_ASKED_SPAN, 5, 30}, "bytes 5-30/36", "15-30", "bytes 15-30/36", 31},
        {{RB_ASKED_SPAN, 5, 90}, "bytes 5-35/36", "15-35", "bytes 15-35/*", 36},
        {{RB_ASKED_SUFFIX, 0, 31}, "bytes 5-35/36", "15-35", "bytes 15-35/36", 36},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "Content-Range: %s\r\n", cases[i].got);
        break_off_part(f, cases[i].asked, line);
        check_asks(f, cases[i].asks);
        rb_response_attempt(&f->response, true);
        snprintf(line, sizeof(line), "Content-Range: %s\r\n", cases[i].gets);
        head(f, part, one, line);
        assert_int_equal(piece(f, content, 15, 20), 5);
        assert_false(rb_response_continued(&f->response, true));
        assert_int_equal(piece(f, content, 20, cases[i].end), cases[i].end - 20);
        assert_true(rb_response_continued(&f->response, true));
        assert_int_equal(rb_response_received(&f->response), cases[i].end - 5);
        assert_memory_equal(f->program.got, content + 15, cases[i].end - 15);
    }
}

// The server sends something other than what the program asked for.
static void test_other_range_than_the_programs(void **state)
{
    static const struct {
        struct rb_asked asked;
        const char *got;
    } cases[] = {
        {{RB_ASKED_WHOLE, 0, 0}, "Content-Range: bytes 5-35/36\r\n"},
        {{RB_ASKED_FROM, 4, 0}, "Content-Range: bytes 5-35/36\r\n"},
        {{RB_ASKED_SPAN, 5, 34}, "Content-Range: bytes 5-35/36\r\n"},
        {{RB_ASKED_SUFFIX, 0, 30}, "Content-Range: bytes 5-35/36\r\n"},
        {{RB_ASKED_FROM, 5, 0}, "Content-Range: bytes 5-35\r\n"},
        {{RB_ASKED_FROM, 5, 0}, "Content-Type: multipart/byteranges\r\n"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        break_off_part(f, cases[i].asked, cases[i].got);
        assert_false(rb_response_can_continue(&f->response));
    }
}

// None of these is the rest of the range "5-30" after ten bytes.
static void test_other_parts_do_not_continue_a_part(void **state)
{
    static const struct {
        const char *status_line, *etag, *more;
    } others[] = {
        {part, one, "Content-Range: bytes 15-35/36\r\n"},
        {part, one, "Content-Range: bytes 15-29/36\r\n"},
        {part, one, "Content-Range: bytes 15-30/37\r\n"},
        {part, one, "Content-Range: bytes 10-30/36\r\n"},
        {part, one, "Content-Range: bytes 5-31/36\r\n"},
        {part, "ETag: \"two\"\r\n", "Content-Range: bytes 15-30/36\r\n"},
        {part, "ETag: W/\"one\"\r\n", "Content-Range: bytes 15-30/36\r\n"},
        {ok, one, sized},
        {ok, one, "Content-Range: bytes 15-30/36\r\n"},
        {"HTTP/1.1 416 Range\r\n", one, "Content-Range: bytes */36\r\n"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        break_off_part(f, (struct rb_asked){RB_ASKED_SPAN, 5, 30}, "Content-Range: bytes 5-30/36\r\n");
        check_asks(f, "15-30");
        rb_response_attempt(&f->response, true);
        head(f, others[i].status_line, others[i].etag, others[i].more);
        assert_int_equal(piece(f, content, 15, 31), 0);
        assert_int_equal(f->program.length, 0);
        assert_false(rb_response_can_continue(&f->response));
    }
}

// The server answers the next attempt with the range of the program. The bytes that the program has are dropped.
static void test_range_of_the_program_again(void **state)
{
    struct fixture *f = *state;
    break_off_part(f, (struct rb_asked){RB_ASKED_SPAN, 5, 30}, "Content-Range: bytes 5-30/36\r\n");
    check_asks(f, "15-30");
    rb_response_attempt(&f->response, true);
    head(f, part, one, "Content-Range: bytes 5-30/36\r\n");
    assert_int_equal(piece(f, content, 5, 31), 26);
    assert_memory_equal(f->program.got, content + 15, 16);
    assert_int_equal(f->program.length, 16);
    assert_true(rb_response_continued(&f->response, true));
}

// The server ignores the range of the program: the content begins at its first byte.
static void test_whole_for_a_range_continues(void **state)
{
    struct fixture *f = *state;
    rb_response_end(&f->response);
    rb_response_begin(&f->response, &f->handle, &f->rules, &(struct rb_asked){RB_ASKED_SPAN, 5, 30});
    break_off(f, one, sized);
    go_on(f);
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, CONTENT), CONTENT - 10);
    assert_true(rb_response_continued(&f->response, true));
}

// Without a Content-Length anywhere a connection that closes is an end to libcurl.
static void test_part_without_length_is_measured_by_its_range(void **state)
{
    struct fixture *f = *state;
    break_off(f, one, "");
    go_on(f);
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, 30), 20);
    assert_false(rb_response_continued(&f->response, true));
    assert_int_equal(piece(f, content, 30, CONTENT), CONTENT - 30);
    assert_true(rb_response_continued(&f->response, true));
}

// A tunnel was shown first; the next attempt goes through it and looks like it until its body comes. The echoed header
// that was queued meanwhile is no part of the body.
static void test_echoed_header_is_no_content(void **state)
{
    struct fixture *f = *state;
    f->handle.include_header = true;
    attempt_with(f, "HTTP/1.1 200 Connection established\r\n", "HTTP/1.1 503 Busy\r\n");
    rb_response_finish(&f->response, 0, true);
    break_off(f, one, sized);
    go_on(f);
    head(f, part, one, rest);
    assert_int_equal(piece(f, content, 10, CONTENT), CONTENT - 10);
    assert_true(rb_response_continued(&f->response, true));
}

static void test_interim_block_with_echo_is_no_body(void **state)
{
    struct fixture *f = *state;
    f->handle.include_header = true;
    rb_response_attempt(&f->response, true);
    block(f, "HTTP/1.1 503 Busy\r\n"); // interim after all
    block(f, "HTTP/1.1 503 Busy\r\n");
    assert_false(rb_response_reached_program(&f->response));
}

// This attempt has other header blocks than an earlier one.
static void test_a_block_is_not_taken_for_its_neighbour(void **state)
{
    struct fixture *f = *state;
    attempt_with(f, "HTTP/1.1 307 Found\r\n", "HTTP/1.1 503 Busy\r\n");
    rb_response_finish(&f->response, 1, true);
    attempt_with(f, "HTTP/1.1 401 Who\r\n", "HTTP/1.1 401 Who else\r\n");
    block(f, "HTTP/1.1 200 OK\r\n");
    assert_non_null(strstr(f->program.got, "401 Who\r\n"));
    assert_non_null(strstr(f->program.got, "401 Who else\r\n"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_good_response_passes_at_once),
        CASE(test_retried_response_is_held_and_dropped),
        CASE(test_held_response_is_delivered_in_order),
        CASE(test_last_attempt_is_not_held),
        CASE(test_interim_blocks_are_shown_once),
        CASE(test_changed_interim_block_is_not_skipped),
        CASE(test_same_status_without_the_interim_block),
        CASE(test_same_status_without_a_body),
        CASE(test_tunnel_is_shown_before_the_request),
        CASE(test_tunnel_is_shown_once),
        CASE(test_refused_tunnel_is_held),
        CASE(test_login_at_the_proxy_is_not_held),
        CASE(test_answer_to_connect_breaks_off),
        CASE(test_pause_at_the_end_of_a_tunnel),
        CASE(test_pause_at_the_echo_of_a_tunnel),
        CASE(test_program_refuses_a_tunnel),
        CASE(test_response_in_a_kept_tunnel),
        CASE(test_redirect_then_transport_failure_counts_as_interim),
        CASE(test_unfollowed_redirect_is_final),
        CASE(test_over_the_cap_is_delivered_whole),
        CASE(test_pause_resumes_at_the_same_piece),
        CASE(test_pause_while_releasing_brings_the_bytes_again),
        CASE(test_short_write_fails_the_delivery),
        CASE(test_retry_after_of_the_last_block_counts),
        CASE(test_body_that_looks_like_a_status_line),
        CASE(test_headers_without_callback_go_where_libcurl_sends_them),
        CASE(test_block_that_is_cut_off),
        CASE(test_blank_line_with_more_in_it),
        CASE(test_interim_block_that_is_cut_off_is_not_shown_again),
        CASE(test_no_write_function_means_fwrite),
        CASE(test_range_continues),
        CASE(test_range_that_breaks_off_continues),
        CASE(test_other_responses_do_not_continue),
        CASE(test_repeated_status_is_swallowed),
        CASE(test_weak_tag_is_no_ground_to_continue),
        CASE(test_whole_again_at_every_split),
        CASE(test_changed_whole_is_seen),
        CASE(test_pause_where_dropping_ends),
        CASE(test_header_of_a_part_is_not_echoed),
        CASE(test_trailers_of_a_part_pass_once),
        CASE(test_range_of_the_program_continues),
        CASE(test_other_range_than_the_programs),
        CASE(test_other_parts_do_not_continue_a_part),
        CASE(test_range_of_the_program_again),
        CASE(test_whole_for_a_range_continues),
        CASE(test_part_without_length_is_measured_by_its_range),
        CASE(test_echoed_header_is_no_content),
        CASE(test_interim_block_with_echo_is_no_body),
        CASE(test_a_block_is_not_taken_for_its_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
