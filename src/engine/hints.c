// SPDX-License-Identifier: MIT
// Collects hints from header fields. Combines them into one wait and one verdict.
#include "engine/hints.h"

#include "base/arithmetic.h"
#include "base/hash.h"
#include "engine/hint_body.h"
#include "engine/hint_value.h"
#include "engine/http_date.h"

enum { SECOND_MS = 1000, STATUS_BAD_REQUEST = 400, STATUS_FORBIDDEN = 403, STATUS_TOO_MANY_REQUESTS = 429 };

static const char *const hint_source_names[RB_HINT_SOURCES] = {
    [RB_HINT_NONE] = "none",
    [RB_HINT_RETRY_AFTER_MS] = "retry-after-ms",
    [RB_HINT_X_MS_RETRY_AFTER_MS] = "x-ms-retry-after-ms",
    [RB_HINT_RETRY_AFTER] = "retry-after",
    [RB_HINT_RATE_LIMIT] = "rate-limit",
    [RB_HINT_RATE_LIMIT_RESET] = "rate-limit-reset",
    [RB_HINT_RETRY_INFO] = "retry-info",
    [RB_HINT_SHOULD_RETRY] = "x-should-retry",
    [RB_HINT_QUOTA_USED_UP] = "insufficient-quota",
};

static void hint_keep_longest(uint64_t *kept, uint64_t value)
{
    *kept = value > *kept ? value : *kept;
}

// ---- single fields ----

static void hint_add_retry_after_ms(struct rb_hints *hints, struct rb_slice value)
{
    uint64_t ms;
    if (rb_hint_value_decimal(value, 1, &ms))
        hint_keep_longest(&hints->retry_after_ms, ms);
}

static void hint_add_x_ms_retry_after_ms(struct rb_hints *hints, struct rb_slice value)
{
    uint64_t ms;
    if (rb_hint_value_decimal(value, 1, &ms))
        hint_keep_longest(&hints->x_ms_retry_after_ms, ms);
}

static void hint_add_retry_after(struct rb_hints *hints, struct rb_slice value)
{
    uint64_t ms;
    int64_t when;
    if (rb_hint_value_decimal(value, SECOND_MS, &ms))
        hint_keep_longest(&hints->retry_after_delay_ms, ms);
    else if (rb_http_date_parse(value, hints->now_unix_s, &when) == 0 && when > 0)
        hint_keep_longest(&hints->retry_after_time_ms, rb_arithmetic_mul((uint64_t) when, SECOND_MS));
}

static void hint_add_date(struct rb_hints *hints, struct rb_slice value)
{
    int64_t when;
    if (rb_http_date_parse(value, hints->now_unix_s, &when) == 0 && when > 0)
        hints->date_s = when;
}

static void hint_add_encoding(struct rb_hints *hints, struct rb_slice value)
{
    hints->encoded |= value.length > 0 && !rb_slice_is_nocase(value, "identity");
}

static void hint_add_should_retry(struct rb_hints *hints, struct rb_slice value)
{
    hints->should_retry |= rb_slice_is_nocase(value, "true");
    hints->should_stop |= rb_slice_is_nocase(value, "false");
}

static void hint_add_aws_request(struct rb_hints *hints, struct rb_slice value)
{
    (void) value;
    hints->aws = true;
}

static void hint_add_aws_error(struct rb_hints *hints, struct rb_slice value)
{
    hints->aws_throttled |= rb_hint_value_aws_throttling(value);
}

// ---- rate limits ----

// Returns the limit with this name. Returns NULL if the response has too many limits.
static struct rb_hint_limit *hint_limit(struct rb_hints *hints, uint64_t hash)
{
    uint32_t group = (uint32_t) (hash ^ hash >> 32) | 1;
    for (size_t i = 0; i < RB_HINT_LIMITS; i++) {
        struct rb_hint_limit *limit = &hints->limits[i];
        if (limit->group == 0)
            limit->group = group;
        if (limit->group == group)
            return limit;
    }
    return NULL;
}

static void hint_add_remaining(struct rb_hint_limit *limit, struct rb_slice value)
{
    uint64_t remaining;
    if (!rb_hint_value_decimal(value, SECOND_MS, &remaining))
        return;
    limit->left |= remaining > 0;
    limit->used_up |= remaining == 0;
}

static void hint_add_reset(struct rb_hint_limit *limit, struct rb_slice value)
{
    uint64_t ms;
    switch (rb_hint_value_reset(value, &ms)) {
    case RB_HINT_VALUE_DELAY:
        hint_keep_longest(&limit->relative_ms, ms);
        break;
    case RB_HINT_VALUE_TIME:
        hint_keep_longest(&limit->reset_ms, ms);
        break;
    case RB_HINT_VALUE_INVALID:
        break;
    }
}

static void hint_add_reset_after(struct rb_hint_limit *limit, struct rb_slice value)
{
    uint64_t ms;
    if (rb_hint_value_decimal(value, SECOND_MS, &ms))
        hint_keep_longest(&limit->relative_ms, ms);
}

// One parameter of the RateLimit field: "r" and "t" (draft 08 and later), "remaining" and "reset" (draft 06).
static void hint_add_parameter(struct rb_hint_limit *limit, struct rb_slice parameter)
{
    const char *equals = memchr(parameter.at, '=', parameter.length);
    if (!equals)
        return;
    size_t length = (size_t) (equals - parameter.at);
    struct rb_slice name = rb_slice_trim((struct rb_slice){parameter.at, length});
    struct rb_slice value = rb_slice_trim((struct rb_slice){equals + 1, parameter.length - length - 1});
    if (rb_slice_is_nocase(name, "r") || rb_slice_is_nocase(name, "remaining"))
        hint_add_remaining(limit, value);
    else if (rb_slice_is_nocase(name, "t") || rb_slice_is_nocase(name, "reset"))
        hint_add_reset_after(limit, value);
}

// Takes the text up to a separator outside quotes. Returns false when nothing is left.
static bool hint_next_part(struct rb_slice *rest, char separator, struct rb_slice *part)
{
    if (!rest->at)
        return false;
    bool quoted = false;
    size_t length = 0;
    for (; length < rest->length && (quoted || rest->at[length] != separator); length++) {
        if (rest->at[length] == '"')
            quoted = !quoted;
        else if (quoted && rest->at[length] == '\\' && length + 1 < rest->length)
            length++;
    }
    *part = rb_slice_trim((struct rb_slice){rest->at, length});
    bool more = length < rest->length;
    *rest = more ? (struct rb_slice){rest->at + length + 1, rest->length - length - 1} : (struct rb_slice){NULL, 0};
    return true;
}

// RateLimit: "name";r=0;t=8, "other";r=5;t=60 has a limit in each item. RateLimit: limit=9, remaining=0, reset=8 has
// one limit.
static void hint_add_rate_limit(struct rb_hints *hints, struct rb_slice value)
{
    struct rb_slice item, name, parameter;
    while (hint_next_part(&value, ',', &item)) {
        struct rb_slice rest = item;
        bool single = item.length > 0 && !memchr(item.at, ';', item.length) && memchr(item.at, '=', item.length);
        if (!hint_next_part(&rest, ';', &name))
            continue;
        uint64_t hash = rb_hash_bytes(RB_HASH_BEGIN, single ? "" : name.at, single ? 0 : name.length);
        struct rb_hint_limit *limit = hint_limit(hints, hash);
        if (limit && single)
            hint_add_parameter(limit, item);
        while (limit && hint_next_part(&rest, ';', &parameter))
            hint_add_parameter(limit, parameter);
    }
}

// Takes "RateLimit" or "Rate-Limit" from the start of a name, up to the hyphen behind it. Returns false if the name has
// neither.
static bool hint_take_ratelimit(struct rb_slice *name)
{
    struct rb_slice word, next, rest = *name;
    if (!hint_next_part(&rest, '-', &word))
        return false;
    bool whole = rb_slice_is_nocase(word, "ratelimit");
    bool halves = rb_slice_is_nocase(word, "rate") && hint_next_part(&rest, '-', &next) && next.length >= 5 &&
                  rb_slice_is_nocase((struct rb_slice){next.at, 5}, "limit");
    if (whole || halves)
        *name = rest;
    return whole || halves;
}

// Adds a word to the hash of a limit's name, ignoring case.
static uint64_t hint_hash_word(uint64_t hash, struct rb_slice word)
{
    for (size_t i = 0; i < word.length; i++)
        hash = rb_hash_bytes(hash, (const char[]){rb_char_lower(word.at[i])}, 1);
    return rb_hash_bytes(hash, "-", 1);
}

// Fields such as X-RateLimit-Reset-Tokens and Anthropic-RateLimit-Requests-Remaining. Of the name after "ratelimit",
// the words "remaining", "reset" and "after" say what the value is. The other words name the limit.
static void hint_add_limit_field(struct rb_hints *hints, struct rb_slice name, struct rb_slice value)
{
    struct rb_slice word;
    bool remaining = false, reset = false, after = false;
    uint64_t hash = RB_HASH_BEGIN;
    while (!hint_take_ratelimit(&name)) {
        if (!hint_next_part(&name, '-', &word))
            return;
        hash = hint_hash_word(hash, word);
    }
    while (hint_next_part(&name, '-', &word)) {
        if (rb_slice_is_nocase(word, "remaining"))
            remaining = true;
        else if (rb_slice_is_nocase(word, "reset"))
            reset = true;
        else if (rb_slice_is_nocase(word, "after"))
            after = true;
        else
            hash = hint_hash_word(hash, word);
    }
    struct rb_hint_limit *limit = remaining || reset ? hint_limit(hints, hash) : NULL;
    if (limit && remaining)
        hint_add_remaining(limit, value);
    else if (limit && after)
        hint_add_reset_after(limit, value);
    else if (limit)
        hint_add_reset(limit, value);
}

void rb_hints_add(struct rb_hints *hints, struct rb_slice name, struct rb_slice value, int64_t now_unix_s)
{
    static const struct {
        const char *name;
        void (*add)(struct rb_hints *hints, struct rb_slice value);
    } fields[] = {
        {"retry-after-ms", hint_add_retry_after_ms}, {"x-ms-retry-after-ms", hint_add_x_ms_retry_after_ms},
        {"retry-after", hint_add_retry_after},       {"date", hint_add_date},
        {"content-encoding", hint_add_encoding},     {"x-should-retry", hint_add_should_retry},
        {"x-amzn-errortype", hint_add_aws_error},    {"x-amzn-requestid", hint_add_aws_request},
        {"ratelimit", hint_add_rate_limit},
    };
    hints->now_unix_s = now_unix_s;
    value = rb_slice_trim(value);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (rb_slice_is_nocase(name, fields[i].name)) {
            fields[i].add(hints, value);
            return;
        }
    }
    hint_add_limit_field(hints, name, value);
}

// ---- the combination ----

// Returns the wait until a time, by the server's clock if it is known; 0 for a time in the past.
static uint64_t hint_until(const struct rb_hints *hints, uint64_t time_ms)
{
    int64_t now = hints->date_s > 0 ? hints->date_s : hints->now_unix_s;
    return rb_arithmetic_sub(time_ms, rb_arithmetic_mul(now > 0 ? (uint64_t) now : 0, SECOND_MS));
}

// Returns the longest wait of the limits that count: those that are used up, or all if no field says what remains.
static uint64_t hint_longest_limit(const struct rb_hints *hints, bool relative)
{
    uint64_t longest = 0;
    bool known = false;
    for (size_t i = 0; i < RB_HINT_LIMITS; i++)
        known |= hints->limits[i].left || hints->limits[i].used_up;
    for (size_t i = 0; i < RB_HINT_LIMITS; i++) {
        const struct rb_hint_limit *limit = &hints->limits[i];
        if (limit->used_up || !known)
            hint_keep_longest(&longest, relative ? limit->relative_ms : hint_until(hints, limit->reset_ms));
    }
    return longest;
}

static uint64_t hint_retry_after(const struct rb_hints *hints)
{
    uint64_t wait = hints->retry_after_delay_ms;
    hint_keep_longest(&wait, hint_until(hints, hints->retry_after_time_ms));
    return wait;
}

static bool hint_is_throttled(const struct rb_hints *hints, unsigned status, const struct rb_hint_body *body)
{
    if (status == STATUS_BAD_REQUEST)
        return hints->aws_throttled || body->aws_throttled;
    bool used_up = hints->retry_after_ms > 0 || hints->x_ms_retry_after_ms > 0 || hint_retry_after(hints) > 0;
    for (size_t i = 0; i < RB_HINT_LIMITS; i++)
        used_up |= hints->limits[i].used_up;
    return status == STATUS_FORBIDDEN && used_up;
}

static enum rb_hint_verdict hint_verdict(const struct rb_hints *hints, unsigned status, const struct rb_hint_body *body)
{
    if (body->quota)
        return RB_HINT_QUOTA;
    if (hints->should_stop)
        return RB_HINT_STOP;
    if (hints->should_retry)
        return RB_HINT_RETRY;
    return hint_is_throttled(hints, status, body) ? RB_HINT_THROTTLED : RB_HINT_NO_VERDICT;
}

static void hint_choose_wait(const struct rb_hints *hints, unsigned status, const struct rb_hint_body *body,
                             struct rb_hint *hint)
{
    bool limits =
        status == STATUS_TOO_MANY_REQUESTS || (status == STATUS_FORBIDDEN && hint_is_throttled(hints, status, body));
    const uint64_t waits[RB_HINT_RETRY_INFO + 1] = {
        [RB_HINT_RETRY_AFTER_MS] = hints->retry_after_ms,
        [RB_HINT_X_MS_RETRY_AFTER_MS] = hints->x_ms_retry_after_ms,
        [RB_HINT_RETRY_AFTER] = hint_retry_after(hints),
        [RB_HINT_RATE_LIMIT] = limits ? hint_longest_limit(hints, true) : 0,
        [RB_HINT_RATE_LIMIT_RESET] = limits ? hint_longest_limit(hints, false) : 0,
        [RB_HINT_RETRY_INFO] = body->retry_info_ms,
    };
    for (int source = RB_HINT_NONE + 1; source <= RB_HINT_RETRY_INFO && hint->wait_ms == 0; source++) {
        hint->wait_ms = waits[source];
        hint->source = waits[source] > 0 ? (enum rb_hint_source) source : RB_HINT_NONE;
    }
}

struct rb_hint rb_hints_judge(const struct rb_hints *hints, unsigned status, enum rb_hint_use use, struct rb_slice body,
                              bool decoded)
{
    struct rb_hint hint = {0};
    if (status < RB_STATUS_MIN || use == RB_HINT_IGNORE)
        return hint;
    if (use == RB_HINT_STANDARD) {
        hint.wait_ms = hint_retry_after(hints);
        hint.source = hint.wait_ms > 0 ? RB_HINT_RETRY_AFTER : RB_HINT_NONE;
        return hint;
    }
    struct rb_hint_body found = {0};
    if (body.length > 0 && (decoded || !hints->encoded))
        rb_hint_body_read(body, &found);
    hint.verdict = hint_verdict(hints, status, &found);
    if (hint.verdict != RB_HINT_QUOTA && hint.verdict != RB_HINT_STOP)
        hint_choose_wait(hints, status, &found, &hint);
    if (hint.verdict == RB_HINT_QUOTA)
        hint.source = RB_HINT_QUOTA_USED_UP;
    else if (hint.verdict == RB_HINT_STOP || (hint.verdict == RB_HINT_RETRY && hint.wait_ms == 0))
        hint.source = RB_HINT_SHOULD_RETRY;
    return hint;
}

bool rb_hints_need_body(const struct rb_hints *hints, unsigned status)
{
    return status == STATUS_BAD_REQUEST && hints->aws && !hints->aws_throttled;
}

const char *rb_hint_source_name(enum rb_hint_source source)
{
    return (unsigned) source < RB_HINT_SOURCES ? hint_source_names[source] : hint_source_names[RB_HINT_NONE];
}
