// SPDX-License-Identifier: MIT
// Tests of the parser of HTTP framing: heads, each prefix of them, the byte at which a text becomes invalid, and bodies
// in every segmentation.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/frame.h"

#define OTHER RB_FRAME_ASKS_OTHER
#define HEAD RB_FRAME_ASKS_HEAD
#define TUNNEL RB_FRAME_ASKS_TUNNEL

static const char *const results[] = {"complete", "partial", "invalid"};

// A copy of exact size, so that a sanitizer sees a read past the end.
static char *copy_of(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    return copy;
}

static enum rb_frame_result read_copy(enum rb_frame_kind kind, const char *text, size_t length,
                                      enum rb_frame_asks asked, struct rb_frame_head *head)
{
    char *copy = copy_of(text, length);
    enum rb_frame_result result = rb_frame_read_head(kind, (struct rb_slice){copy, length}, asked, head);
    free(copy);
    return result;
}

static void check(enum rb_frame_kind kind, const char *text, size_t length, enum rb_frame_result expected)
{
    struct rb_frame_head head;
    enum rb_frame_result result = read_copy(kind, text, length, RB_FRAME_ASKS_OTHER, &head);
    if (result != expected)
        fail_msg("%s instead of %s: %.*s", results[result], results[expected], (int) length, text);
}

// Writes what a head says, in the words of the tables below.
static const char *describe(const struct rb_frame_head *head)
{
    static const char *const bodies[] = {"none", "length", "chunked", "until-close"};
    static char line[256];
    int at = snprintf(line, sizeof(line), "1.%u ", head->minor);
    if (head->status > 0)
        at += snprintf(line + at, sizeof(line) - (size_t) at, "%u", head->status);
    else
        at += snprintf(line + at, sizeof(line) - (size_t) at, "%.*s %.*s", (int) head->method.length, head->method.at,
                       (int) head->target.length, head->target.at);
    at += snprintf(line + at, sizeof(line) - (size_t) at, " %s", bodies[head->body]);
    if (head->body == RB_BODY_LENGTH)
        at += snprintf(line + at, sizeof(line) - (size_t) at, " %llu", (unsigned long long) head->content_length);
    snprintf(line + at, sizeof(line) - (size_t) at, "%s%s%s%s%s%s", head->keeps_alive ? " open" : "",
             head->expects_continue ? " expects" : "", head->upgrades ? " upgrades" : "",
             head->event_stream ? " events" : "", head->asks == RB_FRAME_ASKS_HEAD ? " head" : "",
             head->asks == RB_FRAME_ASKS_TUNNEL ? " tunnel" : "");
    return line;
}

struct valid {
    const char *text, *says;
    enum rb_frame_asks asked;
};

#define REQUEST "GET / HTTP/1.1\r\n"
#define POST "POST /p HTTP/1.1\r\n"
static const struct valid requests[] = {
    {REQUEST "\r\n", "1.1 GET / none open", OTHER},
    {REQUEST "Host: h\r\nX: a:b \t\r\nY:\r\nZ:z\r\n\r\n", "1.1 GET / none open", OTHER},
    {"\r\nGET /a?b#c HTTP/1.1\r\n\r\n", "1.1 GET /a?b#c none open", OTHER},
    {"GET http://h:80/a HTTP/1.1\r\n\r\n", "1.1 GET http://h:80/a none open", OTHER},
    {"OPTIONS * HTTP/1.1\r\n\r\n", "1.1 OPTIONS * none open", OTHER},
    {"CONNECT h:443 HTTP/1.1\r\n\r\n", "1.1 CONNECT h:443 none open upgrades tunnel", OTHER},
    {"CONNECT [::1]:443 HTTP/1.0\r\n\r\n", "1.0 CONNECT [::1]:443 none upgrades tunnel", OTHER},
    {"HEAD /h HTTP/1.1\r\n\r\n", "1.1 HEAD /h none open head", OTHER},
    {"VERSION-CONTROL /v HTTP/1.1\r\n\r\n", "1.1 VERSION-CONTROL /v none open", OTHER},
    {POST "Content-Length: 5\r\n\r\n", "1.1 POST /p length 5 open", OTHER},
    {POST "CONTENT-LENGTH:005\r\ncontent-length: 5 \r\n\r\n", "1.1 POST /p length 5 open", OTHER},
    {POST "Content-Length: 0\r\n\r\n", "1.1 POST /p length 0 open", OTHER},
    {POST "Content-Length: 9223372036854775807\r\n\r\n", "1.1 POST /p length 9223372036854775807 open", OTHER},
    {POST "Transfer-Encoding:\tChunked\r\n\r\n", "1.1 POST /p chunked open", OTHER},
    {POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", "1.1 POST /p length 1 open expects", OTHER},
    {REQUEST "Connection: close\r\n\r\n", "1.1 GET / none", OTHER},
    {REQUEST "Connection: TE, , CLOSE\r\n\r\n", "1.1 GET / none", OTHER},
    {REQUEST "Connection: keep-alive\r\nconnection: close\r\n\r\n", "1.1 GET / none", OTHER},
    {REQUEST "Connection: closed\r\n\r\n", "1.1 GET / none open", OTHER},
    {REQUEST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", "1.1 GET / none open upgrades", OTHER},
    {"GET / HTTP/1.0\r\n\r\n", "1.0 GET / none", OTHER},
    {"GET / HTTP/1.0\r\nConnection: a, Keep-Alive\r\n\r\n", "1.0 GET / none open", OTHER},
    {REQUEST "Content-Type: text/event-stream\r\n\r\n", "1.1 GET / none open", OTHER},
};

#define RESPONSE "HTTP/1.1 200 OK\r\n"
static const struct valid responses[] = {
    {RESPONSE "\r\n", "1.1 200 until-close", OTHER},
    {"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n", "1.1 200 length 3 open", OTHER},
    {"HTTP/1.1 503 \r\nContent-Length: 3\r\n\r\n", "1.1 503 length 3 open", OTHER},
    {"HTTP/1.1 503 Nicht verf\xfcgbar\tja\r\nX: \xc3\xbc\r\nContent-Length: 3\r\n\r\n", "1.1 503 length 3 open", OTHER},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", "1.0 200 length 3", OTHER},
    {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", "1.0 200 length 3 open", OTHER},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", "1.0 200 until-close", OTHER},
    {RESPONSE "transfer-encoding: CHUNKED\r\n\r\n", "1.1 200 chunked open", OTHER},
    {RESPONSE "Content-Length: 3\r\nConnection: close\r\n\r\n", "1.1 200 length 3", OTHER},
    {RESPONSE "Content-Length: 3\r\n\r\n", "1.1 200 none open", HEAD},
    {RESPONSE "Transfer-Encoding: chunked\r\n\r\n", "1.1 200 none open", HEAD},
    {RESPONSE "\r\n", "1.1 200 none open", HEAD},
    {RESPONSE "\r\n", "1.1 200 none open upgrades", TUNNEL},
    {"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\n", "1.1 407 length 3 open", TUNNEL},
    {"HTTP/1.1 100 Continue\r\n\r\n", "1.1 100 none open", OTHER},
    {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", "1.1 103 none open", OTHER},
    {"HTTP/1.1 101 Switch\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "1.1 101 none open upgrades", OTHER},
    {"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "1.1 204 none open", OTHER},
    {"HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n", "1.1 304 none open", OTHER},
    {"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", "1.1 304 none open", OTHER},
    {"HTTP/1.1 426 Up\r\nUpgrade: h2c\r\nContent-Length: 0\r\nExpect: x\r\n\r\n", "1.1 426 length 0 open", OTHER},
    {RESPONSE "Content-Type: text/event-stream\r\n\r\n", "1.1 200 until-close events", OTHER},
    {RESPONSE "Content-Type: Text/Event-Stream ; charset=utf-8\r\n\r\n", "1.1 200 until-close events", OTHER},
    {RESPONSE "Content-Type: text/event-streams\r\n\r\n", "1.1 200 until-close", OTHER},
    {"HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\n", "1.1 999 length 1 open", OTHER},
};

// Each proper prefix is partial, and what follows the head changes nothing.
static void check_valid(enum rb_frame_kind kind, const struct valid *row)
{
    struct rb_frame_head head;
    size_t length = strlen(row->text);
    char *longer = malloc(length + 2);
    assert_non_null(longer);
    memcpy(longer, row->text, length);
    memcpy(longer + length, "\r\n", 2);
    for (size_t cut = 0; cut < length; cut++)
        check(kind, row->text, cut, RB_FRAME_PARTIAL);
    for (size_t more = 0; more <= 2; more++) {
        struct rb_slice text = {longer, length + more};
        assert_int_equal(rb_frame_read_head(kind, text, row->asked, &head), RB_FRAME_COMPLETE);
        assert_string_equal(describe(&head), row->says);
        assert_int_equal(head.length, length);
    }
    assert_int_equal(read_copy(kind, row->text, length, row->asked, &head), RB_FRAME_COMPLETE);
    free(longer);
}

static void test_valid_heads(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        check_valid(RB_FRAME_REQUEST, &requests[i]);
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
        check_valid(RB_FRAME_RESPONSE, &responses[i]);
}

// Each text becomes invalid at its last byte: all proper prefixes can still become a head.
static void check_invalid(enum rb_frame_kind kind, const char *text, size_t length)
{
    for (size_t cut = 0; cut < length; cut++)
        check(kind, text, cut, RB_FRAME_PARTIAL);
    check(kind, text, length, RB_FRAME_INVALID);
}

#define ROW(text) text, sizeof(text) - 1
static const struct {
    const char *text;
    size_t length;
} no_requests[] =
    {
        // Other protocols.
        {ROW("\x16")},               // TLS
        {ROW("SSH-2")},              //
        {ROW("*")},                  // Redis
        {ROW("PING\r")},             // Redis, inline
        {ROW("\0")},                 // PostgreSQL
        {ROW("PRI *")},              // HTTP/2
        {ROW("GET /\r")},            // HTTP/0.9
        {ROW("GET \x80")},           // binary
        {ROW("GET /a\x80")},         //
        {ROW("EHLO localhost\r")},   // SMTP
        {ROW("EHLO mail.")},         //
        {ROW("USER anonymous\r")},   // FTP
        {ROW("CONNECT {")},          // NATS
        {ROW("CONNECT\n")},          // STOMP
        {ROW("OPTIONS rtsp://h R")}, // RTSP
        {ROW("INVITE sip:u")},       // SIP
        {ROW("A0")},                 // IMAP
                                     // Request lines.
        {ROW("g")},
        {ROW(" ")},
        {ROW("GET  ")},
        {ROW("GET ?")},
        {ROW("GET :")},
        {ROW("GET *")},
        {ROW("OPTIONS *x")},
        {ROW("GET http:/x")},
        {ROW("GET / x")},
        {ROW("GET / HTTP/2")},
        {ROW("GET / HTTP/1.2")},
        {ROW("GET / HTTP/1.1 ")},
        {ROW("GET / HTTP/1.1\n")},
        {ROW("GET / h")},
        {ROW("GET /\t")},
        {ROW("GET /\x7f")},
        {ROW("\n")},
        {ROW("\rG")},
        {ROW("\r\n\r")},
        {ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG")},
        // Fields.
        {ROW(REQUEST " ")},
        {ROW(REQUEST "\n")},
        {ROW(REQUEST "\r\r")},
        {ROW(REQUEST ":")},
        {ROW(REQUEST "Name ")},
        {ROW(REQUEST "Name\r")},
        {ROW(REQUEST "N(")},
        {ROW(REQUEST "N\xe4")},
        {ROW(REQUEST "N: a\n")},
        {ROW(REQUEST "N: a\ra")},
        {ROW(REQUEST "N: a\0")},
        {ROW(REQUEST "N: a\x01")},
        {ROW(REQUEST "N: a\x7f")},
        {ROW(REQUEST "N: a\r\n ")},
        {ROW(REQUEST "N: a\r\n\t")},
        {ROW(POST "Content-Length: +5\r\n")},
        {ROW(POST "Content-Length: -5\r\n")},
        {ROW(POST "Content-Length: 5, 5\r\n")},
        {ROW(POST "Content-Length: 5_0\r\n")},
        {ROW(POST "Content-Length: 0x5\r\n")},
        {ROW(POST "Content-Length: \xb2\r\n")},
        {ROW(POST "Content-Length:\r\n")},
        {ROW(POST "Content-Length: 9223372036854775808\r\n")},
        {ROW(POST "Content-Length: 18446744073709551621\r\n")},
        {ROW(POST "Content-Length: 5\r\nContent-Length: 6\r\n")},
        {ROW(POST "Transfer-Encoding: gzip, chunked\r\n")},
        {ROW(POST "Transfer-Encoding: gzip\r\n")},
        {ROW(POST "Transfer-Encoding: chunked;q=1\r\n")},
        {ROW(POST "Transfer-Encoding:\r\n")},
        {ROW(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")},
        {ROW(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n")},
        {ROW(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {ROW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
},
  no_responses[] = {
      {ROW("S")},
      {ROW("I")},
      {ROW("HTTP/2")},
      {ROW("HTTP/1.1\r")},
      {ROW("HTTP/1.1  ")},
      {ROW("HTTP/1.1 0")},
      {ROW("HTTP/1.1 20x")},
      {ROW("HTTP/1.1 2000")},
      {ROW("HTTP/1.1 200\n")},
      {ROW("HTTP/1.1 200 O\x01")},
      {ROW("HTTP/1.1 200 O\rK")},
      {ROW("HTTP/1.1 200 OK\n")},
      {ROW("\r")},
      {ROW(" ")},
      {ROW("HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n")},
      {ROW("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n")},
      {ROW("HTTP/1.1 103 Hints\r\nContent-Length: 1\r\n\r\n")},
      {ROW("HTTP/1.1 100 Go\r\nTransfer-Encoding: chunked\r\n\r\n")},
      {ROW("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")},
      {ROW(RESPONSE "X: 1\r\n ")},
};

static void test_invalid_heads(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(no_requests) / sizeof(no_requests[0]); i++)
        check_invalid(RB_FRAME_REQUEST, no_requests[i].text, no_requests[i].length);
    for (size_t i = 0; i < sizeof(no_responses) / sizeof(no_responses[0]); i++)
        check_invalid(RB_FRAME_RESPONSE, no_responses[i].text, no_responses[i].length);
}

// Makes "GET / HTTP/1.1", `lines` lines of `length` bytes and an empty line. Returns the length of all.
static size_t make_head(char *text, size_t lines, size_t length)
{
    size_t at = (size_t) sprintf(text, REQUEST);
    for (; lines > 0; lines--, at += length) {
        memset(text + at, 'x', length);
        memcpy(text + at, "X:", 2);
        memcpy(text + at + length - 2, "\r\n", 2);
    }
    memcpy(text + at, "\r\n", 2);
    return at + 2;
}

static void test_limits_of_a_head(void **state)
{
    static char text[2 * RB_FRAME_HEAD_MAX];
    struct rb_frame_head head;
    (void) state;
    size_t length = make_head(text, 1, RB_FRAME_LINE_MAX);
    assert_int_equal(read_copy(RB_FRAME_REQUEST, text, length, OTHER, &head), RB_FRAME_COMPLETE);
    length = make_head(text, 1, RB_FRAME_LINE_MAX + 1);
    check_invalid(RB_FRAME_REQUEST, text, strlen(REQUEST) + RB_FRAME_LINE_MAX);

    length = make_head(text, 64, (RB_FRAME_HEAD_MAX - strlen(REQUEST) - 2) / 64);
    assert_in_range(length, RB_FRAME_HEAD_MAX - 64, RB_FRAME_HEAD_MAX);
    assert_int_equal(read_copy(RB_FRAME_REQUEST, text, length, OTHER, &head), RB_FRAME_COMPLETE);
    make_head(text, 65, (RB_FRAME_HEAD_MAX - strlen(REQUEST) - 2) / 64);
    check(RB_FRAME_REQUEST, text, RB_FRAME_HEAD_MAX - 1, RB_FRAME_PARTIAL);
    check(RB_FRAME_REQUEST, text, RB_FRAME_HEAD_MAX, RB_FRAME_INVALID);
    length = make_head(text, 4, RB_FRAME_HEAD_MAX / 4);
    check(RB_FRAME_REQUEST, text, length, RB_FRAME_INVALID);
}

static void test_fields(void **state)
{
    static const char text[] = "\r\nGET / HTTP/1.1\r\nHost:h\r\nA: \tb c:d \r\nE:\r\n\r\nHost: none\r\n\r\n";
    static const char *const expected[] = {"Host", "h", "A", "b c:d", "E", ""};
    struct rb_slice all = rb_slice_of(text), name, value;
    struct rb_frame_head head;
    size_t at = 0, i = 0;
    (void) state;
    assert_int_equal(rb_frame_read_head(RB_FRAME_REQUEST, all, OTHER, &head), RB_FRAME_COMPLETE);
    for (; rb_frame_next_field(&head, all, &at, &name, &value); i += 2) {
        assert_in_range(i, 0, 4);
        assert_true(rb_slice_is(name, expected[i]) && rb_slice_is(value, expected[i + 1]));
    }
    assert_int_equal(i, 6);
    assert_false(rb_frame_next_field(&head, all, &at, &name, &value));

    all = rb_slice_of("HTTP/1.1 200 OK\r\n\r\n");
    at = 0;
    assert_int_equal(rb_frame_read_head(RB_FRAME_RESPONSE, all, OTHER, &head), RB_FRAME_COMPLETE);
    assert_false(rb_frame_next_field(&head, all, &at, &name, &value));
}

// A body, of which `ends` bytes belong to the message; what follows belongs to the next one.
static const struct body {
    enum rb_body_kind kind;
    uint64_t content_length;
    const char *bytes;
    size_t ends;
    enum rb_frame_place place; // after all bytes
} bodies[] = {
    {RB_BODY_NONE, 0, "GET", 0, RB_FRAME_AT_DONE},
    {RB_BODY_LENGTH, 0, "GET", 0, RB_FRAME_AT_DONE},
    {RB_BODY_LENGTH, 5, "helloGET", 5, RB_FRAME_AT_DONE},
    {RB_BODY_LENGTH, 9, "helloGET", 8, RB_FRAME_AT_BYTES},
    {RB_BODY_UNTIL_CLOSE, 0, "0\r\n\r\n", 5, RB_FRAME_AT_ANY},
    {RB_BODY_CHUNKED, 0, "0\r\n\r\nGET", 5, RB_FRAME_AT_DONE},
    {RB_BODY_CHUNKED, 0, "2\r\n\r\n\r\n0\r\n\r\nG", 12, RB_FRAME_AT_DONE},
    {RB_BODY_CHUNKED, 0, "1;a=\"b \t\r\nx\r\n00 \t\r\n\r\nG", 21, RB_FRAME_AT_DONE},
    {RB_BODY_CHUNKED, 0, "0\r\nA: b\r\nC:\r\n\r\n0", 15, RB_FRAME_AT_DONE},
    {RB_BODY_CHUNKED, 0, "A\r\n0123456789\r\n", 15, RB_FRAME_AT_SIZE},
    {RB_BODY_CHUNKED, 0, "000000000000001\r\nx", 18, RB_FRAME_AT_CHUNK_CR},
    {RB_BODY_CHUNKED, 0, "fffffffFFFFFFFF\r\nx", 18, RB_FRAME_AT_CHUNK},
    {RB_BODY_CHUNKED, 0, "0000000000000001\r\n", 15, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "\r\n", 0, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, ";\r\n", 0, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, " 5\r\n", 0, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "+5\r\n", 0, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "0x5\r\n", 1, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "5 5\r\n", 2, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "5 ;a\r\n", 2, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "5\nhello", 1, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "5\rhello", 2, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "1;a\n\r\nx", 3, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "1\r\nxx\r\n", 4, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "1\r\nx\n0\r\n", 4, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "1\r\nx\r\r\n", 5, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "0\r\n\n", 3, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "0\r\n\r\r", 4, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "0\r\nA\r\n\r\n", 4, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "0\r\nA: b\n\r\n", 7, RB_FRAME_AT_INVALID},
    {RB_BODY_CHUNKED, 0, "0\r\nA: b\r\n c\r\n", 9, RB_FRAME_AT_INVALID},
};

// Takes the bytes in pieces: bit N of `cuts` is a cut after byte N + 1.
static void check_segmentation(const struct body *body, unsigned cuts)
{
    struct rb_frame_head head = {.body = body->kind, .content_length = body->content_length};
    struct rb_frame_body reader;
    size_t length = strlen(body->bytes), begin = 0, total = 0;
    rb_frame_body_begin(&reader, &head);
    for (size_t end = 1; end <= length; end++) {
        if (end < length && !(cuts >> (end - 1) & 1))
            continue;
        char *piece = copy_of(body->bytes + begin, end - begin);
        total += rb_frame_body_take(&reader, piece, end - begin);
        free(piece);
        begin = end;
    }
    assert_int_equal(total, body->ends);
    assert_int_equal(reader.place, body->place);
    assert_int_equal(rb_frame_body_is_done(&reader), body->place == RB_FRAME_AT_DONE);
    assert_int_equal(rb_frame_body_is_invalid(&reader), body->place == RB_FRAME_AT_INVALID);
}

static void test_bodies_in_every_segmentation(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t length = strlen(bodies[i].bytes);
        unsigned most = length > 15 ? 15 : (unsigned) length - 1;
        for (unsigned cuts = 0; cuts < 1u << most; cuts++)
            check_segmentation(&bodies[i], cuts);
        check_segmentation(&bodies[i], ~0u);
    }
}

static enum rb_frame_place place_after_text(const char *begin, size_t lines, size_t length)
{
    static char text[2 * RB_FRAME_HEAD_MAX];
    struct rb_frame_head head = {.body = RB_BODY_CHUNKED};
    struct rb_frame_body reader;
    size_t at = (size_t) sprintf(text, "%s", begin);
    for (; lines > 0; lines--, at += length) {
        memset(text + at, 'x', length);
        memcpy(text + at, begin[0] == '0' ? "X:" : "1;", 2);
        memcpy(text + at + length - 2, "\r\n", 2);
    }
    rb_frame_body_begin(&reader, &head);
    rb_frame_body_take(&reader, text, at);
    return reader.place;
}

static void test_limits_of_lines_of_a_body(void **state)
{
    (void) state;
    assert_int_equal(place_after_text("", 1, RB_FRAME_LINE_MAX), RB_FRAME_AT_CHUNK);
    assert_int_equal(place_after_text("", 1, RB_FRAME_LINE_MAX + 1), RB_FRAME_AT_INVALID);
    assert_int_equal(place_after_text("0\r\n", 1, RB_FRAME_LINE_MAX), RB_FRAME_AT_TRAILER);
    assert_int_equal(place_after_text("0\r\n", 1, RB_FRAME_LINE_MAX + 1), RB_FRAME_AT_INVALID);
    assert_int_equal(place_after_text("0\r\n", 4, RB_FRAME_HEAD_MAX / 4), RB_FRAME_AT_TRAILER);
    assert_int_equal(place_after_text("0\r\n", 5, RB_FRAME_HEAD_MAX / 5 + 1), RB_FRAME_AT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_heads),
        cmocka_unit_test(test_invalid_heads),
        cmocka_unit_test(test_limits_of_a_head),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bodies_in_every_segmentation),
        cmocka_unit_test(test_limits_of_lines_of_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
