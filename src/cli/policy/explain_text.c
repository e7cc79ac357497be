// SPDX-License-Identifier: MIT
// The explanation as text.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arithmetic.h"
#include "cli/policy/explain.h"
#include "cli/say.h"
#include "policy/key.h"
#include "policy/value.h"

enum { LABEL_WIDTH = 10, KEY_WIDTH = 26, VALUE_WIDTH = 22, DURATION_SIZE = 32 };

static const char *duration(uint64_t ms, char out[DURATION_SIZE])
{
    rb_value_write_duration(ms, out, DURATION_SIZE);
    return out;
}

static void explain_text_label(bool colour, const char *text)
{
    char padded[LABEL_WIDTH + 3];
    snprintf(padded, sizeof(padded), "%-*s  ", LABEL_WIDTH, text);
    rb_say_styled(stdout, colour, RB_STYLE_BOLD, padded);
}

static void print_set(const char *pairs, const char *name, bool colour)
{
    if (!pairs)
        return;
    explain_text_label(colour, "set");
    rb_say_clean(stdout, pairs);
    printf(" (%s)\n", name);
}

// The programs in one line, and each other key of [rebound] that is not at its default.
static void print_process(const struct rb_explanation *e, bool colour)
{
    const struct rb_process_rules *process = rb_policy_process(e->policy);
    char value[RB_EXPLAIN_VALUE_SIZE];
    unsigned count;
    const struct rb_key *keys = rb_key_process_table(&count);
    if (strcmp(process->programs, "*") != 0 || *process->skip) {
        explain_text_label(colour, "programs");
        rb_say_clean(stdout, process->programs);
        fputs(*process->skip ? ", but not " : "", stdout);
        rb_say_clean(stdout, process->skip);
        putchar('\n');
    }
    for (unsigned i = 0; i < count; i++) {
        rb_key_kind_format(&keys[i], process, value, sizeof(value));
        if (keys[i].kind == RB_KEY_GLOBS || strcmp(value, keys[i].fallback) == 0)
            continue;
        explain_text_label(colour, keys[i].name);
        rb_say_clean(stdout, value);
        putchar('\n');
    }
}

static void print_section(const struct rb_explanation *e, bool colour)
{
    explain_text_label(colour, "section");
    if (!e->section) {
        puts(e->unix_socket ? "none: no unix: pattern matches; calls to this socket pass through"
                            : "none: no pattern matches and there is no [default]; calls to this host pass through");
        return;
    }
    putchar('[');
    rb_say_clean(stdout, e->section->name);
    if (e->match.pattern) {
        fputs("], because the pattern '", stdout);
        rb_say_clean(stdout, e->match.pattern);
        printf("' in line %u matches\n", e->match.line);
    } else {
        puts("], because no pattern matches");
    }
    if (e->section->rules.intercept == 0) {
        explain_text_label(colour, "");
        puts("intercept is off: calls to this host pass through");
    }
}

static void print_method(const struct rb_explanation *e, bool colour)
{
    const char *keys = e->section->values.idempotency_headers;
    char rejected[RB_EXPLAIN_VALUE_SIZE];
    unsigned count;
    if (!e->http)
        return;
    explain_text_label(colour, "method");
    if (e->repeatable) {
        printf("%s may be retried (retry.methods)\n", e->method);
        return;
    }
    printf("%s is retried only if it was certainly not sent", e->method);
    rb_key_kind_format(&rb_key_table(&count)[rb_key_find("retry.rejected")], &e->section->values, rejected,
                       sizeof(rejected));
    if (strcmp(rejected, "none") != 0)
        printf(", if the server has rejected it (retry.rejected: %s)", rejected);
    if (*keys)
        printf(", or if it has %s ", strchr(keys, ' ') ? "one of the header fields" : "the header field");
    for (const char *c = keys; *c; c++)
        fputs(*c == ' ' ? ", " : (char[]){*c, '\0'}, stdout);
    putchar('\n');
}

static void print_values(const struct rb_explanation *e, bool colour)
{
    char value[RB_EXPLAIN_VALUE_SIZE], origin[RB_POLICY_PATH_SIZE + 64];
    unsigned count;
    const struct rb_key *keys = rb_key_table(&count);
    const struct rb_breaker_rules *breaker = &e->section->rules.breaker;
    const uint8_t *origins = e->section->key_origins;
    const uint32_t *places = e->section->key_places;
    unsigned min_calls = (unsigned) rb_key_find("breaker.min_calls");
    unsigned methods = (unsigned) rb_key_find("retry.methods"), rejected = (unsigned) rb_key_find("retry.rejected");
    putchar('\n');
    rb_say_styled(stdout, colour, RB_STYLE_BOLD, "values");
    putchar('\n');
    for (unsigned i = 0; i < count; i++) {
        rb_key_kind_format(&keys[i], &e->section->values, value, sizeof(value));
        rb_cmd_explain_origin(e, i, origin, sizeof(origin));
        printf("  %-*s  ", KEY_WIDTH, keys[i].name);
        rb_say_padded(stdout, value, VALUE_WIDTH);
        fputs("  ", stdout);
        rb_say_clean(stdout, origin);
        if (i == rejected && origins[i] != RB_ORIGIN_NONE && origins[i] == origins[methods] &&
            places[i] == places[methods])
            fputs("  (none, because retry.methods is set)", stdout);
        if (i == min_calls && !breaker->time_window && breaker->min_calls > breaker->window)
            printf("; a full window of %" PRIu32 " calls is enough", breaker->window);
        putchar('\n');
    }
}

// Prints retries `first` to `last`, counted from 0, which have the same delay.
static void print_retries(const struct rb_schedule *s, uint32_t first, uint32_t last)
{
    char numbers[64], min[DURATION_SIZE], max[DURATION_SIZE];
    if (first == last)
        snprintf(numbers, sizeof(numbers), "retry %" PRIu32, first + 1);
    else
        snprintf(numbers, sizeof(numbers), "retries %" PRIu32 " to %" PRIu32, first + 1, last + 1);
    printf("  %-*s  ", KEY_WIDTH, numbers);
    if (s->retry[first].min_ms == s->retry[first].max_ms)
        printf("after %s", duration(s->retry[first].max_ms, max));
    else
        printf("after %s to %s", duration(s->retry[first].min_ms, min), duration(s->retry[first].max_ms, max));
    puts(s->retry[first].fits ? "" : " (never: timeout.total is over before)");
}

static void print_schedule(const struct rb_explanation *e, bool colour)
{
    const struct rb_schedule *s = &e->schedule;
    putchar('\n');
    rb_say_styled(stdout, colour, RB_STYLE_BOLD, "schedule");
    putchar('\n');
    printf("  %-*s  at once\n", KEY_WIDTH, "first attempt");
    for (uint32_t first = 0, next; first < s->retries; first = next) {
        for (next = first + 1; next < s->retries; next++)
            if (s->retry[next].min_ms != s->retry[first].min_ms || s->retry[next].max_ms != s->retry[first].max_ms ||
                s->retry[next].fits != s->retry[first].fits)
                break;
        print_retries(s, first, next - 1);
    }
}

static void print_limits(const struct rb_explanation *e, bool colour)
{
    char total[DURATION_SIZE], after[DURATION_SIZE];
    explain_text_label(colour, "");
    printf("no wait or attempt starts after %s (timeout.total)%s; a running attempt continues\n",
           duration(e->section->rules.total_ms, total),
           e->section->rules.total_set ? ", or after the program's own limit if it is shorter"
                                       : " or the program's own limit");
    if (e->http && e->section->rules.after != RB_HINT_IGNORE) {
        explain_text_label(colour, "");
        bool all = e->section->rules.after == RB_HINT_HONOUR;
        uint64_t longest = rb_arithmetic_min(e->section->rules.after_max_ms, e->section->rules.total_ms);
        printf("a Retry-After of up to %s replaces a wait%s\n", duration(longest, after),
               all ? "; so does another hint of the server (retry.after)" : "");
    }
}

static void print_lookups(const struct rb_explanation *e, bool colour)
{
    const struct rb_rules *rules = &e->section->rules;
    char total[DURATION_SIZE], stale[DURATION_SIZE];
    if (!e->named || !(rules->intercept & RB_INTERCEPT_DNS))
        return;
    explain_text_label(colour, "");
    printf("no name lookup is retried after %s (dns.total)",
           duration(rb_arithmetic_min(rules->dns_total_ms, rules->total_ms), total));
    if (rules->dns_stale_ms > 0)
        printf("; then an answer up to %s old is used (dns.stale)", duration(rules->dns_stale_ms, stale));
    putchar('\n');
}

// The worst case does not contain start.wait, because a program waits for a host only until the first success.
static void print_start(const struct rb_explanation *e, bool colour)
{
    char wait[DURATION_SIZE];
    uint64_t wait_ms = e->section->rules.start_wait_ms;
    if (wait_ms == 0)
        return;
    explain_text_label(colour, "");
    if (e->waits)
        printf("until its first success, the host is waited for up to %s after the program's start (start.wait)\n",
               duration(wait_ms, wait));
    else
        printf("start.wait covers only hosts that are not public: the section is for all hosts, and this %s\n",
               e->named ? "name has a dot" : "address is public");
}

static void print_worst(const struct rb_explanation *e, bool colour)
{
    const struct rb_schedule *s = &e->schedule;
    char waits[DURATION_SIZE], attempts[DURATION_SIZE], worst[DURATION_SIZE];
    bool cut = s->worst_ms < s->waits_ms || s->worst_ms - s->waits_ms < s->attempts_ms;
    explain_text_label(colour, "worst case");
    printf("%s%s", duration(s->worst_ms, worst), cut ? ": timeout.total limits " : s->attempts_ms > 0 ? ": " : "");
    if (cut || s->attempts_ms > 0)
        fputs(duration(s->waits_ms, waits), stdout);
    fputs(" of waits", stdout);
    if (s->attempts_ms > 0)
        printf(" and %s of attempts\n", duration(s->attempts_ms, attempts));
    else
        puts(", and the time that the attempts take (timeout.attempt is unset)");
    print_limits(e, colour);
    print_lookups(e, colour);
    print_start(e, colour);
}

void rb_explain_text(const struct rb_explanation *e)
{
    bool colour = rb_say_colour(stdout);
    explain_text_label(colour, "policy");
    rb_say_clean(stdout, e->source.path);
    printf(" (%s)\n", rb_source_reason(&e->source));
    print_set(e->pairs.environment, "REBOUND_SET", colour);
    print_set(e->pairs.option, "--set", colour);
    print_process(e, colour);
    explain_text_label(colour, "target");
    rb_say_clean(stdout, e->label);
    putchar('\n');
    print_section(e, colour);
    if (!e->section || e->section->rules.intercept == 0)
        return;
    print_method(e, colour);
    print_values(e, colour);
    print_schedule(e, colour);
    putchar('\n');
    print_worst(e, colour);
}
