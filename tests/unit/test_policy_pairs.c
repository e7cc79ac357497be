// SPDX-License-Identifier: MIT
// Pairs that override a policy: what they change, what they leave alone, and every error in them.
#include "test_policy_support.h"

#include <errno.h>

#include "policy/key.h"

static struct kept kept;

static int parse(const char *text, const char *environment, const char *option, struct rb_policy **policy)
{
    struct rb_pairs pairs = {environment, option};
    memset(&kept, 0, sizeof(kept));
    return rb_policy_parse(rb_slice_of(text), "test.ini", &pairs, policy, keep, &kept);
}

static struct rb_policy *overridden(const char *text, const char *environment, const char *option)
{
    struct rb_policy *policy = NULL;
    int result = parse(text, environment, option, &policy);
    print_kept(&kept);
    assert_int_equal(result, 0);
    return policy;
}

static const struct rb_section *section_of(const struct rb_policy *policy, const char *name)
{
    struct rb_target target = {.name = name, .name_length = strlen(name), .port = 80};
    return rb_policy_match(policy, &target, NULL);
}

static const char *value_of(const struct rb_section *section, const char *key)
{
    static char out[256];
    unsigned count;
    rb_key_kind_format(&rb_key_table(&count)[rb_key_find(key)], &section->values, out, sizeof(out));
    return out;
}

static enum rb_origin origin_of(const struct rb_section *section, const char *key)
{
    return section->key_origins[rb_key_find(key)];
}

static const char file[] = "[default]\nretry.attempts = 2\n"
                           "[a]\nhosts = a.test\nretry.attempts = 4\nretry.on = +409\nretry.cap = 20s\n"
                           "[b]\nhosts = b.test\nretry.methods = safe\n";

// A pair wins over [default] and over a section. Other values keep their lines.
static void test_all_sections(void **state)
{
    struct rb_policy *policy = overridden(file, NULL, "retry.attempts=7");
    (void) state;
    const struct rb_section *a = section_of(policy, "a.test"), *other = section_of(policy, "c.test");
    assert_int_equal(a->rules.attempts, 7);
    assert_int_equal(other->rules.attempts, 7);
    assert_int_equal(section_of(policy, "b.test")->rules.attempts, 7);
    assert_int_equal(origin_of(a, "retry.attempts"), RB_ORIGIN_OPTION);
    assert_int_equal(a->key_places[rb_key_find("retry.attempts")], 1);
    assert_int_equal(origin_of(a, "retry.cap"), RB_ORIGIN_SECTION);
    assert_int_equal(a->key_places[rb_key_find("retry.cap")], 7);
    rb_policy_free(policy);
}

// A policy without [default] gets none, and a policy without sections stays empty.
static void test_hosts_without_section(void **state)
{
    struct rb_policy *policy = overridden("[a]\nhosts = a.test\n", "retry.attempts=7", NULL);
    (void) state;
    assert_int_equal(section_of(policy, "a.test")->rules.attempts, 7);
    assert_null(section_of(policy, "b.test"));
    rb_policy_free(policy);
    policy = overridden("", "retry.attempts=7", NULL);
    assert_null(section_of(policy, "a.test"));
    rb_policy_free(policy);
}

// The last pair with a key counts. Those of --set come after those of REBOUND_SET. Any blanks separate pairs.
static void test_last_pair_counts(void **state)
{
    struct rb_policy *policy =
        overridden(file, "\n retry.attempts=5\t retry.base=1s retry.attempts=6 ", "retry.cap=3s retry.cap=4s");
    (void) state;
    const struct rb_section *a = section_of(policy, "a.test");
    assert_int_equal(a->rules.attempts, 6);
    assert_int_equal(a->rules.backoff.base_ms, 1000);
    assert_int_equal(a->rules.backoff.cap_ms, 4000);
    assert_int_equal(origin_of(a, "retry.attempts"), RB_ORIGIN_ENVIRONMENT);
    rb_policy_free(policy);
    policy = overridden(file, "retry.attempts=5", "retry.attempts=6");
    assert_int_equal(section_of(policy, "a.test")->rules.attempts, 6);
    rb_policy_free(policy);
}

// Items with a sign change the list of each section.
static void test_signs(void **state)
{
    struct rb_policy *policy = overridden(file, NULL, "retry.on=+418,-500");
    (void) state;
    const struct rb_rules *a = &section_of(policy, "a.test")->rules, *b = &section_of(policy, "b.test")->rules;
    assert_true(rb_rules_has(a->statuses, 418) && rb_rules_has(a->statuses, 409) && !rb_rules_has(a->statuses, 500));
    assert_true(rb_rules_has(b->statuses, 418) && !rb_rules_has(b->statuses, 409) && !rb_rules_has(b->statuses, 500));
    rb_policy_free(policy);
}

// As in a section, retry.methods without retry.rejected restricts the methods for every status. It does so even if the
// section has retry.rejected.
static void test_methods(void **state)
{
    static const char both[] = "[default]\nretry.methods = all\nretry.rejected = 429\n";
    struct rb_policy *policy = overridden(both, NULL, "retry.methods=safe");
    const struct rb_section *section = section_of(policy, "a.test");
    (void) state;
    assert_string_equal(value_of(section, "retry.rejected"), "none");
    assert_int_equal(origin_of(section, "retry.rejected"), RB_ORIGIN_OPTION);
    rb_policy_free(policy);
    policy = overridden(both, "retry.methods=safe", "retry.rejected=503");
    assert_string_equal(value_of(section_of(policy, "a.test"), "retry.rejected"), "503");
    rb_policy_free(policy);
    policy = overridden(both, NULL, "retry.rejected=+503");
    assert_string_equal(value_of(section_of(policy, "a.test"), "retry.rejected"), "429, 503");
    rb_policy_free(policy);
    policy = overridden(file, NULL, "retry.rejected=+503"); // [b] has retry.methods alone, so its list was empty
    assert_string_equal(value_of(section_of(policy, "b.test"), "retry.rejected"), "503");
    assert_int_equal(origin_of(section_of(policy, "b.test"), "retry.rejected"), RB_ORIGIN_OPTION);
    rb_policy_free(policy);
}

// A pair can repair a file, and can be wrong only together with the file. The error belongs to the pair and is reported
// once.
static void test_combinations(void **state)
{
    struct rb_policy *policy;
    (void) state;
    assert_int_equal(parse("[default]\nretry.base = 20s\n", NULL, NULL, &policy), -EINVAL);
    rb_policy_free(overridden("[default]\nretry.base = 20s\n", NULL, "retry.cap=30s"));
    assert_int_equal(parse(file, NULL, "retry.attempts=3 retry.base=30s", &policy), -EDOM);
    assert_null(policy);
    assert_int_equal(kept.count, 1);
    assert_string_equal(kept.all[0].file, "--set");
    assert_int_equal(kept.all[0].line, 0);
    assert_int_equal(kept.all[0].column, 29);
    assert_int_equal(parse("[default]\nx = 1\n", NULL, "retry.base=30s", &policy), -EINVAL);
    assert_int_equal(kept.count, 2);
    assert_string_equal(kept.all[0].file, "--set");
    assert_string_equal(kept.all[1].file, "test.ini");
}

// A pair without effect gives a warning.
static void test_idle(void **state)
{
    (void) state;
    rb_policy_free(overridden("[default]\n", NULL, "retry.after_max=60s"));
    assert_int_equal(kept.count, 1);
    assert_string_equal(kept.all[0].file, "--set");
    rb_policy_free(overridden("[default]\nretry.after_max = 60s\n", NULL, "retry.after_max=10s"));
    assert_int_equal(kept.count, 0); // the line of the file does not count
}

// start.wait is for sections with hosts: a pair leaves [default] alone, and is an error without such a section.
static void test_start_wait(void **state)
{
    static const char message[] =
        "start.wait needs a section with hosts, and the policy has none: use the policy builtin:patient";
    struct rb_pairs pairs = {NULL, "start.wait=60s"};
    struct rb_policy *policy = overridden(file, NULL, "start.wait=60s");
    (void) state;
    assert_int_equal(section_of(policy, "a.test")->rules.start_wait_ms, 60000);
    assert_int_equal(section_of(policy, "b.test")->rules.start_wait_ms, 60000);
    assert_int_equal(section_of(policy, "c.test")->rules.start_wait_ms, 0);
    rb_policy_free(policy);
    assert_int_equal(parse("[default]\n[a]\n", NULL, "start.wait=60s", &policy), -EDOM);
    assert_int_equal(kept.count, 1);
    assert_string_equal(kept.all[0].message, message);
    assert_int_equal(rb_policy_check_pairs(&pairs, NULL, NULL), 0);
    rb_policy_free(overridden("[default]\n", "start.wait=60s", "start.wait=off"));
    assert_int_equal(rb_policy_load("builtin:patient", &pairs, &policy, NULL, NULL), 0);
    assert_int_equal(section_of(policy, "a.test")->rules.start_wait_ms, 60000);
    rb_policy_free(policy);
}

// An error of REBOUND_SET comes before those of --set, and both before those of the file.
static void test_order(void **state)
{
    static const char *const files[] = {"REBOUND_SET", "REBOUND_SET", "--set", "test.ini"};
    struct rb_policy *policy;
    (void) state;
    assert_int_equal(parse("[default]\nx = 1\n", "retry.base=1s a=1 b=1", "c=1", &policy), -EINVAL);
    assert_int_equal(kept.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(kept.all[i].file, files[i]);
}

// A text of the greatest length is read to its end. A longer one is an error, as the library gets it cut.
static void test_length(void **state)
{
    static char text[RB_PAIRS_MAX + 2];
    (void) state;
    memset(text, ' ', RB_PAIRS_MAX);
    memcpy(text + RB_PAIRS_MAX - 16, "retry.attempts=9", 16);
    struct rb_policy *policy = overridden("[default]\n", text, NULL);
    assert_int_equal(section_of(policy, "a.test")->rules.attempts, 9);
    rb_policy_free(policy);
    text[RB_PAIRS_MAX] = '9';
    assert_int_equal(parse("[default]\n", text, NULL, &policy), -EDOM);
    assert_string_equal(kept.all[0].message, "the text is too long: at most 4095 bytes are allowed");
    memset(text, 'x', RB_PAIRS_MAX);
    text[RB_PAIRS_MAX] = '\0';
    assert_int_equal(parse("[default]\n", text, NULL, &policy), -EDOM);
    for (unsigned i = 0; i < RB_PAIRS_MAX; i += 2)
        text[i] = ' ';
    assert_int_equal(parse("[default]\n", text, NULL, &policy), -EDOM);
    assert_int_equal(kept.count, 1001); // as for a file
}

// An error that does not depend on the policy is found without one.
static void test_check(void **state)
{
    struct rb_pairs good = {"retry.base=30s", NULL}, bad = {"retry.base=30", NULL};
    (void) state;
    memset(&kept, 0, sizeof(kept));
    assert_int_equal(rb_policy_check_pairs(&good, keep, &kept), 0);
    assert_int_equal(kept.count, 0);
    assert_int_equal(rb_policy_check_pairs(&bad, keep, &kept), -EDOM);
    assert_int_equal(kept.count, 1);
}

// One text with one error.
struct wrong {
    const char *text;
    unsigned column;
    const char *message, *suggestion;
};

static const struct wrong wrongs[] = {
    {"retry.atempts=5", 1, "unknown key retry.atempts", "retry.attempts"},
    {"RETRY.ATTEMPTS=5", 1, "unknown key RETRY.ATTEMPTS", "retry.attempts"},
    {" payments.retry.base=1s", 2, "unknown key payments.retry.base: a pair takes effect in all sections",
     "retry.base"},
    {"xyz=5", 1, "unknown key xyz; the keys are intercept, retry.*, ...", ""},
    {"retry.attempts=101", 16, "retry.attempts: out of range; expected a number from 1 to 100", ""},
    {"retry.attempts=0", 16, "retry.attempts: out of range; expected a number from 1 to 100", ""},
    {"retry.on=+409,-5000", 16,
     "retry.on: a status is 400 to 599, or a class such as 5xx; expected refused, unreachable, "
     "reset, timeout, dns, throttled and statuses (503, 5xx), all with + or -, or none",
     ""},
    {"retry.attempts=3 retry.attempts=x", 33, "retry.attempts: not a whole number; expected a number from 1 to 100",
     ""},
    {"retry.attempts=x retry.attempts=3", 16, "retry.attempts: not a whole number; expected a number from 1 to 100",
     ""},
    {"retry.attempts", 1, "'=' is missing: blanks separate pairs KEY=VALUE", ""},
    {"retry.attempts=5 =", 18, "the key before '=' is missing", ""},
    {"=5", 1, "the key before '=' is missing", ""},
    {"retry.attempts=", 15, "the value after '=' is missing", ""},
    {"log=stderr", 1, "log cannot be set here: use --log or REBOUND_LOG", ""},
    {"state=private", 1, "state cannot be set here: use REBOUND_STATE", ""},
    {"skip=ssh", 1, "skip cannot be set here: write it into [rebound] of a policy file", ""},
    {"hosts=a.test", 1, "hosts cannot be set here: write it into a section of a policy file", ""},
    {"retry.attempts=5\x01", 17, "a control character in the text", ""},
    {"\x7f", 1, "a control character in the text", ""},
    {"retry.methods=G\xc3\x84T", 16,
     "retry.methods: a character that no name has; expected safe, idempotent, all, or a "
     "list of methods",
     ""},
    {"[a]=1", 1, "unknown key [a]; the keys are intercept, retry.*, ...", ""},
};

static void check_wrong(void **state)
{
    const struct wrong *wrong = *state;
    struct rb_policy *policy;
    for (int option = 0; option < 2; option++) {
        assert_int_equal(parse(file, option ? NULL : wrong->text, option ? wrong->text : NULL, &policy), -EDOM);
        assert_null(policy);
        assert_int_equal(kept.count, 1);
        assert_string_equal(kept.all[0].file, option ? "--set" : "REBOUND_SET");
        assert_int_equal(kept.all[0].line, 0);
        size_t length = strlen(wrong->message);
        if (strcmp(wrong->message + length - 3, "...") == 0) // the list of keys grows
            assert_int_equal(strncmp(kept.all[0].message, wrong->message, length - 3), 0);
        else
            assert_string_equal(kept.all[0].message, wrong->message);
        assert_int_equal(kept.all[0].column, wrong->column);
        assert_string_equal(kept.all[0].suggestion, wrong->suggestion);
        assert_string_equal(kept.all[0].text, wrong->text);
    }
}

static void name_wrong(const void *row, char *name, size_t size)
{
    snprintf(name, size, "%s", ((const struct wrong *) row)->text);
}

int main(void)
{
    static const struct case_table table = {wrongs, sizeof(wrongs[0]), sizeof(wrongs) / sizeof(wrongs[0]), check_wrong,
                                            name_wrong};
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_all_sections),
        cmocka_unit_test(test_hosts_without_section),
        cmocka_unit_test(test_last_pair_counts),
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_combinations),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_start_wait),
        cmocka_unit_test(test_check),
    };
    return run_with_cases("policy pairs", &table, others, sizeof(others) / sizeof(others[0]));
}
