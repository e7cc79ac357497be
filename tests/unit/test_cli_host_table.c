// SPDX-License-Identifier: MIT
// The lines of status and top.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/state/host_table.h"

static char line[RB_TABLE_LINE];

static struct rb_view_cell make(void)
{
    struct rb_view_cell host = {.policy = "pay", .host = "api.example:443", .state = RB_BREAKER_CLOSED};
    host.calls = 20;
    host.failure_rate = 5049;
    host.slow_rate = 50;
    host.budget_milli = 2999;
    host.ended.rejected = 7;
    host.used_ago_ms = 61000;
    return host;
}

static const char *row(const struct rb_view_cell *host, unsigned width)
{
    rb_host_table_row(host, width, line);
    return line;
}

static void test_narrow(void **state)
{
    struct rb_view_cell host = make();
    (void) state;
    rb_host_table_head(80, line);
    assert_string_equal(line, "HOST                     POLICY     STATE     CALLS FAILED SLOW NOTE");
    assert_string_equal(row(&host, 80), "api.example:443          pay        closed       20    50%   1%");
    assert_string_equal(row(&host, 20), "api.example:443          pay        closed       20    50%   1%");
}

static void test_wide(void **state)
{
    struct rb_view_cell host = make();
    (void) state;
    rb_host_table_row(&host, 110, line);
    assert_non_null(strstr(line, "closed       20    50%   1%       2       7   61s"));
    for (unsigned width = 80; width <= 400; width++) {
        host.state = RB_BREAKER_OPEN;
        host.next_probe_in_ms = 3599000;
        memset(host.host, 'h', sizeof(host.host) - 1);
        memset(host.policy, 'p', sizeof(host.policy) - 1);
        assert_true(strlen(row(&host, width)) <= width);
        rb_host_table_head(width, line);
        assert_true(strlen(line) <= width);
    }
}

static void test_long_names(void **state)
{
    struct rb_view_cell host = make();
    (void) state;
    strcpy(host.host, "a-very-long-name-of-a-host.example:443");
    strcpy(host.policy, "a\xc3\xa4"
                        "bcdefgh\xc3\xa4");
    assert_string_equal(row(&host, 80), "a-very-long-name-of-a-h~ a\xc3\xa4"
                                        "bcdefgh\xc3\xa4 closed       20    50%   1%");
    strcat(host.policy, "\xc3\xa4");
    assert_non_null(strstr(row(&host, 80), "bcdefgh~ closed")); // not cut inside a character
    strcpy(host.policy, "\xe4\xbe\x8b\xe3\x81\x88");
    strcpy(host.host, "\xff\xe2\x80\xae");
    assert_string_equal(row(&host, 80),
                        "\\xff\\u202e               \xe4\xbe\x8b\xe3\x81\x88       closed       20    50%   1%");
    *host.host = '\0';
    assert_memory_equal(row(&host, 80), "(all of the policy) ", 20);
}

static const char *note(const struct rb_view_cell *host)
{
    row(host, 80);
    return strlen(line) > 64 ? line + 64 : "";
}

static void test_notes(void **state)
{
    struct rb_view_cell host = make();
    (void) state;
    assert_string_equal(note(&host), "");
    host.not_before_in_ms = 2500;
    assert_string_equal(note(&host), "Retry-After 3s");
    host.state = RB_BREAKER_HALF_OPEN;
    assert_string_equal(note(&host), "probe due");
    host.holder_count = 2;
    host.holders[0] = (struct rb_view_holder){.pid = 4711, .lease_left_ms = 9001};
    assert_string_equal(note(&host), "pid 4711, 10s +1");
    host.holders[0].lease_left_ms = 0; // both processes have died
    assert_string_equal(note(&host), "probe due");
    assert_non_null(strstr(line, " half-open "));
    host.state = RB_BREAKER_OPEN;
    host.holder_count = 0;
    assert_string_equal(note(&host), "probe due");
    assert_non_null(strstr(line, " half-open "));
    host.next_probe_in_ms = 12000;
    assert_string_equal(note(&host), "no retries, 12s");
    host.refuses = true;
    assert_string_equal(note(&host), "refuses for 12s");
    assert_non_null(strstr(line, " open "));
    host.forced = RB_FORCE_CLOSED;
    assert_string_equal(note(&host), "forced");
    assert_non_null(strstr(line, " closed "));
}

static void test_no_calls(void **state)
{
    struct rb_view_cell host = make();
    (void) state;
    host.calls = 0;
    assert_string_equal(row(&host, 80), "api.example:443          pay        closed        0      -    -");
}

static void test_spans(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } spans[] = {{0, "0s"},         {1, "1s"},       {119999, "120s"},  {120000, "2m"},
                 {7199999, "120m"}, {7200000, "2h"}, {172800000, "2d"}, {UINT64_MAX, "213503982335d"}};
    char out[24];
    (void) state;
    for (unsigned i = 0; i < sizeof(spans) / sizeof(*spans); i++)
        assert_string_equal(rb_host_table_span(spans[i].ms, out), spans[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrow), cmocka_unit_test(test_wide),     cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_notes),  cmocka_unit_test(test_no_calls), cmocka_unit_test(test_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
