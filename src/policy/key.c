// SPDX-License-Identifier: MIT
// The keys of a policy section: names, defaults, ranges, and how each value is read and written.
#include "policy/key.h"

#include "policy/value.h"

// Times in milliseconds. A day is more than any caller waits, and keeps sums of times far from overflow.
static const uint64_t MS = 1, SECOND = 1000, DAY = 86400000;

// The application's own limit counts where it has one; this is the limit where it has none.
static const uint64_t TOTAL_DEFAULT_MS = 30000;

// Ranges of plain numbers. Rates in hundredths of a percent, factors and retries per second in thousandths.
enum {
    ATTEMPTS_MAX = 100,
    FACTOR_MIN = 1000,
    FACTOR_MAX = 100000,
    MIN_CALLS_MAX = 10000,
    RATE_MIN = 1,
    RATE_MAX = 10000,
    BUDGET_RATIO_MAX = 100000,
    BUDGET_FLOOR_MAX = 1000000
};

#define EXPECTS_WAIT "a duration up to 24h, such as 200ms"
#define EXPECTS_LIMIT "a duration from 1ms to 24h, or unset"
#define EXPECTS_OPTION "off, or a duration from 1ms to 24h"
#define EXPECTS_TIME "a duration from 1ms to 24h"
#define EXPECTS_FACTOR "a number from 1 to 100, with up to three decimals"
#define EXPECTS_RATE "a percentage from 0.01% to 100%"

typedef struct rb_rules rules_t;

static const char *const backoff_words[] = {"fixed", "linear", "exponential", NULL};
static const char *const jitter_words[] = {"none", "full", "equal", "decorrelated", NULL};
static const char *const after_words[] = {"ignore", "honour", NULL};
static const char *const over_words[] = {"fail", "cap", "ignore", NULL};
static const char *const switch_words[] = {"off", "on", NULL};
static const char *const scope_words[] = {"host", "policy", NULL};
static const char *const refuse_words[] = {"slow", "always", "never", NULL};
static const char *const unset_words[] = {"unset", NULL};
static const char *const nonblocking_words[] = {"park", "settle", "off", NULL};
static const char *const off_words[] = {"off", NULL};

static unsigned long write_text(char *out, unsigned long size, const char *text)
{
    struct rb_writer writer = rb_writer_on(out, size);
    rb_write_text(&writer, text);
    return writer.length;
}

static unsigned long write_scaled(char *out, unsigned long size, uint64_t number, const struct rb_scale *scale)
{
    struct rb_writer writer = rb_writer_on(out, size);
    rb_write_scaled(&writer, number, scale->decimals);
    rb_write_text(&writer, scale->unit);
    return writer.length;
}

static const struct rb_scale whole = {0, "", NULL};

// Most keys are one field of one kind. Each macro defines read_NAME and write_NAME for such a field.
#define READ(name) static const char *read_##name(rules_t *rules, const char *value, unsigned *offset)
#define WRITE(name) static unsigned long write_##name(const rules_t *rules, char *out, unsigned long size)

#define DURATION_KEY(name, field, low)                                                                                 \
    READ(name)                                                                                                         \
    {                                                                                                                  \
        return rb_value_duration(value, offset, low, DAY, &rules->field);                                              \
    }                                                                                                                  \
    WRITE(name)                                                                                                        \
    {                                                                                                                  \
        return rb_duration_format(rules->field, out, size);                                                            \
    }

#define LIMIT_KEY(name, field)                                                                                         \
    READ(name)                                                                                                         \
    {                                                                                                                  \
        return rb_value_limit(value, offset, MS, DAY, &rules->field);                                                  \
    }                                                                                                                  \
    WRITE(name)                                                                                                        \
    {                                                                                                                  \
        return rules->field ? rb_duration_format(rules->field, out, size) : write_text(out, size, "unset");            \
    }

#define COUNT_KEY(name, field, low, high)                                                                              \
    READ(name)                                                                                                         \
    {                                                                                                                  \
        return rb_value_count(value, offset, low, high, &rules->field);                                                \
    }                                                                                                                  \
    WRITE(name)                                                                                                        \
    {                                                                                                                  \
        return write_scaled(out, size, rules->field, &whole);                                                          \
    }

#define SCALED_KEY(name, field, scale, low, high)                                                                      \
    READ(name)                                                                                                         \
    {                                                                                                                  \
        return rb_value_scaled(value, offset, &(scale), low, high, &rules->field);                                     \
    }                                                                                                                  \
    WRITE(name)                                                                                                        \
    {                                                                                                                  \
        return write_scaled(out, size, rules->field, &(scale));                                                        \
    }

#define WORD_KEY(name, field, type, words)                                                                             \
    READ(name)                                                                                                         \
    {                                                                                                                  \
        unsigned index = (unsigned) rules->field;                                                                      \
        const char *wrong = rb_value_word(value, offset, words, &index);                                               \
        rules->field = (type) index;                                                                                   \
        return wrong;                                                                                                  \
    }                                                                                                                  \
    WRITE(name)                                                                                                        \
    {                                                                                                                  \
        return write_text(out, size, (words)[rules->field]);                                                           \
    }

COUNT_KEY(attempts, attempts, 1, ATTEMPTS_MAX)
WORD_KEY(backoff, backoff.kind, enum rb_backoff_kind, backoff_words)
DURATION_KEY(base, backoff.base_ms, 0)
SCALED_KEY(multiplier, backoff.multiplier_milli, rb_scale_factor, FACTOR_MIN, FACTOR_MAX)
DURATION_KEY(cap, backoff.cap_ms, 0)
WORD_KEY(after, after_honour, bool, after_words)
DURATION_KEY(after_max, after_max_ms, 0)
WORD_KEY(after_over, after_over, enum rb_after_over, over_words)
LIMIT_KEY(connect, connect_ms)
LIMIT_KEY(attempt, attempt_ms)
WORD_KEY(resume, resume, bool, switch_words)
WORD_KEY(nonblocking, nonblocking, enum rb_nonblocking, nonblocking_words)
DURATION_KEY(dns_total, dns_total_ms, MS)
WORD_KEY(breaker, breaker_on, bool, switch_words)
WORD_KEY(scope, breaker_scope, enum rb_breaker_scope, scope_words)
COUNT_KEY(min_calls, breaker.min_calls, 1, MIN_CALLS_MAX)
SCALED_KEY(failure_rate, breaker.failure_rate, rb_scale_ratio, RATE_MIN, RATE_MAX)
LIMIT_KEY(slow_call, breaker.slow_call_ms)
SCALED_KEY(slow_rate, breaker.slow_rate, rb_scale_ratio, RATE_MIN, RATE_MAX)
DURATION_KEY(open, breaker.open_ms, MS)
SCALED_KEY(open_multiplier, breaker.open_multiplier_milli, rb_scale_factor, FACTOR_MIN, FACTOR_MAX)
DURATION_KEY(open_max, breaker.open_max_ms, MS)
WORD_KEY(refuse, breaker.refuse, enum rb_breaker_refuse, refuse_words)
COUNT_KEY(probes, breaker.probes, 1, RB_BREAKER_MAX_PROBES)
COUNT_KEY(quorum, breaker.quorum, 1, RB_BREAKER_MAX_QUORUM)
DURATION_KEY(probe_lease, breaker.probe_lease_ms, MS)
SCALED_KEY(budget_ratio, budget.ratio, rb_scale_ratio, 0, BUDGET_RATIO_MAX)
SCALED_KEY(budget_floor, budget.floor_milli, rb_scale_rate, 0, BUDGET_FLOOR_MAX)

// A word, or a duration: the bound of the random wait that is added.
READ(jitter)
{
    unsigned kind = RB_JITTER_ADDED;
    uint64_t added = 0;
    const char *wrong = rb_text_digit(value[0]) ? rb_value_duration(value, offset, 0, DAY, &added)
                                                : rb_value_word(value, offset, jitter_words, &kind);
    if (!wrong) {
        rules->backoff.jitter = (enum rb_jitter_kind) kind;
        rules->backoff.jitter_ms = added;
    }
    return wrong;
}

WRITE(jitter)
{
    return rules->backoff.jitter == RB_JITTER_ADDED ? rb_duration_format(rules->backoff.jitter_ms, out, size)
                                                    : write_text(out, size, jitter_words[rules->backoff.jitter]);
}

// `unset` lets a section go back to the application's own limit when [default] names one.
READ(total)
{
    uint64_t total = 0;
    const char *wrong = rb_value_limit(value, offset, MS, DAY, &total);
    if (!wrong) {
        rules->total_set = total > 0;
        rules->total_ms = total > 0 ? total : TOTAL_DEFAULT_MS;
    }
    return wrong;
}

WRITE(total)
{
    return rb_duration_format(rules->total_ms, out, size);
}

// A duration, or `off`.
READ(dns_stale)
{
    if (strcmp(value, "off") == 0) {
        rules->dns_stale_ms = 0;
        return NULL;
    }
    return rb_value_duration(value, offset, MS, DAY, &rules->dns_stale_ms);
}

WRITE(dns_stale)
{
    return rules->dns_stale_ms ? rb_duration_format(rules->dns_stale_ms, out, size) : write_text(out, size, "off");
}

// A number of calls, or whole seconds.
READ(window)
{
    bool timed = value[0] && !rb_text_digit(value[strlen(value) - 1]);
    uint64_t ms = 0;
    uint32_t window = 0;
    const char *wrong = timed ? rb_value_duration(value, offset, SECOND, RB_BREAKER_MAX_SECONDS * SECOND, &ms)
                              : rb_value_count(value, offset, 1, RB_BREAKER_MAX_CALLS, &window);
    if (!wrong && ms % SECOND != 0) {
        *offset = 0;
        wrong = "not a whole number of seconds";
    }
    if (!wrong) {
        rules->breaker.time_window = timed;
        rules->breaker.window = timed ? (uint32_t) (ms / SECOND) : window;
    }
    return wrong;
}

WRITE(window)
{
    return rules->breaker.time_window ? rb_duration_format(rules->breaker.window * SECOND, out, size)
                                      : write_scaled(out, size, rules->breaker.window, &whole);
}

#define KEY(name, fallback, expects, function, words)                                                                  \
    {                                                                                                                  \
        name, fallback, expects, read_##function, write_##function, words                                              \
    }
static const struct rb_key keys[] = {
    {"intercept", "curl, connect, dns", "a list of curl, connect and dns, or off", rb_list_read_intercept,
     rb_list_write_intercept, rb_list_intercept_words},
    KEY("retry.attempts", "3", "a number from 1 to 100", attempts, NULL),
    KEY("retry.backoff", "exponential", "fixed, linear or exponential", backoff, backoff_words),
    KEY("retry.base", "200ms", EXPECTS_WAIT, base, NULL),
    KEY("retry.multiplier", "2", EXPECTS_FACTOR, multiplier, NULL),
    KEY("retry.cap", "10s", EXPECTS_WAIT, cap, NULL),
    KEY("retry.jitter", "full", "none, full, equal, decorrelated, or a duration up to 24h", jitter, jitter_words),
    {"retry.on", "refused, unreachable, reset, timeout, dns, 408, 429, 500, 502, 503, 504",
     "refused, unreachable, reset, timeout, dns and HTTP statuses (503, 5xx), or none", rb_list_read_causes,
     rb_list_write_causes, rb_list_cause_words},
    {"retry.methods", "idempotent", "safe, idempotent, all, or a list of methods", rb_list_read_methods,
     rb_list_write_methods, rb_list_method_words},
    {"retry.idempotency_headers", "Idempotency-Key", "a list of header names, or none", rb_list_read_headers,
     rb_list_write_headers, NULL},
    KEY("retry.after", "honour", "honour or ignore", after, after_words),
    KEY("retry.after_max", "60s", EXPECTS_WAIT, after_max, NULL),
    KEY("retry.after_over", "fail", "fail, cap or ignore", after_over, over_words),
    KEY("retry.resume", "on", "on or off", resume, switch_words),
    KEY("timeout.connect", "unset", EXPECTS_LIMIT, connect, unset_words),
    KEY("timeout.attempt", "unset", EXPECTS_LIMIT, attempt, unset_words),
    KEY("timeout.total", "30s", EXPECTS_LIMIT, total, unset_words),
    KEY("connect.nonblocking", "park", "park, settle or off", nonblocking, nonblocking_words),
    KEY("dns.total", "2s", EXPECTS_TIME, dns_total, NULL),
    KEY("dns.stale", "off", EXPECTS_OPTION, dns_stale, off_words),
    KEY("breaker", "on", "on or off", breaker, switch_words),
    KEY("breaker.scope", "host", "host or policy", scope, scope_words),
    KEY("breaker.window", "20", "1 to 1024 calls (50), or 1s to 60s (30s)", window, NULL),
    KEY("breaker.min_calls", "20", "a number from 1 to 10000", min_calls, NULL),
    KEY("breaker.failure_rate", "100%", EXPECTS_RATE, failure_rate, NULL),
    KEY("breaker.slow_call", "unset", EXPECTS_LIMIT, slow_call, unset_words),
    KEY("breaker.slow_rate", "100%", EXPECTS_RATE, slow_rate, NULL),
    KEY("breaker.open", "2s", EXPECTS_TIME, open, NULL),
    KEY("breaker.open_multiplier", "2", EXPECTS_FACTOR, open_multiplier, NULL),
    KEY("breaker.open_max", "10s", EXPECTS_TIME, open_max, NULL),
    KEY("breaker.refuse", "slow", "slow, always or never", refuse, refuse_words),
    KEY("breaker.probes", "1", "a number from 1 to 16", probes, NULL),
    KEY("breaker.probe_lease", "10s", EXPECTS_TIME, probe_lease, NULL),
    KEY("breaker.quorum", "1", "a number from 1 to 16", quorum, NULL),
    KEY("budget.ratio", "20%", "a percentage from 0% to 1000%", budget_ratio, NULL),
    KEY("budget.floor", "3/s", "a rate from 0/s to 1000/s", budget_floor, NULL),
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

const struct rb_key *rb_key_table(unsigned *count)
{
    *count = KEY_COUNT;
    return keys;
}

int rb_key_find(const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

void rb_key_defaults(struct rb_rules *rules)
{
    *rules = (struct rb_rules){0};
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        unsigned offset;
        keys[i].parse(rules, keys[i].fallback, &offset);
    }
    rules->total_set = false;
}
