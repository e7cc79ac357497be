// SPDX-License-Identifier: MIT
// Builds the JSON object of one state file for `rebound status --json`.
#include <string.h>

#include "cli/json.h"
#include "cli/moment.h"
#include "cli/state/status.h"

// Divisors. Rates are stored in units of 0.01 % and printed as a fraction of 1. Budgets are stored in thousandths.
enum { HUNDREDTHS = 10000, THOUSANDTHS = 1000 };

static const char *const forces[] = {[RB_FORCE_NONE] = NULL, [RB_FORCE_OPEN] = "open", [RB_FORCE_CLOSED] = "closed"};

static void add_number(cJSON *object, const char *name, uint64_t value)
{
    cJSON_AddNumberToObject(object, name, (double) value);
}

// Adds the time in milliseconds, or null if `waits` is false.
static void add_wait(cJSON *object, const char *name, bool waits, uint64_t ms)
{
    if (waits)
        add_number(object, name, ms);
    else
        cJSON_AddNullToObject(object, name);
}

static cJSON *make_process(int pid)
{
    char name[RB_PROGRAM_NAME_SIZE];
    cJSON *process = cJSON_CreateObject();
    add_number(process, "pid", (uint64_t) pid);
    rb_json_add_text(process, "program", rb_snapshot_program(pid, name));
    return process;
}

static void add_probes(cJSON *object, const struct rb_view_cell *host)
{
    cJSON *probes = cJSON_AddArrayToObject(object, "probes");
    for (unsigned i = 0; i < host->holder_count; i++) {
        cJSON *probe = make_process(host->holders[i].pid);
        add_number(probe, "lease_left_ms", host->holders[i].lease_left_ms);
        cJSON_AddItemToArray(probes, probe);
    }
}

static cJSON *make_host(const struct rb_view_cell *host)
{
    bool counts_down = rb_snapshot_state(host) == RB_BREAKER_OPEN && host->forced == RB_FORCE_NONE;
    cJSON *object = cJSON_CreateObject();
    rb_json_add_text(object, "policy", host->policy);
    rb_json_add_text(object, "host", *host->host ? host->host : NULL);
    rb_json_add_text(object, "state", rb_breaker_state_name(rb_snapshot_state(host)));
    rb_json_add_text(object, "forced", forces[host->forced]);
    cJSON_AddBoolToObject(object, "refuses", host->forced ? host->forced == RB_FORCE_OPEN : host->refuses);
    add_number(object, "generation", host->generation);
    add_number(object, "reopened", host->reopened);
    add_number(object, "calls", host->calls);
    add_number(object, "failed", host->failed);
    add_number(object, "slow", host->slow);
    cJSON_AddNumberToObject(object, "failure_rate", (double) host->failure_rate / HUNDREDTHS);
    cJSON_AddNumberToObject(object, "slow_rate", (double) host->slow_rate / HUNDREDTHS);
    add_wait(object, "next_probe_ms", counts_down || rb_snapshot_probe_is_due(host),
             counts_down ? host->next_probe_in_ms : 0);
    add_probes(object, host);
    cJSON_AddNumberToObject(object, "retries_left", (double) host->budget_milli / THOUSANDTHS);
    add_wait(object, "not_before_ms", host->not_before_in_ms > 0, host->not_before_in_ms);
    add_number(object, "queued", host->not_before_queued);
    add_number(object, "calls_total", host->ended.calls);
    add_number(object, "attempts_total", host->ended.attempts);
    add_number(object, "failures_total", host->ended.failures);
    add_number(object, "refused", host->ended.rejected);
    add_number(object, "used_ms_ago", host->used_ago_ms);
    return object;
}

static cJSON *make_policy(const struct rb_view_policy *policy)
{
    cJSON *object = cJSON_CreateObject();
    rb_json_add_text(object, "policy", policy->name);
    cJSON_AddBoolToObject(object, "off", policy->off);
    add_number(object, "calls", rb_snapshot_calls(policy));
    add_number(object, "attempts", policy->values[RB_COUNTER_ATTEMPTS]);
    add_number(object, "retries", rb_snapshot_retries(policy));
    add_number(object, "recovered", rb_snapshot_ended(policy, RB_RESULT_RECOVERED));
    add_number(object, "refused", rb_snapshot_ended(policy, RB_RESULT_REFUSED));
    add_number(object, "failed", rb_snapshot_ended(policy, RB_RESULT_FAILED));
    add_number(object, "stale", rb_snapshot_ended(policy, RB_RESULT_STALE));
    add_number(object, "backoff_ms", policy->values[RB_COUNTER_BACKOFF_MS]);
    return object;
}

// Adds the latest error in writing a log, or null if there is none.
static void add_log(cJSON *object, const struct rb_snapshot *snapshot)
{
    char time[RB_MOMENT_SIZE];
    const struct rb_view_trouble *log = &snapshot->log;
    if (!snapshot->log_in_trouble) {
        cJSON_AddNullToObject(object, "log_trouble");
        return;
    }
    cJSON *trouble = cJSON_AddObjectToObject(object, "log_trouble");
    rb_json_add_text(trouble, "file", log->destination);
    rb_json_add_text(trouble, "reason", rb_loss_name(log->error));
    add_number(trouble, "pid", (uint64_t) log->pid);
    rb_json_add_text(trouble, "program", log->program);
    add_number(trouble, "uid", log->user);
    rb_json_add_text(trouble, "last", rb_moment_format(log->unix_ms, time));
}

static void add_totals(cJSON *object, const struct rb_state_file *file, const struct rb_snapshot *snapshot)
{
    char time[RB_MOMENT_SIZE];
    rb_json_add_text(object, "state", file->path);
    rb_json_add_text(object, "user", rb_user_name(file->owner));
    add_number(object, "uid", file->owner);
    rb_json_add_text(object, "since", file->present ? rb_moment_format(snapshot->totals.created_s * 1000, time) : NULL);
    add_number(object, "events", snapshot->totals.events);
    add_number(object, "events_dropped", snapshot->totals.events_lost);
    cJSON_AddBoolToObject(object, "reload_succeeded", snapshot->totals.reload_succeeded);
    add_number(object, "log_lines_lost", snapshot->totals.log_lost);
    add_log(object, snapshot);
}

cJSON *rb_status_json(const struct rb_state_file *file, const struct rb_snapshot *snapshot)
{
    cJSON *object = cJSON_CreateObject();
    add_totals(object, file, snapshot);
    cJSON *processes = cJSON_AddArrayToObject(object, "processes");
    for (unsigned i = 0; i < snapshot->process_count; i++)
        cJSON_AddItemToArray(processes, make_process(snapshot->processes[i].pid));
    cJSON *hosts = cJSON_AddArrayToObject(object, "hosts");
    for (unsigned i = 0; i < snapshot->host_count; i++)
        cJSON_AddItemToArray(hosts, make_host(&snapshot->hosts[i]));
    cJSON *policies = cJSON_AddArrayToObject(object, "policies");
    for (unsigned i = 0; i < snapshot->policy_count; i++)
        cJSON_AddItemToArray(policies, make_policy(&snapshot->policies[i]));
    return object;
}
