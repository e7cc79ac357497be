// SPDX-License-Identifier: MIT
// The table of policy keys, and the functions of values that need their own.
#include "policy/key.h"

#include "policy/lists.h"
#include "policy/value.h"

// Times in milliseconds. The maximum of a day exceeds any useful wait and keeps sums of times far from overflow.
#define MS UINT64_C(1)
#define SECOND UINT64_C(1000)
#define DAY UINT64_C(86400000)

// The limit for programs without a limit of their own.
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

static const char *const backoff_words[] = {"fixed", "linear", "exponential", NULL};
static const char *const jitter_words[] = {"none", "full", "equal", "decorrelated", NULL};
static const char *const after_words[] = {"honour", "standard", "ignore", NULL};
static const char *const over_words[] = {"fail", "cap", "ignore", NULL};
static const char *const switch_words[] = {"off", "on", NULL};
static const char *const scope_words[] = {"host", "policy", NULL};
static const char *const refuse_words[] = {"slow", "always", "never", NULL};
static const char *const unset_words[] = {"unset", NULL};
static const char *const nonblocking_words[] = {"park", "settle", "off", NULL};
static const char *const failover_words[] = {"auto", "program", "off", NULL};
static const char *const off_words[] = {"off", NULL};
static const char *const deepbind_words[] = {"clear", "keep", NULL};
static const char *const log_words[] = {"off", "stderr", NULL};
static const char *const state_words[] = {"shared", "private", NULL};

// Reads a word, or a duration: the upper bound of the added random wait.
static const char *key_read_jitter(struct rb_section_values *values, const char *value, unsigned *offset)
{
    unsigned kind = RB_JITTER_ADDED;
    uint64_t added = 0;
    const char *wrong = rb_char_digit(value[0]) ? rb_value_duration(value, offset, 0, DAY, &added)
                                                : rb_value_word(value, offset, jitter_words, &kind);
    if (!wrong) {
        values->rules.backoff.jitter = (enum rb_jitter_kind) kind;
        values->rules.backoff.jitter_ms = added;
    }
    return wrong;
}

static unsigned long key_write_jitter(const struct rb_section_values *values, char *out, unsigned long size)
{
    return values->rules.backoff.jitter == RB_JITTER_ADDED
               ? rb_value_write_duration(values->rules.backoff.jitter_ms, out, size)
               : rb_value_write(out, size, jitter_words[values->rules.backoff.jitter]);
}

// `unset` restores the program's own limit in a section when [default] sets one.
static const char *key_read_total(struct rb_section_values *values, const char *value, unsigned *offset)
{
    uint64_t total = 0;
    const char *wrong = rb_value_limit(value, offset, unset_words[0], MS, DAY, &total);
    if (!wrong) {
        values->rules.total_set = total > 0;
        values->rules.total_ms = total > 0 ? total : TOTAL_DEFAULT_MS;
    }
    return wrong;
}

static unsigned long key_write_total(const struct rb_section_values *values, char *out, unsigned long size)
{
    return rb_value_write_duration(values->rules.total_ms, out, size);
}

// Reads a duration of whole seconds, from 1 to max_s.
static const char *key_read_seconds(const char *value, unsigned *offset, uint32_t max_s, uint32_t *seconds)
{
    uint64_t ms = 0;
    const char *wrong = rb_value_duration(value, offset, SECOND, max_s * SECOND, &ms);
    if (!wrong && ms % SECOND != 0) {
        *offset = 0;
        wrong = "not a whole number of seconds";
    }
    if (!wrong)
        *seconds = (uint32_t) (ms / SECOND);
    return wrong;
}

// Reads a number of calls, or whole seconds.
static const char *key_read_window(struct rb_section_values *values, const char *value, unsigned *offset)
{
    bool timed = value[0] && !rb_char_digit(value[strlen(value) - 1]);
    uint32_t window = 0;
    const char *wrong = timed ? key_read_seconds(value, offset, RB_BREAKER_MAX_SECONDS, &window)
                              : rb_value_count(value, offset, 1, RB_BREAKER_MAX_CALLS, &window);
    if (!wrong) {
        values->rules.breaker.time_window = timed;
        values->rules.breaker.window = window;
    }
    return wrong;
}

static unsigned long key_write_window(const struct rb_section_values *values, char *out, unsigned long size)
{
    return values->rules.breaker.time_window
               ? rb_value_write_duration(values->rules.breaker.window * SECOND, out, size)
               : rb_value_write_scaled(out, size, values->rules.breaker.window, &rb_scale_count);
}

enum { KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT, KEEPALIVE_PARTS };

// Reads one part of IDLE/INTERVAL/COUNT.
static const char *key_read_part(struct rb_slice part, unsigned which, unsigned *offset, uint32_t *number)
{
    char text[32];
    struct rb_writer writer = rb_writer_on(text, sizeof(text));
    rb_write_bytes(&writer, part.at, part.length);
    *offset = 0;
    if (writer.length < part.length)
        return rb_value_out_of_range;
    return which == KEEPALIVE_COUNT ? rb_value_count(text, offset, 1, RB_KEEPALIVE_COUNT_MAX, number)
                                    : key_read_seconds(text, offset, RB_KEEPALIVE_SECONDS_MAX, number);
}

static const char *key_read_keepalive(struct rb_section_values *values, const char *value, unsigned *offset)
{
    uint32_t numbers[KEEPALIVE_PARTS] = {0};
    const char *wrong = NULL, *at = value;
    bool on = strcmp(value, off_words[0]) != 0;
    for (unsigned i = 0; on && !wrong && i < KEEPALIVE_PARTS; i++) {
        size_t length = strcspn(at, "/");
        bool ends = at[length] == '\0', last = i == KEEPALIVE_COUNT;
        struct rb_slice part = rb_slice_trim((struct rb_slice){at, length});
        wrong = key_read_part(part, i, offset, &numbers[i]);
        *offset += (unsigned) (part.at - value);
        if (!wrong && ends != last) {
            *offset = (unsigned) (at + length - value);
            wrong = ends ? "a part is missing" : "there are more than three parts";
        }
        at += length + 1;
    }
    if (!wrong) {
        values->socket.idle_s = numbers[KEEPALIVE_IDLE];
        values->socket.interval_s = numbers[KEEPALIVE_INTERVAL];
        values->socket.count = numbers[KEEPALIVE_COUNT];
    }
    return wrong;
}

static unsigned long key_write_keepalive(const struct rb_section_values *values, char *out, unsigned long size)
{
    const struct rb_keepalive *socket = &values->socket;
    if (socket->idle_s == 0)
        return rb_value_write(out, size, off_words[0]);
    struct rb_writer writer = rb_writer_on(out, size);
    rb_write_number(&writer, socket->idle_s);
    rb_write_text(&writer, "s/");
    rb_write_number(&writer, socket->interval_s);
    rb_write_text(&writer, "s/");
    rb_write_number(&writer, socket->count);
    return writer.length;
}

static const struct rb_key_own own_jitter = {key_read_jitter, key_write_jitter},
                               own_total = {key_read_total, key_write_total},
                               own_window = {key_read_window, key_write_window},
                               own_intercept = {rb_lists_read_intercept, rb_lists_write_intercept},
                               own_causes = {rb_lists_read_causes, rb_lists_write_causes},
                               own_rejected = {rb_lists_read_rejected, rb_lists_write_rejected},
                               own_methods = {rb_lists_read_methods, rb_lists_write_methods},
                               own_headers = {rb_lists_read_headers, rb_lists_write_headers},
                               own_keepalive = {key_read_keepalive, key_write_keepalive};

// The offset of a field; does not compile if the field does not have the type that its kind writes.
#define FIELD(rules, field, type)                                                                                      \
    (offsetof(struct rules, field) +                                                                                   \
     0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((struct rules *) NULL)->field), type) ? 1 : -1]))

#define NUMBER(kind, name, rules, field, min, max, fallback)                                                           \
    {                                                                                                                  \
        name, kind, FIELD(rules, field, uint32_t), min, max, fallback, NULL, NULL, NULL                                \
    }
#define COUNT(name, field, min, max, fallback) NUMBER(RB_KEY_COUNT, name, rb_rules, field, min, max, fallback)
#define RATIO(name, field, min, max, fallback) NUMBER(RB_KEY_RATIO, name, rb_rules, field, min, max, fallback)
#define RATE(name, field, min, max, fallback) NUMBER(RB_KEY_RATE, name, rb_rules, field, min, max, fallback)
#define FACTOR(name, field, fallback) NUMBER(RB_KEY_FACTOR, name, rb_rules, field, FACTOR_MIN, FACTOR_MAX, fallback)
#define DURATION(name, field, min, fallback)                                                                           \
    {                                                                                                                  \
        name, RB_KEY_DURATION, FIELD(rb_rules, field, uint64_t), min, DAY, fallback, NULL, NULL, NULL                  \
    }
#define LIMIT(name, field, words, fallback, text)                                                                      \
    {                                                                                                                  \
        name, RB_KEY_LIMIT, FIELD(rb_rules, field, uint64_t), MS, DAY, fallback, text, words, NULL                     \
    }
#define SWITCH(name, field, words, fallback)                                                                           \
    {                                                                                                                  \
        name, RB_KEY_SWITCH, FIELD(rb_rules, field, bool), 0, 1, fallback, NULL, words, NULL                           \
    }
// An enum has the size of an unsigned int and no negative value.
#define WORD(name, field, words, fallback)                                                                             \
    {                                                                                                                  \
        name, RB_KEY_WORD,                                                                                             \
            offsetof(struct rb_rules, field) +                                                                         \
                0 * sizeof(char[sizeof(((struct rb_rules *) NULL)->field) == sizeof(unsigned) ? 1 : -1]),              \
            0, sizeof(words) / sizeof((words)[0]) - 2, fallback, NULL, words, NULL                                     \
    }
#define OWN(name, functions, fallback, text, words)                                                                    \
    {                                                                                                                  \
        name, RB_KEY_OWN, 0, 0, 0, fallback, text, words, &own_##functions                                             \
    }

static const struct rb_key keys[] = {
    OWN("intercept", intercept, "curl, connect, dns, http", "a list of curl, connect, dns and http, or off",
        rb_lists_intercept_words),
    COUNT("retry.attempts", attempts, 1, ATTEMPTS_MAX, "3"),
    WORD("retry.backoff", backoff.kind, backoff_words, "exponential"),
    DURATION("retry.base", backoff.base_ms, 0, "200ms"),
    FACTOR("retry.multiplier", backoff.multiplier_milli, "2"),
    DURATION("retry.cap", backoff.cap_ms, 0, "10s"),
    OWN("retry.jitter", jitter, "full", "none, full, equal, decorrelated, or a duration up to 24h", jitter_words),
    OWN("retry.on", causes,
        "refused, unreachable, reset, timeout, dns, throttled, 408, 429, 500, 502, 503, 504, 522, 524, 529",
        "refused, unreachable, reset, timeout, dns, throttled and statuses (503, 5xx), all with + or -, or none",
        rb_lists_cause_words),
    OWN("retry.methods", methods, "idempotent", "safe, idempotent, all, or a list of methods", rb_lists_method_words),
    OWN("retry.rejected", rejected, "429, throttled", "throttled and statuses (429, 5xx), all with + or -, or none",
        rb_lists_rejected_words),
    OWN("retry.idempotency_headers", headers, "Idempotency-Key", "a list of header names, or none", NULL),
    WORD("retry.after", after, after_words, "honour"),
    DURATION("retry.after_max", after_max_ms, 0, "20s"),
    WORD("retry.after_over", after_over, over_words, "fail"),
    SWITCH("retry.resume", resume, switch_words, "on"),
    LIMIT("start.wait", start_wait_ms, off_words, "off", "off, or a duration from 1ms to 24h"),
    LIMIT("http.hold", hold_ms, off_words, "off", "off, or a duration from 1ms to 24h"),
    SWITCH("http.async", async, switch_words, "off"),
    SWITCH("http.tls_reconnect", tls_reconnect, switch_words, "off"),
    SWITCH("http.path", http_path, switch_words, "off"),
    LIMIT("timeout.connect", connect_ms, unset_words, "unset", NULL),
    LIMIT("timeout.attempt", attempt_ms, unset_words, "unset", NULL),
    OWN("timeout.total", total, "30s", "a duration from 1ms to 24h, or unset", unset_words),
    WORD("connect.nonblocking", nonblocking, nonblocking_words, "park"),
    WORD("connect.failover", failover, failover_words, "auto"),
    DURATION("dns.total", dns_total_ms, MS, "2s"),
    LIMIT("dns.stale", dns_stale_ms, off_words, "off", "off, or a duration from 1ms to 24h"),
    OWN("socket.keepalive", keepalive, "off", "off, or IDLE/INTERVAL/COUNT such as 30s/10s/3", off_words),
    {"socket.user_timeout", RB_KEY_LIMIT, FIELD(rb_section_values, socket.user_timeout_ms, uint64_t), SECOND, DAY,
     "off", "off, or a duration from 1s to 24h", off_words, NULL},
    SWITCH("breaker", breaker_on, switch_words, "on"),
    WORD("breaker.scope", breaker_scope, scope_words, "host"),
    OWN("breaker.window", window, "20", "1 to 1024 calls (50), or 1s to 60s (30s)", NULL),
    COUNT("breaker.min_calls", breaker.min_calls, 1, MIN_CALLS_MAX, "20"),
    RATIO("breaker.failure_rate", breaker.failure_rate, RATE_MIN, RATE_MAX, "100%"),
    LIMIT("breaker.slow_call", breaker.slow_call_ms, unset_words, "unset", NULL),
    RATIO("breaker.slow_rate", breaker.slow_rate, RATE_MIN, RATE_MAX, "100%"),
    DURATION("breaker.open", breaker.open_ms, MS, "2s"),
    FACTOR("breaker.open_multiplier", breaker.open_multiplier_milli, "2"),
    DURATION("breaker.open_max", breaker.open_max_ms, MS, "10s"),
    WORD("breaker.refuse", breaker.refuse, refuse_words, "slow"),
    COUNT("breaker.probes", breaker.probes, 1, RB_BREAKER_MAX_PROBES, "1"),
    DURATION("breaker.probe_lease", breaker.probe_lease_ms, MS, "10s"),
    COUNT("breaker.quorum", breaker.quorum, 1, RB_BREAKER_MAX_QUORUM, "1"),
    RATIO("budget.ratio", budget.ratio, 0, BUDGET_RATIO_MAX, "20%"),
    RATE("budget.floor", budget.floor_milli, 0, BUDGET_FLOOR_MAX, "3/s"),
};

#define TEXT(kind, name, field, max, fallback, text, words)                                                            \
    {                                                                                                                  \
        name, kind, FIELD(rb_process_rules, field, const char *), 0, max, fallback, text, words, NULL                  \
    }
static const struct rb_key process_keys[] = {
    TEXT(RB_KEY_FILE, "log", log, 0, "off", NULL, log_words),
    TEXT(RB_KEY_GLOBS, "programs", programs, 0, "*", "names of programs, with * and ?", NULL),
    TEXT(RB_KEY_GLOBS, "skip", skip, 0, "", "names of programs, with * and ?", NULL),
    {"deepbind", RB_KEY_SWITCH, FIELD(rb_process_rules, deepbind_keep, bool), 0, 1, "clear", "clear or keep",
     deepbind_words, NULL},
    TEXT(RB_KEY_PATH, "state", state, RB_POLICY_PATH_SIZE - 1, "shared", NULL, state_words),
    NUMBER(RB_KEY_COUNT, "state.cells", rb_process_rules, state_cells, RB_CELLS_MIN, RB_CELLS_MAX, "1024"),
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]), PROCESS_KEY_COUNT = sizeof(process_keys) / sizeof(process_keys[0]) };

_Static_assert((int) KEY_COUNT <= (int) RB_KEY_MAX && (int) PROCESS_KEY_COUNT <= (int) RB_KEY_PROCESS_MAX,
               "arrays by key have room");

const struct rb_key *rb_key_table(unsigned *count)
{
    *count = KEY_COUNT;
    return keys;
}

const struct rb_key *rb_key_process_table(unsigned *count)
{
    *count = PROCESS_KEY_COUNT;
    return process_keys;
}

static int find_in(const struct rb_key *table, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return i;
    return -1;
}

int rb_key_find(const char *name)
{
    return find_in(keys, KEY_COUNT, name);
}

int rb_key_find_slice(struct rb_slice name)
{
    for (int i = 0; i < (int) KEY_COUNT; i++)
        if (rb_slice_is(name, keys[i].name))
            return i;
    return -1;
}

int rb_key_find_process(const char *name)
{
    return find_in(process_keys, PROCESS_KEY_COUNT, name);
}

static void set_defaults(const struct rb_key *table, unsigned count, void *rules)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned offset;
        rb_key_kind_parse(&table[i], rules, table[i].fallback, &offset);
    }
}

void rb_key_defaults(struct rb_section_values *values)
{
    *values = (struct rb_section_values){0};
    set_defaults(keys, KEY_COUNT, values);
    values->rules.total_set = false;
}

void rb_key_process_defaults(struct rb_process_rules *rules)
{
    *rules = (struct rb_process_rules){.skip = ""}; // no file can write an empty list
    set_defaults(process_keys, PROCESS_KEY_COUNT, rules);
}
