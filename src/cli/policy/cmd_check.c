// SPDX-License-Identifier: MIT
// rebound check: reports every mistake in policy files, in the format of a compiler.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/policy/diagnose.h"
#include "cli/policy/set.h"
#include "cli/policy/source.h"
#include "cli/say.h"

struct check {
    cJSON *array; // NULL for text output
    bool colour;
    bool failed;
    bool warned;
    bool wrong_pairs; // the files are checked without the pairs
    struct rb_pairs pairs;
};

static void add_json(cJSON *array, const struct rb_diagnostic *diagnostic)
{
    cJSON *object = cJSON_CreateObject();
    rb_json_add_text(object, "file", diagnostic->file);
    cJSON_AddNumberToObject(object, "line", diagnostic->line);
    cJSON_AddNumberToObject(object, "column", diagnostic->column);
    rb_json_add_text(object, "message", diagnostic->message);
    rb_json_add_text(object, "suggestion", diagnostic->suggestion);
    if (diagnostic->warning)
        rb_json_add_text(object, "severity", "warning");
    cJSON_AddItemToArray(array, object);
}

static void check_receive(void *context, const struct rb_diagnostic *diagnostic)
{
    struct check *check = context;
    check->warned = check->warned || diagnostic->warning;
    if (check->array)
        add_json(check->array, diagnostic);
    else
        rb_diagnose_print(stdout, check->colour, diagnostic);
}

static const char *plural(unsigned number)
{
    return number == 1 ? "" : "s";
}

static void print_ok(const char *file, const struct rb_policy *policy, bool trusted)
{
    unsigned sections = 0, patterns = rb_policy_pattern_count(policy);
    while (rb_policy_section(policy, sections))
        sections++;
    rb_say_clean(stdout, file);
    printf(": ok (%u section%s, %u pattern%s)%s\n", sections, plural(sections), patterns, plural(patterns),
           trusted ? "" : ", but programs of this user ignore the file");
}

static void check_file(struct check *check, const char *file)
{
    struct rb_policy *policy = NULL;
    char message[RB_SOURCE_MESSAGE_SIZE];
    bool trusted = rb_source_trusted(file, message);
    if (!trusted)
        rb_say_warning("programs of this user ignore %s: %s", file, message);
    check->warned = check->warned || !trusted;
    if (rb_policy_load(file, &check->pairs, &policy, check_receive, check) != 0)
        check->failed = true;
    else if (!check->array && !check->wrong_pairs)
        print_ok(file, policy, trusted);
    rb_policy_free(policy);
}

static int check_all(struct check *check, int count, char **files, bool strict)
{
    struct rb_source source;
    // After an error in a pair, the files are checked without the pairs.
    if (rb_policy_check_pairs(&check->pairs, check_receive, check) != 0) {
        check->failed = check->wrong_pairs = true;
        check->pairs = (struct rb_pairs){0};
    }
    for (int i = 0; i < count; i++)
        check_file(check, files[i]);
    if (count == 0) {
        int error = rb_source_find(&source, NULL);
        if (error != 0) {
            rb_say_error("cannot find the path of the policy: %s", strerror(-error));
            return RB_EXIT_MISUSE;
        }
        check_file(check, source.path);
    }
    return check->failed || (strict && check->warned) ? RB_EXIT_ERRORS : 0;
}

static int check_run(int argc, char **argv)
{
    struct check check = {.colour = rb_say_colour(stdout)};
    bool json = false, strict = false;
    struct rb_set set = {.values.count = 0};
    const struct rb_option options[] = {
        {"set", .values = &set.values}, {"json", .flag = &json}, {"strict", .flag = &strict}, {0}};
    int status, first = rb_command_options(&rb_cmd_check, argc, argv, options, &status);
    if (first < 0)
        return status;
    if (!rb_set_pairs(&set, &check.pairs))
        return RB_EXIT_MISUSE;
    check.array = json ? cJSON_CreateArray() : NULL;
    status = check_all(&check, argc - first, argv + first, strict);
    if (json && rb_json_print(check.array) != 0) {
        rb_say_error("out of memory");
        return RB_EXIT_MISUSE;
    }
    return status;
}

const struct rb_command rb_cmd_check = {
    .name = "check",
    .usage = "[--set KEY=VALUE] [--strict] [--json] [FILE...]",
    .purpose = "Finds every mistake in policy files",
    .help =
        "Without FILE, checks the policy that 'rebound run' would use here. Prints each mistake with file, line and\n"
        "column, and what to write instead where that is known. A warning is about a line that is valid but has no "
        "effect.\n"
        "\n"
        "Options:\n"
        "  --set K=V  check also whether 'rebound run --set K=V' fits the policy; may be repeated. REBOUND_SET is\n"
        "             always checked\n"
        "  --strict   exit with 1 after a warning, too\n"
        "  --json     print the mistakes as a JSON array; rebound(1) describes the fields\n"
        "  --help     print this text\n"
        "\n"
        "Exit status: 0 no mistakes, 1 mistakes or a file that cannot be read, 2 wrong command line.\n"
        "\n"
        "Examples:\n"
        "  rebound check                      check the policy in use\n"
        "  rebound check policy.ini           check one file before it is installed\n"
        "  rebound check builtin:api          check a built-in policy\n"
        "  rebound check --set retry.base=1s  check a value before it is used\n"
        "  rebound check --json *.ini         for an editor or a build\n",
    .misuse = RB_EXIT_MISUSE,
    .run = check_run,
};
