// SPDX-License-Identifier: MIT
// Tests of the Retry-After parser: the known answers, with what a call makes of them, and hostile input.
#include "engine_vectors.h"

#include <errno.h>

#include "base/civil.h"
#include "engine/call.h"
#include "engine/retry_after.h"

static const int64_t now_s = 1559559600; // 2019-06-03T11:00:00Z
enum { BACKOFF_MS = 777, AFTER_MAX_MS = 60000 };

// Adds a copy without a terminator and of exact size, so that a sanitizer sees a read past the end.
static int add_exact(struct rb_retry_after *after, const char *text, size_t length, int64_t now)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    int result = rb_retry_after_add(after, copy, length, now);
    free(copy);
    return result;
}

static unsigned add_fields(struct rb_retry_after *after, const char *fields)
{
    unsigned invalid = 0;
    while (*fields == '[') {
        const char *end = strchr(fields, ']');
        assert_non_null(end);
        int result = add_exact(after, fields + 1, (size_t) (end - fields) - 1, now_s);
        assert_true(result == 0 || result == -EINVAL);
        invalid += result != 0;
        fields = end[1] == ' ' ? end + 2 : end + 1;
    }
    return invalid;
}

// What a call does with it: wait exactly so long, fail, or back off.
static void check_policy(const struct rb_retry_after *after, const char *policy)
{
    struct rb_rules rules = {.attempts = 3, .after_honour = true, .after_max_ms = AFTER_MAX_MS};
    rules.backoff = (struct rb_backoff){.kind = RB_BACKOFF_FIXED, .base_ms = BACKOFF_MS, .cap_ms = BACKOFF_MS};
    rules.statuses[503 / 64] |= UINT64_C(1) << 503 % 64;
    struct rb_outcome outcome = {.cause = RB_CAUSE_STATUS, .sent = RB_SENT_ANSWERED, .status = 503};
    struct rb_call call;
    rb_call_begin(&call, &rules, NULL, NULL, 0, 0);
    assert_true(rb_call_admit(&call, 0, NULL));
    struct rb_decision decision = rb_call_judge(&call, &outcome, RB_REASON_NONE, true, after, 0, 0);
    bool fails = strcmp(policy, "fail") == 0;
    assert_string_equal(rb_reason_name(decision.reason), fails ? "retry-after" : "none");
    if (strcmp(policy, "wait") == 0)
        assert_int_equal(decision.delay_ms, after->ms);
    else
        assert_int_equal(decision.delay_ms, fails ? 0 : BACKOFF_MS);
}

static void test_row(void **state)
{
    const struct vector_row *row = *state;
    struct rb_retry_after after = {0};
    unsigned invalid = add_fields(&after, row->field[1]);
    assert_int_equal(invalid, vector_number(row->field[3]));
    bool present = strcmp(row->field[2], "none") != 0;
    assert_int_equal(after.present, present);
    assert_int_equal(after.ms, present ? vector_number(row->field[2]) : 0);
    check_policy(&after, row->field[4]);
}

static void test_blanks(void **state)
{
    (void) state;
    struct rb_retry_after after = {0};
    assert_int_equal(rb_retry_after_add(&after, NULL, 0, now_s), -EINVAL);
    assert_int_equal(add_exact(&after, " \t\r\n", 4, now_s), -EINVAL);
    assert_int_equal(add_exact(&after, "\t5\r\n", 4, now_s), 0);
    assert_int_equal(after.ms, 5000);
    assert_int_equal(add_exact(&after, "6\0", 2, now_s), -EINVAL);
    assert_int_equal(after.ms, 5000);
}

// The clock may say anything at all. At its end only a year of two digits can still be ahead, by what is left.
static void test_clock_edges(void **state)
{
    (void) state;
    static const char *const dates[] = {"Mon, 03 Jun 2019 11:30:12 GMT", "Monday, 03-Jun-19 11:30:12 GMT",
                                        "Mon Jun  3 11:30:12 2019", "Fri, 31 Dec 9999 23:59:59 -2359",
                                        "Sat, 01 Jan 0000 00:00:00 +2359"};
    static const int64_t clocks[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 951782400, INT64_MAX - 1, INT64_MAX};
    for (size_t d = 0; d < sizeof(dates) / sizeof(dates[0]); d++) {
        for (size_t c = 0; c < sizeof(clocks) / sizeof(clocks[0]); c++) {
            struct rb_retry_after after = {0};
            assert_int_equal(add_exact(&after, dates[d], strlen(dates[d]), clocks[c]), 0);
            if (clocks[c] >= INT64_MAX - 1)
                assert_in_range(after.ms, 0, (uint64_t) (INT64_MAX - clocks[c]) * 1000);
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
            struct rb_retry_after imf = {0}, rfc850 = {0}, asctime = {0};
            char text[64];
            int length =
                snprintf(text, sizeof(text), "Sun, %02d %s %d 12:34:56 GMT", month + 15, months[month - 1], year);
            assert_int_equal(add_exact(&imf, text, (size_t) length, now_s), 0);
            length = snprintf(text, sizeof(text), "Sunday, %02d-%s-%02d 12:34:56 GMT", month + 15, months[month - 1],
                              year % 100);
            assert_int_equal(add_exact(&rfc850, text, (size_t) length, now_s), 0);
            length = snprintf(text, sizeof(text), "Sun %s %2d 12:34:56 %d", months[month - 1], month + 15, year);
            assert_int_equal(add_exact(&asctime, text, (size_t) length, now_s), 0);
            struct rb_civil civil = {year, month, month + 15, 12, 34, 56};
            int64_t ahead = rb_civil_to_unix(&civil) - now_s;
            assert_int_equal(imf.ms, ahead > 0 ? (uint64_t) ahead * 1000 : 0);
            assert_int_equal(rfc850.ms, imf.ms);
            assert_int_equal(asctime.ms, imf.ms);
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
        struct rb_retry_after after = {0};
        int result = add_exact(&after, text, length, now_s);
        assert_true(result == 0 ? after.present : result == -EINVAL && !after.present && after.ms == 0);
    }
}

int main(void)
{
    static const struct vector_table tables[] = {{"retry_after.tsv", test_row}, {NULL, NULL}};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_blanks),
        cmocka_unit_test(test_clock_edges),
        cmocka_unit_test(test_dates_round_trip),
        cmocka_unit_test(test_damaged_values),
    };
    return vector_run("engine Retry-After", tables, others, sizeof(others) / sizeof(others[0]));
}
