// SPDX-License-Identifier: MIT
// The metric families, and how their samples are read from a snapshot.
#include "cli/state/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "cli/state/busiest.h"

struct family {
    const char *name, *type, *help;
    void (*write)(FILE *out, const char *name, const struct rb_snapshot *snapshot);
};

static const char *const outcomes[RB_RESULT_COUNT] = {[RB_RESULT_SUCCESS] = "success",
                                                      [RB_RESULT_RECOVERED] = "recovered",
                                                      [RB_RESULT_FAILED] = "failed",
                                                      [RB_RESULT_REFUSED] = "refused",
                                                      [RB_RESULT_STALE] = "stale"};

// Writes a label's value in the form RB_ESCAPE_TEXT (base/escape.h). Different names have different forms, because
// Prometheus rejects a sample that occurs twice. In the text format, a backslash and a quote of the value need a
// backslash.
static void put_value(FILE *out, const char *text)
{
    size_t left = strlen(text);
    for (struct rb_escaped next; left > 0; text += next.taken, left -= next.taken) {
        next = rb_escape_next(RB_ESCAPE_TEXT, text, left);
        for (unsigned i = 0; i < next.length; i++) {
            if (next.bytes[i] == '\\' || next.bytes[i] == '"')
                fputc('\\', out);
            fputc(next.bytes[i], out);
        }
    }
}

static void put_label(FILE *out, char before, const char *name, const char *value)
{
    fprintf(out, "%c%s=\"", before, name);
    put_value(out, value);
    fputc('"', out);
}

static void put_count(FILE *out, uint64_t value)
{
    fprintf(out, " %" PRIu64 "\n", value);
}

static void put_seconds(FILE *out, uint64_t ms)
{
    fprintf(out, " %" PRIu64 ".%03" PRIu64 "\n", ms / 1000, ms % 1000);
}

static void begin_policy(FILE *out, const char *name, const struct rb_view_policy *policy)
{
    fputs(name, out);
    put_label(out, '{', "policy", policy->name);
}

// Writes the sample of a policy without other labels.
static void put_line(FILE *out, const char *name, const char *suffix, const struct rb_view_policy *policy,
                     void (*put)(FILE *, uint64_t), uint64_t value)
{
    fprintf(out, "%s%s", name, suffix);
    put_label(out, '{', "policy", policy->name);
    fputc('}', out);
    put(out, value);
}

// Writes one counter of each policy.
static void write_counter(FILE *out, const char *name, const struct rb_snapshot *snapshot, enum rb_counter counter,
                          void (*put)(FILE *, uint64_t))
{
    for (unsigned i = 0; i < snapshot->policy_count; i++)
        put_line(out, name, "", &snapshot->policies[i], put, snapshot->policies[i].values[counter]);
}

// Writes a group of counters of each policy, one for each value of a label. Omits zeroes, because most reasons never
// occur.
static void write_group(FILE *out, const char *name, const struct rb_snapshot *snapshot, unsigned first, unsigned count,
                        const char *(*value)(unsigned) )
{
    for (unsigned i = 0; i < snapshot->policy_count; i++)
        for (unsigned k = 0; k < count; k++) {
            uint64_t number = snapshot->policies[i].values[first + k];
            if (number == 0)
                continue;
            begin_policy(out, name, &snapshot->policies[i]);
            put_label(out, ',', "reason", value(k));
            fputc('}', out);
            put_count(out, number);
        }
}

static const char *metrics_cause_of(unsigned number)
{
    return rb_cause_name((enum rb_cause) number);
}

static const char *reason_of(unsigned number)
{
    return rb_reason_name((enum rb_reason) number);
}

static void metrics_write_calls(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->policy_count; i++)
        for (unsigned k = 0; k < RB_API_COUNT * RB_RESULT_COUNT; k++) {
            begin_policy(out, name, &snapshot->policies[i]);
            put_label(out, ',', "api", rb_api_name((enum rb_api)(k / RB_RESULT_COUNT)));
            put_label(out, ',', "outcome", outcomes[k % RB_RESULT_COUNT]);
            fputc('}', out);
            put_count(out, snapshot->policies[i].values[RB_COUNTER_CALLS + k]);
        }
}

static void write_attempts(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_counter(out, name, snapshot, RB_COUNTER_ATTEMPTS, put_count);
}

static void metrics_write_retries(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_group(out, name, snapshot, RB_COUNTER_RETRIES, RB_CAUSE_COUNT, metrics_cause_of);
}

static void write_suppressed(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_group(out, name, snapshot, RB_COUNTER_SUPPRESSED, RB_REASON_COUNT, reason_of);
}

static void write_backoff(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_counter(out, name, snapshot, RB_COUNTER_BACKOFF_MS, put_seconds);
}

// True if an earlier host has the same name. Hosts are sorted by state, open breakers first, so the first one is kept.
static bool metrics_is_repeated(const struct rb_snapshot *snapshot, unsigned index)
{
    const struct rb_view_cell *hosts = snapshot->hosts;
    for (unsigned i = 0; i < index; i++)
        if (strcmp(hosts[i].host, hosts[index].host) == 0 && strcmp(hosts[i].policy, hosts[index].policy) == 0)
            return true;
    return false;
}

static void metrics_write_state(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    unsigned count = snapshot->host_count < RB_METRICS_HOSTS ? snapshot->host_count : RB_METRICS_HOSTS;
    for (unsigned i = 0; i < count; i++)
        for (unsigned state = 0; state < RB_BREAKER_STATES && !metrics_is_repeated(snapshot, i); state++) {
            const struct rb_view_cell *host = &snapshot->hosts[i];
            fputs(name, out);
            put_label(out, '{', "policy", host->policy);
            put_label(out, ',', "host", *host->host ? host->host : "*");
            put_label(out, ',', "state", rb_breaker_state_name((enum rb_breaker_state) state));
            fputc('}', out);
            put_count(out, rb_snapshot_state(host) == (enum rb_breaker_state) state);
        }
}

static void write_hosts(FILE *out, const char *name, const struct rb_snapshot *snapshot, enum rb_busiest_number number)
{
    unsigned count;
    struct rb_busiest *list = rb_busiest_list(snapshot, number, &count);
    for (unsigned i = 0; i < count; i++) {
        fputs(name, out);
        put_label(out, '{', "policy", list[i].policy);
        put_label(out, ',', "host", list[i].host);
        fputc('}', out);
        put_count(out, list[i].value);
    }
    free(list);
}

static void write_host_calls(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_hosts(out, name, snapshot, RB_BUSIEST_CALLS);
}

static void write_host_attempts(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_hosts(out, name, snapshot, RB_BUSIEST_ATTEMPTS);
}

static void write_host_failures(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_hosts(out, name, snapshot, RB_BUSIEST_FAILURES);
}

static void write_host_refused(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_hosts(out, name, snapshot, RB_BUSIEST_REFUSED);
}

static void write_transitions(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->policy_count; i++)
        for (unsigned state = 0; state < RB_BREAKER_STATES; state++) {
            begin_policy(out, name, &snapshot->policies[i]);
            put_label(out, ',', "state", rb_breaker_state_name((enum rb_breaker_state) state));
            fputc('}', out);
            put_count(out, snapshot->policies[i].values[RB_COUNTER_TRANSITIONS + state]);
        }
}

static void write_rejected(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_counter(out, name, snapshot, RB_COUNTER_REJECTED, put_count);
}

static void write_bucket(FILE *out, const char *name, const struct rb_view_policy *policy, unsigned bucket,
                         uint64_t sum)
{
    uint64_t bound_ms = rb_duration_bound_ms(bucket);
    char bound[32] = "+Inf";
    if (bound_ms != UINT64_MAX)
        snprintf(bound, sizeof(bound), "%g", (double) bound_ms / 1000);
    fprintf(out, "%s_bucket", name);
    put_label(out, '{', "policy", policy->name);
    put_label(out, ',', "le", bound);
    fputc('}', out);
    put_count(out, sum);
}

// Buckets are cumulative; the last one counts all calls.
static void write_duration(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->policy_count; i++) {
        const struct rb_view_policy *policy = &snapshot->policies[i];
        uint64_t sum = 0;
        for (unsigned bucket = 0; bucket < RB_DURATION_BUCKETS; bucket++) {
            sum += policy->values[RB_COUNTER_DURATION + bucket];
            write_bucket(out, name, policy, bucket, sum);
        }
        put_line(out, name, "_sum", policy, put_seconds, policy->values[RB_COUNTER_DURATION_MS]);
        put_line(out, name, "_count", policy, put_count, sum);
    }
}

static void write_resends(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    write_counter(out, name, snapshot, RB_COUNTER_RESENDS, put_count);
}

static void write_processes(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    fputs(name, out);
    put_count(out, snapshot->process_count);
}

static void write_dropped(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    fputs(name, out);
    put_count(out, snapshot->totals.events_lost);
}

static void write_log_lost(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    fputs(name, out);
    put_count(out, snapshot->totals.log_lost);
}

static void write_reload(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    fputs(name, out);
    put_count(out, snapshot->totals.reload_succeeded);
}

static void write_build(FILE *out, const char *name, const struct rb_snapshot *snapshot)
{
    (void) snapshot;
    fprintf(out, "%s{version=\"" RB_VERSION "\"} 1\n", name);
}

static const struct family families[] = {
    {"rebound_calls_total", "counter",
     "Calls to hosts of a policy that have ended, by kind of call and result for the program.", metrics_write_calls},
    {"rebound_attempts_total", "counter", "Attempts made for those calls.", write_attempts},
    {"rebound_retries_total", "counter", "Attempts after the first, by why the attempt before failed.",
     metrics_write_retries},
    {"rebound_retries_suppressed_total", "counter", "Failures that were not repeated, by reason.", write_suppressed},
    {"rebound_backoff_seconds_total", "counter", "Time that calls have waited between attempts.", write_backoff},
    {"rebound_host_calls_total", "counter",
     "Calls by host, refused ones included. The busiest hosts of each policy are named; other is the sum of the rest.",
     write_host_calls},
    {"rebound_host_attempts_total", "counter", "Attempts made for those calls.", write_host_attempts},
    {"rebound_host_failures_total", "counter", "Calls by host that failed for the program.", write_host_failures},
    {"rebound_host_refused_total", "counter", "Calls by host that its breaker refused without an attempt.",
     write_host_refused},
    {"rebound_breaker_state", "gauge", "1 for the state that a host's breaker is in, 0 for the others.",
     metrics_write_state},
    {"rebound_breaker_transitions_total", "counter", "Number of times that breakers entered a state.",
     write_transitions},
    {"rebound_breaker_rejected_total", "counter", "Attempts that an open breaker refused.", write_rejected},
    {"rebound_call_duration_seconds", "histogram", "Duration of calls with at least one attempt, waits included.",
     write_duration},
    {"rebound_hidden_resends_total", "counter", "Requests that libcurl sent again by itself.", write_resends},
    {"rebound_processes", "gauge", "Living processes that use the shared state.", write_processes},
    {"rebound_events_dropped_total", "counter", "Events that could not be recorded.", write_dropped},
    {"rebound_log_lines_lost_total", "counter", "Lines of the log that could not be written.", write_log_lost},
    {"rebound_config_last_reload_successful", "gauge", "0 when the last reload of a policy failed.", write_reload},
    {"rebound_build_info", "gauge", "The version of this command; always 1.", write_build},
};

void rb_metrics_write(FILE *out, const struct rb_snapshot *snapshot)
{
    for (unsigned i = 0; i < sizeof(families) / sizeof(*families); i++) {
        const struct family *family = &families[i];
        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name, family->type);
        family->write(out, family->name, snapshot);
    }
}

char *rb_metrics_text(const struct rb_state_file *file, size_t *length)
{
    char *text = NULL;
    struct rb_snapshot *snapshot = rb_snapshot_take(file, RB_ORDER_STATE);
    FILE *out = snapshot ? open_memstream(&text, length) : NULL;
    if (out)
        rb_metrics_write(out, snapshot);
    rb_snapshot_free(snapshot);
    if (!out || fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
