// SPDX-License-Identifier: MIT
// The explanation as JSON.
#include "cli/json.h"
#include "cli/policy/explain.h"
#include "policy/key.h"

// Numbers as numbers. A list has one space between its names.
static void explain_json_add_process(cJSON *policy, const struct rb_process_rules *process)
{
    char text[RB_EXPLAIN_VALUE_SIZE];
    unsigned count;
    const struct rb_key *keys = rb_key_process_table(&count);
    for (unsigned i = 0; i < count; i++) {
        rb_key_kind_format(&keys[i], process, text, sizeof(text));
        if (keys[i].kind == RB_KEY_COUNT)
            cJSON_AddRawToObject(policy, keys[i].name, text);
        else if (keys[i].kind == RB_KEY_GLOBS)
            rb_json_add_text(policy, keys[i].name, *(const char *const *) ((const char *) process + keys[i].target));
        else
            rb_json_add_text(policy, keys[i].name, text);
    }
}

static void add_source(cJSON *root, const struct rb_explanation *e)
{
    cJSON *policy = cJSON_AddObjectToObject(root, "policy");
    rb_json_add_text(policy, "file", e->source.path);
    rb_json_add_text(policy, "source", e->source.why);
    cJSON *set = cJSON_AddObjectToObject(policy, "set");
    rb_json_add_text(set, "REBOUND_SET", e->pairs.environment);
    rb_json_add_text(set, "--set", e->pairs.option);
    explain_json_add_process(policy, rb_policy_process(e->policy));
    rb_json_add_text(root, "target", e->label);
}

static void add_section(cJSON *root, const struct rb_explanation *e)
{
    if (!e->section) {
        cJSON_AddNullToObject(root, "section");
        return;
    }
    cJSON *section = cJSON_AddObjectToObject(root, "section");
    rb_json_add_text(section, "name", e->section->name);
    rb_json_add_text(section, "pattern", e->match.pattern);
    if (e->match.pattern)
        cJSON_AddNumberToObject(section, "line", e->match.line);
    else
        cJSON_AddNullToObject(section, "line");
}

static void add_values(cJSON *root, const struct rb_explanation *e)
{
    char text[RB_EXPLAIN_VALUE_SIZE];
    unsigned count;
    const struct rb_key *keys = rb_key_table(&count);
    cJSON *values = cJSON_AddArrayToObject(root, "values");
    for (unsigned i = 0; i < count; i++) {
        enum rb_origin origin = e->section->key_origins[i];
        const char *const files[] = {
            [RB_ORIGIN_NONE] = NULL,
            [RB_ORIGIN_SECTION] = e->source.path,
            [RB_ORIGIN_DEFAULT] = e->source.path,
            [RB_ORIGIN_ENVIRONMENT] = "REBOUND_SET",
            [RB_ORIGIN_OPTION] = "--set",
        };
        cJSON *value = cJSON_CreateObject();
        rb_key_kind_format(&keys[i], &e->section->values, text, sizeof(text));
        rb_json_add_text(value, "key", keys[i].name);
        rb_json_add_text(value, "value", text);
        rb_json_add_text(value, "file", files[origin]);
        if (files[origin] == e->source.path)
            cJSON_AddNumberToObject(value, "line", e->section->key_places[i]);
        else
            cJSON_AddNullToObject(value, "line");
        cJSON_AddBoolToObject(value, "inherited", origin == RB_ORIGIN_DEFAULT);
        cJSON_AddItemToArray(values, value);
    }
}

static void add_schedule(cJSON *root, const struct rb_schedule *s)
{
    cJSON *schedule = cJSON_AddArrayToObject(root, "schedule");
    for (uint32_t i = 0; i < s->retries; i++) {
        cJSON *retry = cJSON_CreateObject();
        cJSON_AddNumberToObject(retry, "retry", i + 1);
        cJSON_AddNumberToObject(retry, "min_ms", (double) s->retry[i].min_ms);
        cJSON_AddNumberToObject(retry, "max_ms", (double) s->retry[i].max_ms);
        cJSON_AddBoolToObject(retry, "fits", s->retry[i].fits);
        cJSON_AddItemToArray(schedule, retry);
    }
}

static void add_worst(cJSON *root, const struct rb_explanation *e)
{
    cJSON *worst = cJSON_AddObjectToObject(root, "worst_case");
    cJSON_AddNumberToObject(worst, "waits_ms", (double) e->schedule.waits_ms);
    if (e->schedule.attempts_ms > 0)
        cJSON_AddNumberToObject(worst, "attempts_ms", (double) e->schedule.attempts_ms);
    else
        cJSON_AddNullToObject(worst, "attempts_ms");
    cJSON_AddNumberToObject(worst, "total_ms", (double) e->section->rules.total_ms);
    cJSON_AddNumberToObject(worst, "ms", (double) e->schedule.worst_ms);
    cJSON_AddNumberToObject(worst, "start_wait_ms", e->waits ? (double) e->section->rules.start_wait_ms : 0);
}

int rb_explain_json(const struct rb_explanation *e)
{
    cJSON *root = cJSON_CreateObject();
    add_source(root, e);
    add_section(root, e);
    if (e->section) {
        cJSON *method = cJSON_AddObjectToObject(root, "method");
        rb_json_add_text(method, "name", e->method);
        cJSON_AddBoolToObject(method, "repeatable", e->repeatable);
        add_values(root, e);
        add_schedule(root, &e->schedule);
        add_worst(root, e);
    }
    return rb_json_print(root);
}
