// SPDX-License-Identifier: MIT
// Every key: its documented default, the values that it accepts and refuses, and that a written value is read back.
#include "test_policy_support.h"

#include "policy/key.h"
#include "policy/value.h"

struct documented {
    const char *name, *fallback;
};

// The table of the format's documentation, in its order.
static const struct documented documented[] = {
    {"intercept", "curl, connect, dns, http"},
    {"retry.attempts", "3"},
    {"retry.backoff", "exponential"},
    {"retry.base", "200ms"},
    {"retry.multiplier", "2"},
    {"retry.cap", "10s"},
    {"retry.jitter", "full"},
    {"retry.on", "refused, unreachable, reset, timeout, dns, throttled, 408, 429, 500, 502, 503, 504, 522, 524, 529"},
    {"retry.methods", "idempotent"},
    {"retry.rejected", "429, throttled"},
    {"retry.idempotency_headers", "Idempotency-Key"},
    {"retry.after", "honour"},
    {"retry.after_max", "20s"},
    {"retry.after_over", "fail"},
    {"retry.resume", "on"},
    {"start.wait", "off"},
    {"http.hold", "off"},
    {"http.async", "off"},
    {"http.tls_reconnect", "off"},
    {"http.path", "off"},
    {"timeout.connect", "unset"},
    {"timeout.attempt", "unset"},
    {"timeout.total", "30s"},
    {"connect.nonblocking", "park"},
    {"connect.failover", "auto"},
    {"dns.total", "2s"},
    {"dns.stale", "off"},
    {"socket.keepalive", "off"},
    {"socket.user_timeout", "off"},
    {"breaker", "on"},
    {"breaker.scope", "host"},
    {"breaker.window", "20"},
    {"breaker.min_calls", "20"},
    {"breaker.failure_rate", "100%"},
    {"breaker.slow_call", "unset"},
    {"breaker.slow_rate", "100%"},
    {"breaker.open", "2s"},
    {"breaker.open_multiplier", "2"},
    {"breaker.open_max", "10s"},
    {"breaker.refuse", "slow"},
    {"breaker.probes", "1"},
    {"breaker.probe_lease", "10s"},
    {"breaker.quorum", "1"},
    {"budget.ratio", "20%"},
    {"budget.floor", "3/s"},
};

enum { DOCUMENTED = sizeof(documented) / sizeof(documented[0]) };

// A value and how it is written back; NULL: it is refused, and `offset` is where.
struct sample {
    const char *key, *value, *written;
    unsigned offset;
};

static const struct sample samples[] = {
    {"intercept", "connect,curl", "curl, connect", 0},
    {"intercept", "off", "off", 0},
    {"intercept", "curl", "curl", 0},
    {"intercept", "curl, off", NULL, 6},
    {"intercept", "curl, ", NULL, 6},
    {"intercept", "dns, curl", "curl, dns", 0},
    {"intercept", "dsn", NULL, 0},
    {"dns.total", "1500ms", "1500ms", 0},
    {"dns.total", "0s", NULL, 0},
    {"dns.total", "off", NULL, 0},
    {"dns.stale", "5m", "5m", 0},
    {"dns.stale", "off", "off", 0},
    {"dns.stale", "0s", NULL, 0},
    {"dns.stale", "on", NULL, 0},
    {"http.tls_reconnect", "on", "on", 0},
    {"http.tls_reconnect", "yes", NULL, 0},
    {"http.path", "on", "on", 0},
    {"http.path", "off", "off", 0},
    {"http.path", "query", NULL, 0},
    {"socket.keepalive", "30s/10s/3", "30s/10s/3", 0},
    {"socket.keepalive", "off", "off", 0},
    {"socket.keepalive", "1s/1s/1", "1s/1s/1", 0},
    {"socket.keepalive", "32767s/32767s/127", "32767s/32767s/127", 0},
    {"socket.keepalive", "2m / 30000ms\t/ 5", "120s/30s/5", 0},
    {"socket.keepalive", "0s/10s/3", NULL, 0},
    {"socket.keepalive", "30s/0s/3", NULL, 4},
    {"socket.keepalive", "30s/10s/0", NULL, 8},
    {"socket.keepalive", "1ms/10s/3", NULL, 0},
    {"socket.keepalive", "30s/1500ms/3", NULL, 4},
    {"socket.keepalive", "32768s/10s/3", NULL, 0},
    {"socket.keepalive", "30s/ 10h/3", NULL, 5},
    {"socket.keepalive", "30s/10s/128", NULL, 8},
    {"socket.keepalive", "30s/10s/000000000000000000000000000000003999", NULL, 8},
    {"socket.keepalive", "99999999999999999999s/10s/3", NULL, 0},
    {"socket.keepalive", "30s", NULL, 3},
    {"socket.keepalive", "30s/10s", NULL, 7},
    {"socket.keepalive", "30s/10s/", NULL, 8},
    {"socket.keepalive", "30s//3", NULL, 4},
    {"socket.keepalive", "/10s/3", NULL, 0},
    {"socket.keepalive", "30s/10s/3/1", NULL, 9},
    {"socket.keepalive", "30s/10s/3/", NULL, 9},
    {"socket.keepalive", "30s/10s/3s", NULL, 9},
    {"socket.keepalive", "30/10s/3", NULL, 0},
    {"socket.keepalive", "on", NULL, 0},
    {"socket.keepalive", "off/10s/3", NULL, 0},
    {"socket.keepalive", "", NULL, 0},
    {"socket.user_timeout", "20s", "20s", 0},
    {"socket.user_timeout", "off", "off", 0},
    {"socket.user_timeout", "1500ms", "1500ms", 0},
    {"socket.user_timeout", "24h", "24h", 0},
    {"socket.user_timeout", "25h", NULL, 0},
    {"socket.user_timeout", "999ms", NULL, 0},
    {"socket.user_timeout", "0s", NULL, 0},
    {"socket.user_timeout", "20", NULL, 0},
    {"retry.attempts", "1", "1", 0},
    {"retry.attempts", "100", "100", 0},
    {"retry.attempts", "0", NULL, 0},
    {"retry.attempts", "101", NULL, 0},
    {"retry.attempts", "99999999999999999999", NULL, 0},
    {"retry.attempts", "18446744073709551617", NULL, 0},
    {"retry.attempts", "-1", NULL, 0},
    {"retry.attempts", "3x", NULL, 1},
    {"retry.backoff", "linear", "linear", 0},
    {"retry.backoff", "Linear", NULL, 0},
    {"retry.base", "0ms", "0ms", 0},
    {"retry.base", "1500ms", "1500ms", 0},
    {"retry.base", "120s", "2m", 0},
    {"retry.base", "24h", "24h", 0},
    {"retry.base", "86400001ms", NULL, 0},
    {"retry.base", "9999999999999h", NULL, 0},
    {"retry.base", "0", NULL, 0},
    {"retry.base", "1.5s", NULL, 1},
    {"retry.base", "2 s", NULL, 1},
    {"retry.base", "2S", NULL, 1},
    {"retry.base", "2sec", NULL, 1},
    {"retry.base", "s", NULL, 0},
    {"retry.multiplier", "1.5", "1.5", 0},
    {"retry.multiplier", "1.050", "1.05", 0},
    {"retry.multiplier", "100", "100", 0},
    {"retry.multiplier", "0.999", NULL, 0},
    {"retry.multiplier", "100.001", NULL, 0},
    {"retry.multiplier", "1.0001", NULL, 5},
    {"retry.multiplier", "2.", NULL, 2},
    {"retry.multiplier", "2x", NULL, 1},
    {"retry.multiplier", ".5", NULL, 0},
    {"retry.jitter", "none", "none", 0},
    {"retry.jitter", "decorrelated", "decorrelated", 0},
    {"retry.jitter", "1s", "1s", 0},
    {"retry.jitter", "5", NULL, 0},
    {"retry.jitter", "25h", NULL, 0},
    {"retry.on", "none", "none", 0},
    {"retry.on", "503", "503", 0},
    {"retry.on", "5xx, 429, dns", "dns, 429, 5xx", 0},
    {"retry.on", "4XX,503", "4xx, 503", 0},
    {"retry.on", "400, 599", "400, 599", 0},
    {"retry.on", "throttled", "throttled", 0},
    {"retry.on", "+409, -500",
     "refused, unreachable, reset, timeout, dns, throttled, 408, 409, 429, 502, 503, 504, 522, "
     "524, 529",
     0},
    {"retry.on", "-dns, -throttled, -5xx", "refused, unreachable, reset, timeout, 408, 429", 0},
    {"retry.on", "+409, 500", NULL, 6},
    {"retry.on", "409, +500", NULL, 5},
    {"retry.on", "+none", NULL, 1},
    {"retry.on", "+", NULL, 1},
    {"retry.on", "301", NULL, 0},
    {"retry.on", "2xx", NULL, 0},
    {"retry.rejected", "none", "none", 0},
    {"retry.rejected", "+529", "429, 529, throttled", 0},
    {"retry.rejected", "-throttled, +5xx", "429, 5xx", 0},
    {"retry.rejected", "refused", NULL, 0},
    {"retry.on", "dns, none", NULL, 5},
    {"retry.on", "600", NULL, 0},
    {"retry.on", "99", NULL, 0},
    {"retry.on", "5x3", NULL, 0},
    {"retry.on", "6xx", NULL, 0},
    {"retry.on", "dns,,503", NULL, 4},
    {"retry.on", "refused reset", NULL, 0},
    {"retry.methods", "safe", "safe", 0},
    {"retry.methods", "all", "all", 0},
    {"retry.methods", "GET,POST ,M-SEARCH", "GET, POST, M-SEARCH", 0},
    {"retry.methods", "GET, safe", NULL, 5},
    {"retry.methods", "get", NULL, 0},
    {"retry.methods", "*", NULL, 0},
    {"retry.methods", "GET POST", NULL, 3},
    {"retry.methods", "GET,", NULL, 4},
    {"retry.idempotency_headers", "none", "none", 0},
    {"retry.idempotency_headers", "X-Request-ID , Idempotency-Key", "X-Request-ID, Idempotency-Key", 0},
    {"retry.idempotency_headers", "X:Y", NULL, 1},
    {"retry.after", "ignore", "ignore", 0},
    {"retry.after", "standard", "standard", 0},
    {"retry.after", "honor", NULL, 0},
    {"retry.after_max", "0s", "0ms", 0},
    {"retry.after_over", "cap", "cap", 0},
    {"timeout.connect", "1ms", "1ms", 0},
    {"timeout.connect", "0s", NULL, 0},
    {"timeout.attempt", "unset", "unset", 0},
    {"timeout.total", "1h", "1h", 0},
    {"timeout.total", "unset", "30s", 0},
    {"breaker", "off", "off", 0},
    {"breaker", "yes", NULL, 0},
    {"breaker.scope", "policy", "policy", 0},
    {"breaker.window", "1024", "1024", 0},
    {"breaker.window", "1025", NULL, 0},
    {"breaker.window", "0", NULL, 0},
    {"breaker.window", "60s", "60s", 0},
    {"breaker.window", "1m", "60s", 0},
    {"breaker.window", "61s", NULL, 0},
    {"breaker.window", "1500ms", NULL, 0},
    {"breaker.window", "2000ms", "2s", 0},
    {"breaker.window", "30x", NULL, 2},
    {"breaker.min_calls", "10000", "10000", 0},
    {"breaker.failure_rate", "12.5%", "12.5%", 0},
    {"breaker.failure_rate", "0.01%", "0.01%", 0},
    {"breaker.failure_rate", "0%", NULL, 0},
    {"breaker.failure_rate", "100.01%", NULL, 0},
    {"breaker.failure_rate", "50", NULL, 0},
    {"breaker.failure_rate", "0.5", NULL, 0},
    {"breaker.failure_rate", "50 %", NULL, 2},
    {"breaker.slow_call", "2s", "2s", 0},
    {"breaker.slow_rate", "80%", "80%", 0},
    {"breaker.open", "0s", NULL, 0},
    {"breaker.open_multiplier", "1", "1", 0},
    {"breaker.open_max", "1h", "1h", 0},
    {"breaker.refuse", "always", "always", 0},
    {"breaker.refuse", "never", "never", 0},
    {"breaker.refuse", "on", NULL, 0},
    {"breaker.probes", "16", "16", 0},
    {"breaker.probes", "17", NULL, 0},
    {"breaker.probe_lease", "90s", "90s", 0},
    {"breaker.quorum", "16", "16", 0},
    {"breaker.quorum", "0", NULL, 0},
    {"breaker.quorum", "17", NULL, 0},
    {"budget.ratio", "0%", "0%", 0},
    {"budget.ratio", "1000%", "1000%", 0},
    {"budget.ratio", "1000.01%", NULL, 0},
    {"budget.floor", "0.5/s", "0.5/s", 0},
    {"budget.floor", "0/s", "0/s", 0},
    {"budget.floor", "1000/s", "1000/s", 0},
    {"budget.floor", "3", NULL, 0},
    {"budget.floor", "3/m", NULL, 1},
};

static const struct rb_key *key_of(const char *name)
{
    unsigned count;
    int index = rb_key_find(name);
    assert_true(index >= 0);
    return &rb_key_table(&count)[index];
}

static void check_sample(void **state)
{
    const struct sample *sample = *state;
    const struct rb_key *key = key_of(sample->key);
    struct rb_section_values values, before;
    char out[256];
    unsigned offset = 77;
    rb_key_defaults(&values);
    before = values;
    const char *wrong = rb_key_kind_parse(key, &values, sample->value, &offset);
    if (!sample->written) {
        assert_non_null(wrong);
        assert_int_equal(offset, sample->offset);
        assert_memory_equal(&values, &before, sizeof(values));
        return;
    }
    assert_null(wrong);
    assert_int_equal(rb_key_kind_format(key, &values, out, sizeof(out)), strlen(sample->written));
    assert_string_equal(out, sample->written);
    // The written text is read as the same value and changes nothing else.
    before = values;
    assert_null(rb_key_kind_parse(key, &values, out, &offset));
    values.rules.total_set = before.rules.total_set; // "30s" stands for two things
    assert_memory_equal(&values, &before, sizeof(values));
}

static void test_defaults_are_documented(void **state)
{
    unsigned count;
    const struct rb_key *keys = rb_key_table(&count);
    struct rb_section_values values;
    (void) state;
    rb_key_defaults(&values);
    assert_int_equal(count, DOCUMENTED);
    for (unsigned i = 0; i < DOCUMENTED; i++) {
        char out[256];
        assert_string_equal(keys[i].name, documented[i].name);
        assert_string_equal(keys[i].fallback, documented[i].fallback);
        rb_key_kind_format(&keys[i], &values, out, sizeof(out));
        assert_string_equal(out, documented[i].fallback);
        assert_true(rb_key_kind_expects(&keys[i], "", out, sizeof(out)) > 0);
        assert_int_equal(rb_key_find(documented[i].name), i);
    }
    assert_int_equal(rb_key_find("retry"), -1);
    assert_int_equal(rb_key_find("hosts"), -1);
}

// The defaults as numbers, in the units that the engine documents.
static void test_defaults_in_the_engines_units(void **state)
{
    struct rb_section_values values;
    (void) state;
    rb_key_defaults(&values);
    assert_int_equal(values.rules.intercept,
                     RB_INTERCEPT_CURL | RB_INTERCEPT_CONNECT | RB_INTERCEPT_DNS | RB_INTERCEPT_HTTP);
    assert_int_equal(values.rules.backoff.kind, RB_BACKOFF_EXPONENTIAL);
    assert_int_equal(values.rules.backoff.jitter, RB_JITTER_FULL);
    assert_int_equal(values.rules.backoff.base_ms, 200);
    assert_int_equal(values.rules.backoff.multiplier_milli, 2000);
    assert_int_equal(values.rules.backoff.cap_ms, 10000);
    assert_int_equal(values.rules.causes, 1 << RB_CAUSE_REFUSED | 1 << RB_CAUSE_UNREACHABLE | 1 << RB_CAUSE_RESET |
                                              1 << RB_CAUSE_TIMEOUT | 1 << RB_CAUSE_DNS | 1 << RB_CAUSE_STATUS);
    assert_true(rb_rules_status(&values.rules, 408) && rb_rules_status(&values.rules, 504));
    assert_false(rb_rules_status(&values.rules, 501) || rb_rules_status(&values.rules, 200));
    assert_string_equal(values.methods,
                        "GET HEAD OPTIONS TRACE PROPFIND REPORT SEARCH PUT DELETE PROPPATCH MKCOL COPY MOVE UNLOCK");
    assert_int_equal(values.rules.after, RB_HINT_HONOUR);
    assert_int_equal(values.rules.after_max_ms, 20000);
    assert_int_equal(values.rules.after_over, RB_AFTER_FAIL);
    assert_int_equal(values.rules.total_ms, 30000);
    assert_false(values.rules.total_set);
    assert_int_equal(values.rules.breaker_scope, RB_SCOPE_HOST);
    assert_false(values.rules.breaker.time_window);
    assert_int_equal(values.rules.breaker.failure_rate, 10000);
    assert_int_equal(values.rules.breaker.slow_call_ms, 0);
    assert_int_equal(values.rules.breaker.open_max_ms, 10000);
    assert_int_equal(values.rules.budget.ratio, 2000);
    assert_int_equal(values.rules.budget.floor_milli, 3000);
}

// A policy that names the default total differs from one that names none. `unset` restores the default.
static void test_total_time(void **state)
{
    const struct rb_key *total = key_of("timeout.total");
    struct rb_section_values values;
    unsigned offset;
    (void) state;
    rb_key_defaults(&values);
    assert_null(rb_key_kind_parse(total, &values, "30s", &offset));
    assert_true(values.rules.total_set);
    assert_null(rb_key_kind_parse(total, &values, "unset", &offset));
    assert_false(values.rules.total_set);
    assert_int_equal(values.rules.total_ms, 30000);
}

// Lists that do not fit are refused whole.
static void test_long_lists(void **state)
{
    char value[RB_METHODS_SIZE + 1], out[2 * RB_METHODS_SIZE];
    const struct rb_key *methods = key_of("retry.methods");
    struct rb_section_values values;
    unsigned offset;
    (void) state;
    rb_key_defaults(&values);
    memset(value, 'A', sizeof(value) - 1);
    value[RB_METHODS_SIZE - 1] = '\0';
    assert_null(rb_key_kind_parse(methods, &values, value, &offset));
    rb_key_kind_format(methods, &values, out, sizeof(out));
    assert_string_equal(out, value);
    value[RB_METHODS_SIZE - 1] = 'A';
    value[RB_METHODS_SIZE] = '\0';
    assert_non_null(rb_key_kind_parse(methods, &values, value, &offset));
    rb_key_kind_format(methods, &values, out, sizeof(out));
    assert_int_equal(strlen(out), RB_METHODS_SIZE - 1);
    value[100] = ',';
    assert_null(rb_key_kind_parse(key_of("retry.idempotency_headers"), &values, value + 1, &offset));
    assert_int_equal(strlen(values.idempotency_headers), RB_HEADERS_SIZE - 1);
}

// A text is cut if the buffer is too small. The buffer never overflows.
static void test_small_buffers(void **state)
{
    unsigned count;
    const struct rb_key *keys = rb_key_table(&count);
    struct rb_section_values values;
    (void) state;
    rb_key_defaults(&values);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned long size = 1; size < 8; size++) {
            char *exact = malloc(size);
            unsigned long length = rb_key_kind_format(&keys[i], &values, exact, size);
            assert_true(length < size);
            assert_int_equal(strlen(exact), length);
            assert_memory_equal(exact, keys[i].fallback, length);
            free(exact);
        }
    }
}

static void test_durations(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{0, "0ms"},       {1, "1ms"},        {250, "250ms"},    {1000, "1s"},   {1500, "1500ms"},
                 {60000, "60s"},   {120000, "2m"},    {90000, "90s"},    {300000, "5m"}, {3600000, "1h"},
                 {5400000, "90m"}, {86400000, "24h"}, {61001, "61001ms"}};
    uint64_t ms;
    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        assert_int_equal(rb_value_write_duration(cases[i].ms, out, sizeof(out)), strlen(cases[i].text));
        assert_string_equal(out, cases[i].text);
        assert_null(rb_value_parse_duration(out, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    assert_string_equal(rb_value_parse_duration("2", &ms), "a duration needs a unit: 2s, 250ms");
    assert_non_null(rb_value_parse_duration("", &ms));
    assert_non_null(rb_value_parse_duration("99999999999999999999999999h", &ms));
    assert_non_null(rb_value_parse_duration("1s ", &ms));
}

static void name_sample(const void *row, char *name, size_t size)
{
    const struct sample *sample = row;
    snprintf(name, size, "%s = %s", sample->key, sample->value);
}

int main(void)
{
    static const struct case_table table = {samples, sizeof(samples[0]), sizeof(samples) / sizeof(samples[0]),
                                            check_sample, name_sample};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_defaults_are_documented),
        cmocka_unit_test(test_defaults_in_the_engines_units),
        cmocka_unit_test(test_total_time),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_small_buffers),
        cmocka_unit_test(test_durations),
    };
    return run_with_cases("policy keys", &table, others, sizeof(others) / sizeof(others[0]));
}
