// SPDX-License-Identifier: MIT
// Fuzzes the policy reader: any bytes give either a policy whose values survive being written and read again, or errors
// with a place inside the text. The same holds for a text of pairs.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/key.h"
#include "policy/policy.h"

struct limits {
    unsigned lines;
    unsigned errors;
};

static void require(int condition)
{
    if (!condition)
        abort();
}

static void receive(void *context, const struct rb_diagnostic *diagnostic)
{
    struct limits *limits = context;
    limits->errors += !diagnostic->warning;
    require(diagnostic->line >= 1 && diagnostic->line <= limits->lines && diagnostic->column >= 1);
    require(diagnostic->message[0] != '\0' && strcmp(diagnostic->file, "fuzz.ini") == 0);
    // Long lines are shown in part.
    size_t shown = strlen(diagnostic->text);
    require(diagnostic->column <= shown + 1 || shown >= 1024);
}

static void check_section(const struct rb_section *section)
{
    unsigned count;
    const struct rb_key *keys = rb_key_table(&count);
    for (unsigned i = 0; i < count; i++) {
        char written[4096], again[4096];
        struct rb_section_values rules = section->values;
        unsigned offset;
        rb_key_kind_format(&keys[i], &rules, written, sizeof(written));
        require(rb_key_kind_parse(&keys[i], &rules, written, &offset) == NULL);
        rb_key_kind_format(&keys[i], &rules, again, sizeof(again));
        require(strcmp(written, again) == 0);
    }
}

// The text itself serves as names, URLs and addresses to look up.
static void check_matches(const struct rb_policy *policy, const char *text, size_t length)
{
    for (size_t at = 0; at < length; at += 1 + length / 16) {
        struct rb_target target = {.name = text + at, .name_length = length - at, .port = (uint16_t) at};
        rb_policy_match(policy, &target, NULL);
        target.family = at % 2 ? AF_INET : AF_INET6;
        memcpy(target.address, text + at, length - at < 16 ? length - at : 16);
        rb_policy_match(policy, &target, NULL);
        target.family = AF_UNIX;
        rb_policy_match(policy, &target, NULL);
    }
}

static void check_url(const uint8_t *data, size_t size)
{
    char *url = malloc(size + 1), label[RB_LABEL_SIZE];
    struct rb_target target;
    memcpy(url, data, size);
    url[size] = '\0';
    if (rb_target_from_url(&target, url, NULL) == 0)
        require(rb_target_format(&target, label, sizeof(label)) < sizeof(label));
    free(url);
}

static void receive_of_pairs(void *context, const struct rb_diagnostic *diagnostic)
{
    struct limits *limits = context;
    limits->errors += !diagnostic->warning;
    require(diagnostic->line == 0 && diagnostic->column >= 1 && strcmp(diagnostic->file, "REBOUND_SET") == 0);
    require(diagnostic->column <= strlen(diagnostic->text) + 1 && diagnostic->message[0] != '\0');
}

// The text serves as REBOUND_SET.
static void check_pairs(const uint8_t *data, size_t size)
{
    static const char text[] = "[default]\nbreaker = on\n[a]\nhosts = a\nretry.methods = safe\nretry.base = 1s\n";
    char *environment = malloc(size + 1);
    struct rb_pairs pairs = {.environment = environment};
    struct rb_policy *policy;
    struct limits limits = {0, 0};
    memcpy(environment, data, size);
    environment[size] = '\0';
    int result = rb_policy_parse((struct rb_slice){text, sizeof(text) - 1}, "fuzz.ini", &pairs, &policy,
                                 receive_of_pairs, &limits);
    require(result == (limits.errors == 0 ? 0 : -EDOM));
    for (unsigned i = 0; policy && rb_policy_section(policy, i); i++)
        check_section(rb_policy_section(policy, i));
    rb_policy_free(policy);
    free(environment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct limits limits = {1, 0};
    struct rb_policy *policy;
    for (size_t i = 0; i < size; i++)
        limits.lines += data[i] == '\n';
    int result =
        rb_policy_parse((struct rb_slice){(const char *) data, size}, "fuzz.ini", NULL, &policy, receive, &limits);
    require((result == 0) == (limits.errors == 0) && (result == 0) == (policy != NULL));
    if (policy) {
        const struct rb_section *section;
        for (unsigned i = 0; (section = rb_policy_section(policy, i)); i++)
            check_section(section);
        check_matches(policy, (const char *) data, size);
        rb_policy_free(policy);
    }
    check_pairs(data, size);
    check_url(data, size);
    return 0;
}
