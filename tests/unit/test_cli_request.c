// SPDX-License-Identifier: MIT
// The heads of requests to `rebound metrics --listen`.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/state/request.h"

struct row {
    const char *head;
    int loopback, any; // the status at a loopback address, and at another one
};

#define GET "GET /metrics HTTP/1.1\r\n"

static const struct row rows[] = {
    // hosts
    {GET "Host: localhost:9464\r\n\r\n", 200, 200},
    {GET "Host: localhost\r\n\r\n", 200, 200},
    {GET "Host: LocalHost.:1\r\n\r\n", 200, 200},
    {GET "hOST:localhost:\r\n\r\n", 200, 200},
    {GET "Host: \t127.0.0.1:9464 \r\n\r\n", 200, 200},
    {GET "Host: 127.255.0.9\r\n\r\n", 200, 200},
    {GET "Host: [::1]:9464\r\n\r\n", 200, 200},
    {GET "Host: [0:0::1]\r\n\r\n", 200, 200},
    {GET "Host: [::ffff:127.0.0.1]\r\n\r\n", 200, 200},
    {GET "Host: rebind.example\r\n\r\n", 403, 200},
    {GET "Host: localhost.example\r\n\r\n", 403, 200},
    {GET "Host: localhost..\r\n\r\n", 403, 200},
    {GET "Host: 127.0.0.1.example\r\n\r\n", 403, 200},
    {GET "Host: 127.0.0.1:x\r\n\r\n", 403, 200},
    {GET "Host: 128.0.0.1\r\n\r\n", 403, 200},
    {GET "Host: 127.1\r\n\r\n", 403, 200},
    {GET "Host: 10.0.0.1:127\r\n\r\n", 403, 200},
    {GET "Host: [::2]\r\n\r\n", 403, 200},
    {GET "Host: [::1\r\n\r\n", 403, 200},
    {GET "Host: [::1]x\r\n\r\n", 403, 200},
    {GET "Host: ::1\r\n\r\n", 403, 200},
    {GET "Host: user@localhost\r\n\r\n", 403, 200},
    {GET "Host: localhost,rebind.example\r\n\r\n", 403, 200},
    {GET "Host: localhost/rebind.example\r\n\r\n", 403, 200},
    {GET "Host:\r\n\r\n", 403, 200},
    {GET "\r\n", 400, 400},
    {GET "Host: localhost\r\nHost: localhost\r\n\r\n", 400, 400},
    {GET "Host: rebind.example\r\nhost: localhost\r\n\r\n", 400, 400},
    {GET "X: a\r\n Host: localhost\r\n\r\n", 400, 400},
    {GET "Host : localhost\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.0\r\n\r\n", 200, 200},
    {"GET /metrics HTTP/1.0\r\nHost: rebind.example\r\n\r\n", 403, 200},
    {"GET /metrics HTTP/1.9\r\nHost: localhost\r\n\r\n", 200, 200},
    // targets
    {"GET /metrics?name=x HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, 200},
    {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
    {"GET /metrics/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
    {"GET /Metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
    {"GET http://localhost:9464/metrics HTTP/1.1\r\nHost: rebind.example\r\n\r\n", 200, 200},
    {"GET HTTP://[::1]/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, 200},
    {"GET http://rebind.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 403, 200},
    {"GET http://rebind.example/metrics HTTP/1.0\r\n\r\n", 403, 200},
    {"GET http://localhost?a HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
    {"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
    {"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
    {"GET metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
    // methods
    {"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, 200},
    {"POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, 405},
    {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, 405},
    {"get /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, 405},
    {"POST /metrics HTTP/1.1\r\nHost: rebind.example\r\n\r\n", 403, 405},
    // the form
    {"\r\n\n" GET "Host: localhost\r\n\r\n", 200, 200},
    {"GET /metrics HTTP/1.1\nHost: localhost\n\n", 200, 200},
    {GET "Host: localhost\r\n\r\nGET / HTTP/1.1\r\n\r\n", 200, 200},
    {GET "Host: localhost\r\nX: \xff\t\r\nX: y\r\n\r\n", 200, 200},
    {GET "Host: localhost\r\nX\r\n\r\n", 400, 400},
    {GET "Host: localhost\r\n: x\r\n\r\n", 400, 400},
    {GET "Host: localhost\r\nX: a\rb\r\n\r\n", 400, 400},
    {GET "Host: localhost\r\nX: \x01\r\n\r\n", 400, 400},
    {"GET  /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/1.1 \r\nHost: localhost\r\n\r\n", 400, 400},
    {"GET /metrics\r\n\r\n", 400, 400},
    {"GET /metrics http/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
    {"GET /metrics HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, 505},
    {"G<T /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
};

// The bytes lie at the end of an allocation, so that AddressSanitizer finds a read behind them.
static int judge(const char *head, size_t length, bool loopback, bool *head_only)
{
    char *exact = malloc(length > 0 ? length : 1);
    memcpy(exact, head, length);
    int status = (int) rb_request_judge(exact, length, loopback, head_only);
    free(exact);
    return status;
}

static void test_rows(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool head_only;
        size_t length = strlen(rows[i].head);
        int found[] = {judge(rows[i].head, length, true, &head_only), judge(rows[i].head, length, false, &head_only)};
        if (found[0] != rows[i].loopback || found[1] != rows[i].any)
            print_message("%s", rows[i].head);
        assert_int_equal(found[0], rows[i].loopback);
        assert_int_equal(found[1], rows[i].any);
        assert_true(head_only == (strncmp(rows[i].head, "HEAD", 4) == 0));
    }
}

static void test_incomplete(void **state)
{
    static const char head[] = "\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    bool head_only;
    (void) state;
    for (size_t length = 0; length < sizeof(head) - 1; length++)
        assert_int_equal(judge(head, length, true, &head_only), RB_REQUEST_INCOMPLETE);
    assert_int_equal(judge(head, sizeof(head) - 1, true, &head_only), RB_REQUEST_OK);
}

static void test_random_heads(void **state)
{
    (void) state;
    srand(1);
    for (unsigned round = 0; round < 200000; round++) {
        char head[256];
        bool head_only;
        const char *row = rows[(unsigned) rand() % (sizeof(rows) / sizeof(rows[0]))].head;
        size_t length = strlen(row);
        memcpy(head, row, length);
        for (unsigned i = 0; i < 3; i++)
            head[(unsigned) rand() % length] = "\0\r\n :/[].A\xff"[(unsigned) rand() % 11];
        int status = judge(head, length, true, &head_only);
        assert_true(status == RB_REQUEST_INCOMPLETE || *rb_request_phrase((enum rb_request_status) status) != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_random_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
