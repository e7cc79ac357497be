// SPDX-License-Identifier: MIT
// Computes a section's effective values: inheritance, parsing of values, checks across keys.
#include "policy/draft.h"
#include "policy/lists.h"
#include "policy/reader.h"
#include "policy/suggest.h"

// A combination of two keys that is an error. The error is reported at the first of the two that the section sets
// itself.
struct conflict {
    const char *first, *second;
    bool (*broken)(const struct rb_rules *rules);
    bool both_set; // an error only if the file sets both keys, so that no change of a default makes a file invalid
    const char *message; // a format for the two keys and their values
};

static bool base_over_cap(const struct rb_rules *rules)
{
    return rules->backoff.base_ms > rules->backoff.cap_ms;
}

static bool too_few_calls(const struct rb_rules *rules)
{
    return rules->breaker_on && !rules->breaker.time_window && rules->breaker.min_calls > rules->breaker.window;
}

static const struct conflict conflicts[] = {
    {"retry.base", "retry.cap", base_over_cap, false, "%s (%s) is over %s (%s), so every wait would be the cap"},
    {"breaker.min_calls", "breaker.window", too_few_calls, true,
     "%s (%s) is over %s (%s), which never holds so many calls"},
};

// Reports a value that has an error. A # after a blank was probably meant to begin a comment.
//   value: a terminated copy of entry->value, with the error at `offset`
static void complain_of_value(const struct rb_draft *draft, const struct rb_draft_value *entry, const char *value,
                              const char *wrong, unsigned offset)
{
    const struct rb_key *key = &draft->keys[entry->key];
    struct rb_slice source = entry->value, item = {value + offset, strcspn(value + offset, ",")};
    char expected[RB_KEY_EXPECTS_SIZE];
    for (size_t i = 1; i < source.length; i++) {
        if (source.at[i] == '#' && rb_char_blank(source.at[i - 1])) {
            rb_report_add(draft->report, &entry->line, rb_reader_column(&entry->line, source.at + i), NULL,
                          "a comment behind a value begins with ';', not with '#'");
            return;
        }
    }
    rb_key_kind_expects(key, value, expected, sizeof(expected));
    rb_report_add(draft->report, &entry->line, rb_reader_column(&entry->line, source.at) + offset,
                  rb_suggest_word(rb_slice_trim(item), key->words), "%s: %s; expected %s", key->name, wrong, expected);
}

void rb_resolve_value(const struct rb_draft *draft, const struct rb_draft_value *entry,
                      struct rb_section_values *values)
{
    const struct rb_key *key = &draft->keys[entry->key];
    const char *value = rb_arena_copy(draft->scratch, entry->value.at, entry->value.length);
    unsigned offset = 0;
    const char *wrong = value ? rb_key_kind_parse(key, values, value, &offset) : NULL;
    if (wrong)
        complain_of_value(draft, entry, value, wrong, offset);
}

// Replaces values of the section by those of its own lines, or of the pairs that override it. Values that restrict the
// methods restrict them for every status.
//   without: a key to leave out, or NULL
static void put_values(const struct rb_draft *draft, struct rb_draft_value *const *by_key, const char *without,
                       struct rb_section *made, uint8_t *origins, uint32_t *places)
{
    unsigned methods = (unsigned) rb_key_find("retry.methods"), rejected = (unsigned) rb_key_find("retry.rejected");
    for (unsigned i = 0; i < draft->key_count; i++) {
        const struct rb_draft_value *entry = by_key[i];
        if (!entry || (without && strcmp(draft->keys[i].name, without) == 0))
            continue;
        rb_resolve_value(draft, entry, &made->values);
        origins[i] = (uint8_t) entry->origin;
        places[i] = entry->line.number > 0 ? entry->line.number : rb_reader_column(&entry->line, entry->at);
    }
    if (by_key[methods] && !by_key[rejected]) {
        rb_lists_reject_none(&made->values);
        origins[rejected] = origins[methods];
        places[rejected] = places[methods];
    }
}

void rb_resolve_section(const struct rb_draft *draft, const struct rb_draft_section *section,
                        const struct rb_section *base, struct rb_section *made, uint8_t *origins, uint32_t *places)
{
    made->line = section->line.number;
    made->key_origins = origins;
    made->key_places = places;
    if (base)
        made->values = base->values;
    else
        rb_key_defaults(&made->values);
    for (unsigned i = 0; i < draft->key_count; i++) {
        bool inherited = base && base->key_origins[i] != RB_ORIGIN_NONE;
        origins[i] = inherited ? RB_ORIGIN_DEFAULT : RB_ORIGIN_NONE;
        places[i] = inherited ? base->key_places[i] : 0;
    }
    put_values(draft, section->by_key, NULL, made, origins, places);
    // A pair with start.wait is for the sections with hosts.
    bool hosts = section->kind != RB_DRAFT_DEFAULT;
    put_values(draft, draft->override, hosts ? NULL : "start.wait", made, origins, places);
}

// Returns the value that is to blame if two keys contradict each other: that of a pair which overrides the section,
// else that of the section itself, else NULL. If both keys are set there, it is that of the first.
static const struct rb_draft_value *set_last(const struct rb_draft *draft, const struct rb_draft_section *section,
                                             unsigned first, unsigned second)
{
    bool overridden = draft->override[first] || draft->override[second];
    struct rb_draft_value *const *by_key = overridden ? draft->override : section->by_key;
    return by_key[first] ? by_key[first] : by_key[second];
}

static void check_conflict(const struct rb_draft *draft, const struct rb_draft_section *section,
                           const struct rb_section *made, const struct conflict *conflict)
{
    unsigned first = (unsigned) rb_key_find(conflict->first), second = (unsigned) rb_key_find(conflict->second);
    const struct rb_draft_value *entry = set_last(draft, section, first, second);
    bool set = made->key_origins[first] != RB_ORIGIN_NONE && made->key_origins[second] != RB_ORIGIN_NONE;
    if (!entry || (conflict->both_set && !set) || !conflict->broken(&made->rules))
        return;
    char values[2][32];
    rb_key_kind_format(&draft->keys[first], &made->values, values[0], sizeof(values[0]));
    rb_key_kind_format(&draft->keys[second], &made->values, values[1], sizeof(values[1]));
    rb_report_add(draft->report, &entry->line, rb_reader_column(&entry->line, entry->value.at), NULL, conflict->message,
                  conflict->first, values[0], conflict->second, values[1]);
}

// ---- settings without effect ----

static bool has_no_retries(const struct rb_rules *rules)
{
    return rules->attempts == 1;
}

static bool drops_connections(const struct rb_rules *rules)
{
    uint32_t transport = rules->causes & ~(1U << RB_CAUSE_STATUS);
    return rules->causes != 0 && transport == 0;
}

static bool waits_too_long(const struct rb_rules *rules)
{
    return rules->after != RB_HINT_IGNORE && rules->after_max_ms > rules->total_ms;
}

static bool follows_no_hint(const struct rb_rules *rules)
{
    return rules->after == RB_HINT_IGNORE;
}

// True if a status is rejected that is not repeated at all.
static bool rejects_in_vain(const struct rb_rules *rules)
{
    bool any = rules->rejected_throttled && !rules->throttled;
    for (unsigned i = 0; i < RB_STATUS_WORDS; i++)
        any |= (rules->rejected[i] & ~rules->statuses[i]) != 0;
    return any;
}

static bool has_own_steps(const struct rb_rules *rules)
{
    return rules->backoff.jitter == RB_JITTER_DECORRELATED;
}

static bool does_not_multiply(const struct rb_rules *rules)
{
    return rules->backoff.kind != RB_BACKOFF_EXPONENTIAL;
}

static bool has_no_breaker(const struct rb_rules *rules)
{
    return !rules->breaker_on;
}

static bool leaves_connects(const struct rb_rules *rules)
{
    return !(rules->intercept & RB_INTERCEPT_CONNECT);
}

static bool leaves_sockets(const struct rb_rules *rules)
{
    return !(rules->intercept & (RB_INTERCEPT_CONNECT | RB_INTERCEPT_CURL));
}

static bool leaves_lookups(const struct rb_rules *rules)
{
    return !(rules->intercept & RB_INTERCEPT_DNS);
}

static bool leaves_http(const struct rb_rules *rules)
{
    return !(rules->intercept & RB_INTERCEPT_HTTP);
}

static bool repeats_no_status(const struct rb_rules *rules)
{
    bool any = rules->throttled;
    for (unsigned i = 0; i < RB_STATUS_WORDS; i++)
        any |= rules->statuses[i] != 0;
    return !any;
}

static bool holds_nothing(const struct rb_rules *rules)
{
    return rules->async && rules->hold_ms == 0;
}

// A key of a section that cannot take effect, or not the expected one. A key that ends with a dot stands for all keys
// that begin with it.
static const struct idle {
    const char *key;
    bool (*is_idle)(const struct rb_rules *rules);
    const char *message;
} idles[] = {
    {"retry.on", drops_connections,
     "this replaces the inherited list, so failed connections are not repeated: give each item a sign (+429) to add to "
     "the list"},
    {"retry.after_max", waits_too_long, "this is over timeout.total, and no wait is longer than that"},
    {"retry.after_max", follows_no_hint, "this has no effect with retry.after = ignore"},
    {"retry.after_over", follows_no_hint, "this has no effect with retry.after = ignore"},
    {"retry.rejected", rejects_in_vain, "this has a status that retry.on does not have, so it is not repeated"},
    {"retry.backoff", has_own_steps, "this has no effect with retry.jitter = decorrelated"},
    {"retry.multiplier", has_own_steps, "this has no effect with retry.jitter = decorrelated"},
    {"retry.multiplier", does_not_multiply, "this has no effect unless retry.backoff is exponential"},
    {"retry.", has_no_retries, "this has no effect with retry.attempts = 1"},
    {"breaker.", has_no_breaker, "this has no effect with breaker = off"},
    {"connect.", leaves_connects, "this has no effect, because intercept does not have connect"},
    {"socket.", leaves_sockets, "this has no effect, because intercept has neither connect nor curl"},
    {"http.hold", has_no_retries, "this has no effect with retry.attempts = 1"},
    {"http.hold", repeats_no_status, "this has no effect, because retry.on has no status"},
    {"http.async", holds_nothing, "this has no effect with http.hold = off"},
    {"http.tls_reconnect", has_no_retries, "this has no effect with retry.attempts = 1"},
    {"http.tls_reconnect", repeats_no_status, "this has no effect, because retry.on has no status"},
    {"http.", leaves_http, "this has no effect, because intercept does not have http"},
    {"dns.", leaves_lookups, "this has no effect, because intercept does not have dns"},
};

static void warn_of_idle(const struct rb_draft *draft, const struct rb_draft_value *entry, const struct rb_rules *rules)
{
    const char *key = draft->keys[entry->key].name;
    // breaker.scope also chooses which calls share a budget.
    if (strcmp(key, "retry.attempts") == 0 || strcmp(key, "breaker.scope") == 0)
        return;
    for (unsigned i = 0; i < sizeof(idles) / sizeof(idles[0]); i++) {
        size_t length = strlen(idles[i].key), whole = idles[i].key[length - 1] != '.';
        if (strncmp(key, idles[i].key, length + whole) == 0 && idles[i].is_idle(rules)) {
            rb_report_warn(draft->report, &entry->line, rb_reader_column(&entry->line, entry->value.at), NULL,
                           idles[i].message);
            return;
        }
    }
}

// With TCP_USER_TIMEOUT, the kernel (tcp_keepalive_timer) ends an idle connection at the first probe that finds this
// time over and the probe before unanswered. Then the number of unanswered probes does not matter.
static void warn_of_one_probe(const struct rb_draft *draft, const struct rb_draft_section *section,
                              const struct rb_keepalive *socket)
{
    const struct rb_draft_value *entry = set_last(draft, section, (unsigned) rb_key_find("socket.user_timeout"),
                                                  (unsigned) rb_key_find("socket.keepalive"));
    uint64_t second_probe_ms = (socket->idle_s + socket->interval_s) * UINT64_C(1000);
    bool on = socket->idle_s > 0 && socket->user_timeout_ms > 0;
    if (entry && on && socket->user_timeout_ms <= second_probe_ms)
        rb_report_warn(draft->report, &entry->line, rb_reader_column(&entry->line, entry->value.at), NULL,
                       "this lets one lost probe end an idle connection: socket.user_timeout should be at least "
                       "IDLE + COUNT * INTERVAL of socket.keepalive");
}

void rb_resolve_check(const struct rb_draft *draft, const struct rb_draft_section *section,
                      const struct rb_section *made)
{
    for (const struct rb_draft_value *entry = section->values; entry; entry = entry->next)
        if (!draft->override[entry->key])
            warn_of_idle(draft, entry, &made->rules);
    for (unsigned i = 0; i < draft->key_count && section->kind == RB_DRAFT_DEFAULT; i++)
        if (draft->override[i])
            warn_of_idle(draft, draft->override[i], &made->rules);
    warn_of_one_probe(draft, section, &made->values.socket);
    const struct rb_draft_value *wait = section->by_key[rb_key_find("start.wait")];
    if (section->kind == RB_DRAFT_DEFAULT && wait && made->rules.start_wait_ms > 0)
        rb_report_add(draft->report, &wait->line, rb_reader_column(&wait->line, wait->value.at), NULL,
                      "start.wait needs a section with hosts; in [default] it may only be off");
    for (unsigned i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++)
        check_conflict(draft, section, made, &conflicts[i]);
}
