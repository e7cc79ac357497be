// SPDX-License-Identifier: MIT
// The exposition of metrics: names, labels, sums.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/state/busiest.h"
#include "cli/state/metrics.h"

static struct rb_snapshot snapshot;
static struct rb_view_cell hosts[RB_METRICS_HOSTS + 10];
static char *text;

static int begin(void **state)
{
    (void) state;
    snapshot = (struct rb_snapshot){.hosts = hosts, .policy_count = 1, .totals.reload_succeeded = true};
    memset(hosts, 0, sizeof(hosts));
    strcpy(snapshot.policies[0].name, "pay");
    return 0;
}

static int end(void **state)
{
    (void) state;
    free(text);
    text = NULL;
    return 0;
}

static void write_all(void)
{
    size_t length;
    FILE *out = open_memstream(&text, &length);
    rb_metrics_write(out, &snapshot);
    fclose(out);
}

static void assert_line(const char *line)
{
    char whole[256];
    snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (!strstr(text, whole))
        fail_msg("no line %s in\n%s", line, text);
}

static unsigned count_of(const char *piece)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, piece)); at += strlen(piece))
        count++;
    return count;
}

static void test_counters(void **state)
{
    uint64_t *values = snapshot.policies[0].values;
    (void) state;
    values[RB_COUNTER_CALLS + RB_API_CONNECT * RB_RESULT_COUNT + RB_RESULT_RECOVERED] = 3;
    values[RB_COUNTER_ATTEMPTS] = 9;
    values[RB_COUNTER_RETRIES + RB_CAUSE_REFUSED] = 5;
    values[RB_COUNTER_SUPPRESSED + RB_REASON_BUDGET] = 2;
    values[RB_COUNTER_BACKOFF_MS] = 61007;
    values[RB_COUNTER_TRANSITIONS + RB_BREAKER_OPEN] = 1;
    values[RB_COUNTER_REJECTED] = 4;
    values[RB_COUNTER_RESENDS] = 6;
    snapshot.process_count = 8;
    snapshot.totals.events_lost = 10;
    snapshot.totals.log_lost = 11;
    write_all();
    assert_line("rebound_calls_total{policy=\"pay\",api=\"connect\",outcome=\"recovered\"} 3");
    assert_line("rebound_calls_total{policy=\"pay\",api=\"curl\",outcome=\"success\"} 0");
    assert_line("rebound_attempts_total{policy=\"pay\"} 9");
    assert_line("rebound_retries_total{policy=\"pay\",reason=\"refused\"} 5");
    assert_int_equal(count_of("\nrebound_retries_total{"), 1);
    assert_line("rebound_retries_suppressed_total{policy=\"pay\",reason=\"budget\"} 2");
    assert_line("rebound_backoff_seconds_total{policy=\"pay\"} 61.007");
    assert_line("rebound_breaker_transitions_total{policy=\"pay\",state=\"open\"} 1");
    assert_line("rebound_breaker_rejected_total{policy=\"pay\"} 4");
    assert_line("rebound_hidden_resends_total{policy=\"pay\"} 6");
    assert_line("rebound_processes 8");
    assert_line("rebound_events_dropped_total 10");
    assert_line("rebound_log_lines_lost_total 11");
    assert_line("rebound_config_last_reload_successful 1");
    assert_line("rebound_build_info{version=\"" RB_VERSION "\"} 1");
}

static void test_durations_add_up(void **state)
{
    uint64_t *values = snapshot.policies[0].values;
    (void) state;
    values[RB_COUNTER_DURATION] = 2;
    values[RB_COUNTER_DURATION + RB_DURATION_BUCKETS - 1] = 1;
    values[RB_COUNTER_DURATION_MS] = 100001;
    write_all();
    assert_int_equal(count_of("\nrebound_call_duration_seconds_bucket{"), RB_DURATION_BUCKETS);
    assert_line("rebound_call_duration_seconds_bucket{policy=\"pay\",le=\"0.001\"} 2");
    assert_line("rebound_call_duration_seconds_bucket{policy=\"pay\",le=\"0.25\"} 2");
    assert_line("rebound_call_duration_seconds_bucket{policy=\"pay\",le=\"+Inf\"} 3");
    assert_line("rebound_call_duration_seconds_sum{policy=\"pay\"} 100.001");
    assert_line("rebound_call_duration_seconds_count{policy=\"pay\"} 3");
}

static void test_breakers(void **state)
{
    (void) state;
    snapshot.host_count = 4;
    strcpy(hosts[0].policy, "pay");
    strcpy(hosts[0].host, "x:1");
    hosts[0].forced = RB_FORCE_OPEN;
    strcpy(hosts[1].policy, "all");
    hosts[1].state = RB_BREAKER_HALF_OPEN;
    strcpy(hosts[2].host, "waits:1");
    hosts[2].state = RB_BREAKER_OPEN;
    hosts[2].next_probe_in_ms = 1;
    strcpy(hosts[3].host, "due:1");
    hosts[3].state = RB_BREAKER_OPEN;
    write_all();
    assert_line("rebound_breaker_state{policy=\"\",host=\"waits:1\",state=\"open\"} 1");
    assert_line("rebound_breaker_state{policy=\"\",host=\"due:1\",state=\"open\"} 0");
    assert_line("rebound_breaker_state{policy=\"\",host=\"due:1\",state=\"half-open\"} 1");
    assert_line("rebound_breaker_state{policy=\"pay\",host=\"x:1\",state=\"open\"} 1");
    assert_line("rebound_breaker_state{policy=\"pay\",host=\"x:1\",state=\"closed\"} 0");
    assert_line("rebound_breaker_state{policy=\"all\",host=\"*\",state=\"half-open\"} 1");
}

static void test_calls_of_hosts(void **state)
{
    (void) state;
    snapshot.host_count = 1;
    strcpy(hosts[0].policy, "pay");
    strcpy(hosts[0].host, "x:1");
    hosts[0].ended = (struct rb_view_calls){.calls = 5, .attempts = 9, .failures = 2, .rejected = 1};
    snapshot.policies[0].rest = (struct rb_view_calls){.calls = 8, .attempts = 10, .failures = 4, .rejected = 3};
    write_all();
    assert_line("rebound_host_calls_total{policy=\"pay\",host=\"x:1\"} 5");
    assert_line("rebound_host_attempts_total{policy=\"pay\",host=\"x:1\"} 9");
    assert_line("rebound_host_failures_total{policy=\"pay\",host=\"x:1\"} 2");
    assert_line("rebound_host_refused_total{policy=\"pay\",host=\"x:1\"} 1");
    assert_line("rebound_host_calls_total{policy=\"pay\",host=\"other\"} 8");
    assert_line("rebound_host_attempts_total{policy=\"pay\",host=\"other\"} 10");
    assert_line("rebound_host_failures_total{policy=\"pay\",host=\"other\"} 4");
    assert_line("rebound_host_refused_total{policy=\"pay\",host=\"other\"} 3");
}

// The snapshot sorts the worst state first.
static void test_a_host_with_two_cells(void **state)
{
    (void) state;
    snapshot.host_count = 2;
    strcpy(hosts[0].policy, "pay");
    strcpy(hosts[0].host, "x:1");
    hosts[1] = hosts[0];
    hosts[0].forced = RB_FORCE_OPEN;
    write_all();
    assert_int_equal(count_of("\nrebound_breaker_state{"), RB_BREAKER_STATES);
    assert_line("rebound_breaker_state{policy=\"pay\",host=\"x:1\",state=\"open\"} 1");
    assert_int_equal(count_of("\nrebound_host_calls_total{"), 2);
}

static void test_hosts_are_capped(void **state)
{
    (void) state;
    snapshot.host_count = RB_METRICS_HOSTS + 10;
    for (unsigned i = 0; i < snapshot.host_count; i++) {
        strcpy(hosts[i].policy, "pay");
        snprintf(hosts[i].host, sizeof(hosts[i].host), "h%u:1", i);
        hosts[i].ended.calls = 1;
    }
    write_all();
    assert_int_equal(count_of("\nrebound_breaker_state{"), RB_METRICS_HOSTS * RB_BREAKER_STATES);
    assert_int_equal(count_of("\nrebound_host_calls_total{"), RB_BUSIEST_MAX + 1);
    assert_line("rebound_host_calls_total{policy=\"pay\",host=\"other\"} 166");
}

static void test_labels_are_escaped(void **state)
{
    (void) state;
    strcpy(snapshot.policies[0].name, "a\"b\\c\nd\xff\xc2\x9b");
    write_all();
    assert_line("rebound_attempts_total{policy=\"a\\\"b\\\\c\\\\x0ad\\\\xff\\\\u009b\"} 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters, begin, end),
        cmocka_unit_test_setup_teardown(test_durations_add_up, begin, end),
        cmocka_unit_test_setup_teardown(test_breakers, begin, end),
        cmocka_unit_test_setup_teardown(test_calls_of_hosts, begin, end),
        cmocka_unit_test_setup_teardown(test_a_host_with_two_cells, begin, end),
        cmocka_unit_test_setup_teardown(test_hosts_are_capped, begin, end),
        cmocka_unit_test_setup_teardown(test_labels_are_escaped, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
