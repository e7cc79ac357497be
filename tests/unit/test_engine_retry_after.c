// SPDX-License-Identifier: MIT
// Tests of Retry-After and of the parser of HTTP dates: the known answers, with what a call makes of them, and hostile
// input.
#include "engine_vectors.h"

#include <errno.h>

#include "base/civil.h"
#include "engine/call.h"
#include "engine/hints.h"
#include "engine/http_date.h"

static const int64_t now_s = 1559559600; // 2019-06-03T11:00:00Z
enum { BACKOFF_MS = 777, AFTER_MAX_MS = 60000 };

// Parses a copy without a terminator and of exact size, so that a sanitizer sees a read past the end.
static int parse_exact(const char *text, size_t length, int64_t now, int64_t *unix_s)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    int result = rb_http_date_parse((struct rb_slice){copy, length}, now, unix_s);
    free(copy);
    return result;
}

static struct rb_hint hint_of_fields(const char *fields)
{
    struct rb_hints hints = {0};
    while (*fields == '[') {
        const char *end = strchr(fields, ']');
        assert_non_null(end);
        rb_hints_add(&hints, rb_slice_of("Retry-After"), (struct rb_slice){fields + 1, (size_t) (end - fields) - 1},
                     now_s);
        fields = end[1] == ' ' ? end + 2 : end + 1;
    }
    return rb_hints_judge(&hints, 503, RB_HINT_STANDARD, (struct rb_slice){NULL, 0}, false);
}

// What a call does with it: wait exactly so long, fail, or back off.
static void check_policy(const struct rb_hint *hint, const char *policy)
{
    struct rb_rules rules = {.attempts = 3, .causes = 1U << RB_CAUSE_STATUS, .after_max_ms = AFTER_MAX_MS};
    rules.backoff = (struct rb_backoff){.kind = RB_BACKOFF_FIXED, .base_ms = BACKOFF_MS, .cap_ms = BACKOFF_MS};
    rb_rules_put(rules.statuses, 503, true);
    struct rb_outcome outcome = {.cause = RB_CAUSE_STATUS, .sent = RB_SENT_ANSWERED, .status = 503};
    struct rb_call call;
    rb_call_begin(&call, &rules, NULL, NULL, 0, 0);
    assert_true(rb_call_admit(&call, 0, NULL));
    struct rb_decision decision = rb_call_judge(&call, &outcome, RB_REASON_NONE, true, hint, 0, 0);
    bool fails = strcmp(policy, "fail") == 0, waits = strcmp(policy, "wait") == 0;
    assert_string_equal(rb_reason_name(decision.reason), fails ? "retry-after" : "none");
    assert_int_equal(decision.delay_ms, waits ? hint->wait_ms : fails ? 0 : BACKOFF_MS);
    assert_int_equal(decision.hint, fails || waits ? RB_HINT_RETRY_AFTER : RB_HINT_NONE);
}

static void test_row(void **state)
{
    const struct vector_row *row = *state;
    struct rb_hint hint = hint_of_fields(row->field[1]);
    bool present = strcmp(row->field[2], "none") != 0;
    assert_int_equal(hint.wait_ms, present ? vector_number(row->field[2]) : 0);
    check_policy(&hint, row->field[3]);
}

// The clock may say anything at all.
static void test_clock_edges(void **state)
{
    (void) state;
    static const char *const dates[] = {"Mon, 03 Jun 2019 11:30:12 GMT", "Monday, 03-Jun-19 11:30:12 GMT",
                                        "Mon Jun  3 11:30:12 2019", "Fri, 31 Dec 9999 23:59:59 -2359",
                                        "Sat, 01 Jan 0000 00:00:00 +2359"};
    static const int64_t clocks[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 951782400, INT64_MAX - 1, INT64_MAX};
    for (size_t d = 0; d < sizeof(dates) / sizeof(dates[0]); d++) {
        for (size_t c = 0; c < sizeof(clocks) / sizeof(clocks[0]); c++) {
            int64_t unix_s;
            assert_int_equal(parse_exact(dates[d], strlen(dates[d]), clocks[c], &unix_s), 0);
        }
    }
}

// Every date of every form that the calendar knows comes back as the second it names.
static void test_dates_round_trip(void **state)
{
    (void) state;
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (int year = 2019; year < 2069; year++) {
        for (int month = 1; month <= 12; month++) {
            int64_t imf, rfc850, asctime;
            char text[64];
            int length =
                snprintf(text, sizeof(text), "Sun, %02d %s %d 12:34:56 GMT", month + 15, months[month - 1], year);
            assert_int_equal(parse_exact(text, (size_t) length, now_s, &imf), 0);
            length = snprintf(text, sizeof(text), "Sunday, %02d-%s-%02d 12:34:56 GMT", month + 15, months[month - 1],
                              year % 100);
            assert_int_equal(parse_exact(text, (size_t) length, now_s, &rfc850), 0);
            length = snprintf(text, sizeof(text), "Sun %s %2d 12:34:56 %d", months[month - 1], month + 15, year);
            assert_int_equal(parse_exact(text, (size_t) length, now_s, &asctime), 0);
            struct rb_civil civil = {year, month, month + 15, 12, 34, 56};
            assert_int_equal(imf, rb_civil_to_unix(&civil));
            assert_int_equal(rfc850, imf);
            assert_int_equal(asctime, imf);
        }
    }
}

// Valid values with one byte changed, cut short or doubled: any answer, but no crash and no half-written result.
static void test_damaged_values(void **state)
{
    (void) state;
    static const char *const good[] = {"120", "Mon, 03 Jun 2019 11:30:12 GMT", "Monday, 03-Jun-19 11:30:12 GMT",
                                       "Mon Jun  3 11:30:12 2019", "Mon, 3 Jun 2019 11:30:12 -0130"};
    uint64_t random = 97531;
    for (unsigned i = 0; i < 50000; i++) {
        const char *value = good[vector_random(&random) % 5];
        char text[64];
        size_t length = strlen(value);
        memcpy(text, value, length);
        text[vector_random(&random) % length] = (char) vector_random(&random);
        if (vector_random(&random) % 2)
            length = vector_random(&random) % (length + 1);
        int64_t unix_s = 1;
        int result = parse_exact(text, length, now_s, &unix_s);
        assert_true(result == 0 || (result == -EINVAL && unix_s == 1));
    }
}

int main(void)
{
    static const struct vector_table tables[] = {{"retry_after.tsv", test_row}, {NULL, NULL}};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_clock_edges),
        cmocka_unit_test(test_dates_round_trip),
        cmocka_unit_test(test_damaged_values),
    };
    return vector_run("engine Retry-After", tables, others, sizeof(others) / sizeof(others[0]));
}
