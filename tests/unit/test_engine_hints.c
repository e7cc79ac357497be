// SPDX-License-Identifier: MIT
// Tests of the hints about retries: the known answers, and hostile fields and bodies.
#include "engine_vectors.h"

#include "engine/hints.h"

static const int64_t now_s = 1795953600; // 2026-11-29T12:00:00Z

static const char *const verdicts[] = {
    [RB_HINT_NO_VERDICT] = "-", [RB_HINT_THROTTLED] = "throttled", [RB_HINT_RETRY] = "retry",
    [RB_HINT_STOP] = "stop",    [RB_HINT_QUOTA] = "quota",
};

// Returns a copy without a terminator and of exact size, so that a sanitizer sees a read past the end.
static struct rb_slice exact(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    return (struct rb_slice){copy, length};
}

static void add(struct rb_hints *hints, const char *name, size_t name_length, const char *value, size_t length)
{
    struct rb_slice a = exact(name, name_length), b = exact(value, length);
    rb_hints_add(hints, a, b, now_s);
    free((char *) a.at);
    free((char *) b.at);
}

// Adds "Name: value | Name: value".
static void add_all(struct rb_hints *hints, const char *fields)
{
    while (*fields && strcmp(fields, "-") != 0) {
        const char *colon = strchr(fields, ':'), *end = strstr(fields, " | ");
        assert_non_null(colon);
        end = end ? end : fields + strlen(fields);
        add(hints, fields, (size_t) (colon - fields), colon + 1, (size_t) (end - colon) - 1);
        fields = *end ? end + 3 : end;
    }
}

static struct rb_hint judge(const char *fields, unsigned status, enum rb_hint_use use, const char *body)
{
    struct rb_hints hints = {0};
    add_all(&hints, fields);
    struct rb_slice text = exact(body, strlen(body));
    struct rb_hint hint = rb_hints_judge(&hints, status, use, text, false);
    free((char *) text.at);
    return hint;
}

static void test_row(void **state)
{
    const struct vector_row *row = *state;
    const char *body = strcmp(row->field[2], "-") == 0 ? "" : row->field[2];
    struct rb_hint hint = judge(row->field[0], (unsigned) atoi(row->field[1]), RB_HINT_HONOUR, body);
    char wait[32] = "none";
    if (hint.wait_ms > 0)
        snprintf(wait, sizeof(wait), "%llu", (unsigned long long) hint.wait_ms);
    assert_string_equal(wait, row->field[3]);
    assert_string_equal(verdicts[hint.verdict], row->field[4]);
    assert_string_equal(rb_hint_source_name(hint.source), row->field[5]);
}

// With `standard`, only Retry-After counts. With `ignore`, nothing does.
static void test_uses(void **state)
{
    static const char fields[] = "Retry-After-Ms: 5 | Retry-After: 2 | X-Should-Retry: true | X-RateLimit-Reset: 9";
    (void) state;
    struct rb_hint hint = judge(fields, 429, RB_HINT_STANDARD, "{\"error\":{\"code\":\"insufficient_quota\"}}");
    assert_int_equal(hint.wait_ms, 2000);
    assert_int_equal(hint.source, RB_HINT_RETRY_AFTER);
    assert_int_equal(hint.verdict, RB_HINT_NO_VERDICT);
    hint = judge(fields, 429, RB_HINT_IGNORE, "{\"error\":{\"code\":\"insufficient_quota\"}}");
    assert_int_equal(hint.wait_ms, 0);
    assert_int_equal(hint.source, RB_HINT_NONE);
    assert_int_equal(hint.verdict, RB_HINT_NO_VERDICT);
}

static void test_huge(void **state)
{
    (void) state;
    assert_true(judge("Retry-After-Ms: 99999999999999999999999", 429, RB_HINT_HONOUR, "").wait_ms == UINT64_MAX);
    assert_true(judge("Retry-After: 99999999999999999999999", 429, RB_HINT_HONOUR, "").wait_ms == UINT64_MAX);
    assert_true(judge("RateLimit: \"a\";r=0;t=99999999999999999999999", 429, RB_HINT_HONOUR, "").wait_ms == UINT64_MAX);
    assert_true(judge("X-RateLimit-Reset: 9999999999999999999999", 429, RB_HINT_HONOUR, "").wait_ms > UINT64_MAX / 2);
    assert_true(judge("X-RateLimit-Reset-Requests: 99999999999999999999h9s", 429, RB_HINT_HONOUR, "").wait_ms ==
                UINT64_MAX);
}

// More limits than are distinguished, empty names and values, bytes beyond ASCII.
static void test_hostile_fields(void **state)
{
    struct rb_hints hints = {0};
    char name[64];
    (void) state;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "X-RateLimit-Reset-Limit%d", i);
        add(&hints, name, strlen(name), "3", 1);
    }
    add(&hints, "", 0, "", 0);
    add(&hints, "Retry-After", 11, "", 0);
    add(&hints, "RateLimit", 9, "", 0);
    add(&hints, "RateLimit", 9, ",;=,\"", 5);
    add(&hints, "RateLimit", 9, "\"\\", 2);
    add(&hints, "X-RateLimit-Reset", 17, "\xff\xfe", 2);
    add(&hints, "X-RateLimit-Reset", 17, "5\0", 2);
    add(&hints, "-", 1, "-", 1);
    add(&hints, "rate-", 5, "7", 1);
    struct rb_hint hint = rb_hints_judge(&hints, 429, RB_HINT_HONOUR, (struct rb_slice){NULL, 0}, false);
    assert_int_equal(hint.wait_ms, 3000);
}

// A field given twice with contradictory values: the longest wait, and the request is not repeated.
static void test_contradictory_fields(void **state)
{
    (void) state;
    assert_int_equal(judge("X-Should-Retry: true | X-Should-Retry: false", 503, RB_HINT_HONOUR, "").verdict,
                     RB_HINT_STOP);
    assert_int_equal(
        judge("X-RateLimit-Remaining: 3 | X-RateLimit-Remaining: 0 | X-RateLimit-Reset: 4", 429, RB_HINT_HONOUR, "")
            .wait_ms,
        4000);
    assert_int_equal(
        judge("Retry-After: 9 | Retry-After: Sun, 29 Nov 2026 12:00:30 GMT", 429, RB_HINT_HONOUR, "").wait_ms, 30000);
}

static enum rb_hint_verdict verdict_of(const char *body)
{
    return judge("-", 429, RB_HINT_HONOUR, body).verdict;
}

#define QUOTA "{\"error\":{\"code\":\"insufficient_quota\"}}"

static void test_bodies(void **state)
{
    (void) state;
    assert_int_equal(verdict_of(QUOTA), RB_HINT_QUOTA);
    assert_int_equal(verdict_of("[" QUOTA "]"), RB_HINT_QUOTA);
    assert_int_equal(
        verdict_of(" {\"a\":[1,2,{\"b\":{}}],\"error\":{\"x\":[[]],\"type\":\"insufficient\\u005fquota\"}} "),
        RB_HINT_QUOTA);
    assert_int_equal(verdict_of("{\"error\":{\"error\":{\"code\":\"insufficient_quota\"}}}"), RB_HINT_NO_VERDICT);
    assert_int_equal(verdict_of("{\"code\":\"insufficient_quota\"}"), RB_HINT_NO_VERDICT);
    assert_int_equal(verdict_of("{\"error\":[{\"code\":\"insufficient_quota\"}]}"), RB_HINT_NO_VERDICT);
    assert_int_equal(verdict_of("{\"error\":{\"code\":[\"insufficient_quota\"]}}"), RB_HINT_NO_VERDICT);
    assert_int_equal(verdict_of("\"insufficient_quota\""), RB_HINT_NO_VERDICT);
    assert_int_equal(verdict_of(QUOTA "x"), RB_HINT_NO_VERDICT);
    assert_int_equal(verdict_of("{\"error\":{\"code\":\"insufficient_quota\",}}"), RB_HINT_NO_VERDICT);
    assert_int_equal(verdict_of("<html>insufficient_quota</html>"), RB_HINT_NO_VERDICT);
}

// A body whose end is missing counts as far as its members are complete.
static void test_cut_bodies(void **state)
{
    size_t complete = sizeof("{\"error\":{\"code\":\"insufficient_quota\"") - 1;
    char body[sizeof(QUOTA)];
    (void) state;
    for (size_t length = 0; length < sizeof(QUOTA); length++) {
        memcpy(body, QUOTA, length);
        body[length] = '\0';
        assert_int_equal(verdict_of(body), length < complete ? RB_HINT_NO_VERDICT : RB_HINT_QUOTA);
    }
}

#define INFO(type, delay) "{\"error\":{\"details\":[{\"@type\":\"" type "\",\"retryDelay\":\"" delay "\"}]}}"

static void test_retry_info(void **state)
{
    (void) state;
    assert_int_equal(judge("-", 503, RB_HINT_HONOUR, INFO("google.rpc.RetryInfo", "0.25s")).wait_ms, 250);
    assert_int_equal(judge("-", 503, RB_HINT_HONOUR, INFO("type.googleapis.com/google.rpc.RetryInfos", "3s")).wait_ms,
                     0);
    assert_int_equal(judge("-", 503, RB_HINT_HONOUR, INFO("google.rpc.RetryInfo", "-3s")).wait_ms, 0);
    assert_int_equal(judge("-", 503, RB_HINT_HONOUR, INFO("google.rpc.RetryInfo", "3")).wait_ms, 0);
    assert_int_equal(judge("-", 503, RB_HINT_HONOUR, INFO("google.rpc.RetryInfo", "s")).wait_ms, 0);
    // The members of one detail do not mix with those of another.
    assert_int_equal(judge("-", 503, RB_HINT_HONOUR,
                           "{\"error\":{\"details\":[{\"@type\":\"google.rpc.RetryInfo\"},{\"retryDelay\":\"3s\"}]}}")
                         .wait_ms,
                     0);
}

int main(void)
{
    static const struct vector_table tables[] = {{"hints.tsv", test_row}, {NULL, NULL}};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uses),           cmocka_unit_test(test_huge),
        cmocka_unit_test(test_hostile_fields), cmocka_unit_test(test_contradictory_fields),
        cmocka_unit_test(test_bodies),         cmocka_unit_test(test_cut_bodies),
        cmocka_unit_test(test_retry_info),
    };
    return vector_run("engine hints", tables, tests, sizeof(tests) / sizeof(tests[0]));
}
