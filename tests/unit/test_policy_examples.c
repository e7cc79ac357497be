// SPDX-License-Identifier: MIT
// The shipped policies load and have the effect that their comments state.
#include "test_policy_support.h"

#include <dirent.h>

#include "policy/builtin.h"
#include "policy/key.h"

#ifndef RB_SOURCE_DIR
#define RB_SOURCE_DIR "."
#endif
#define CONFIG RB_SOURCE_DIR "/config/"
#define EXAMPLES CONFIG "examples"

static struct rb_policy *load(const char *path)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    struct rb_policy *policy = NULL;
    int result = rb_policy_load(path, NULL, &policy, keep, kept);
    print_kept(kept);
    free(kept);
    assert_int_equal(result, 0);
    return policy;
}

// An example, and the ceilings of its waits in seconds up to the last attempt.
struct example {
    const char *path;
    unsigned attempts;
    enum rb_jitter_kind jitter;
    unsigned seconds[5];
};

static const struct example examples[] = {
    {EXAMPLES "/fixed.ini", 3, RB_JITTER_NONE, {2, 2}},
    {EXAMPLES "/linear.ini", 5, RB_JITTER_NONE, {1, 2, 3, 4}},
    {EXAMPLES "/exponential.ini", 5, RB_JITTER_NONE, {1, 2, 4, 8}},
    {EXAMPLES "/full-jitter.ini", 5, RB_JITTER_FULL, {1, 2, 4, 8}},
    {EXAMPLES "/api.ini", 5, RB_JITTER_FULL, {1, 2, 4, 8}},
    {EXAMPLES "/smart.ini", 4, RB_JITTER_ADDED, {1, 2, 4}},
};

// The schedule by the definition in the key table, not by the engine: this test is about the files.
static uint64_t ceiling(const struct rb_backoff *backoff, unsigned retry)
{
    uint64_t ms = backoff->base_ms * (backoff->kind == RB_BACKOFF_LINEAR ? retry : 1);
    for (unsigned i = 1; i < retry && backoff->kind == RB_BACKOFF_EXPONENTIAL; i++)
        ms = ms * backoff->multiplier_milli / 1000;
    return ms < backoff->cap_ms ? ms : backoff->cap_ms;
}

static void check_example(void **state)
{
    const struct example *example = *state;
    struct rb_policy *policy = load(example->path);
    const struct rb_rules *rules = &rb_policy_section(policy, 0)->rules;
    assert_int_equal(rules->attempts, example->attempts);
    assert_int_equal(rules->backoff.jitter, example->jitter);
    for (unsigned retry = 1; retry < example->attempts; retry++)
        assert_int_equal(ceiling(&rules->backoff, retry), 1000 * example->seconds[retry - 1]);
    rb_policy_free(policy);
}

static void test_smart(void **state)
{
    struct rb_policy *policy = load(EXAMPLES "/smart.ini");
    const struct rb_rules *rules = &rb_policy_section(policy, 0)->rules;
    char out[128];
    unsigned count;
    (void) state;
    rb_key_kind_format(&rb_key_table(&count)[rb_key_find("retry.on")], rules, out, sizeof(out));
    assert_string_equal(out, "refused, unreachable, reset, timeout, 429, 500, 503");
    assert_int_equal(rules->backoff.jitter_ms, 1000);
    rb_policy_free(policy);
}

static void test_exponential_cap(void **state)
{
    struct rb_policy *policy = load(EXAMPLES "/exponential.ini");
    (void) state;
    assert_int_equal(rb_policy_section(policy, 0)->rules.backoff.cap_ms, 60000);
    rb_policy_free(policy);
}

static void test_breaker(void **state)
{
    struct rb_policy *policy = load(EXAMPLES "/breaker.ini");
    const struct rb_rules *rules = &rb_policy_section(policy, 0)->rules;
    (void) state;
    assert_true(rules->breaker_on && rules->breaker.time_window);
    assert_int_equal(rules->breaker.slow_call_ms, 2000);
    rb_policy_free(policy);
}

// Loads every file of the directory, also one that is added later.
static void test_all_load(void **state)
{
    DIR *directory = opendir(EXAMPLES);
    unsigned count = 0;
    (void) state;
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        char path[512];
        if (!strstr(entry->d_name, ".ini"))
            continue;
        snprintf(path, sizeof(path), EXAMPLES "/%s", entry->d_name);
        rb_policy_free(load(path));
        count++;
    }
    closedir(directory);
    assert_true(count >= 6);
}

// The embedded policy is config/default.ini byte for byte, and its values are the built-in defaults.
static void test_default(void **state)
{
    static char text[65536];
    struct rb_policy *policy = load("builtin:default");
    const struct rb_section *section = rb_policy_section(policy, 0);
    struct rb_section_values defaults;
    size_t length;
    (void) state;
    FILE *file = fopen(CONFIG "default.ini", "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text), file);
    fclose(file);
    const char *builtin = rb_builtin_policy("builtin:default", &length);
    assert_int_equal(length, size);
    assert_memory_equal(builtin, text, size);
    assert_int_equal(builtin[length], 0);
    rb_key_defaults(&defaults);
    assert_string_equal(section->name, "default");
    assert_memory_equal(&section->values, &defaults, sizeof(defaults));
    rb_policy_free(policy);
}

// builtin:api repeats every request, keeps the statuses of requests that were not processed, and adds 409.
static void test_api(void **state)
{
    struct rb_policy *policy = load("builtin:api");
    const struct rb_section_values *values = &rb_policy_section(policy, 0)->values;
    size_t length;
    (void) state;
    assert_string_equal(values->methods, "*");
    assert_true(rb_rules_has(values->rules.rejected, 429) && values->rules.rejected_throttled);
    assert_true(rb_rules_has(values->rules.statuses, 409) && rb_rules_has(values->rules.statuses, 529));
    assert_int_equal(values->rules.after_max_ms, 120000);
    assert_int_equal(values->rules.total_ms, 600000);
    assert_null(rb_builtin_policy("builtin:", &length));
    assert_null(rb_builtin_policy("builtin:api2", &length));
    rb_policy_free(policy);
}

// builtin:patient has the defaults for all hosts, and start.wait.
static void test_patient(void **state)
{
    struct rb_policy *policy = load("builtin:patient");
    const struct rb_section *section = rb_policy_section(policy, 0);
    struct rb_section_values expected;
    (void) state;
    rb_key_defaults(&expected);
    expected.rules.start_wait_ms = 120000;
    assert_memory_equal(&section->values, &expected, sizeof(expected));
    assert_null(rb_policy_section(policy, 1));
    assert_int_equal(rb_policy_pattern_count(policy), 1);
    rb_policy_free(policy);
}

static void name_example(const void *row, char *name, size_t size)
{
    snprintf(name, size, "%s", ((const struct example *) row)->path);
}

int main(void)
{
    static const struct case_table table = {examples, sizeof(examples[0]), sizeof(examples) / sizeof(examples[0]),
                                            check_example, name_example};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_smart),    cmocka_unit_test(test_exponential_cap), cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_all_load), cmocka_unit_test(test_default),         cmocka_unit_test(test_api),
        cmocka_unit_test(test_patient),
    };
    return run_with_cases("policy examples", &table, others, sizeof(others) / sizeof(others[0]));
}
