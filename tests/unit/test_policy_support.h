// SPDX-License-Identifier: MIT
// What the tests of the policy share: reports kept for later, and policies from text.
#ifndef RB_TESTS_POLICY_SUPPORT_H
#define RB_TESTS_POLICY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

enum { KEPT_MAX = 64, KEPT_TEXT_SIZE = 1100 };

struct kept_diagnostic {
    unsigned line, column;
    char file[64], text[KEPT_TEXT_SIZE], message[KEPT_TEXT_SIZE], suggestion[KEPT_TEXT_SIZE];
};

struct kept {
    unsigned count;
    struct kept_diagnostic all[KEPT_MAX];
};

static inline void keep(void *context, const struct rb_diagnostic *diagnostic)
{
    struct kept *kept = context;
    if (kept->count < KEPT_MAX) {
        struct kept_diagnostic *copy = &kept->all[kept->count];
        snprintf(copy->file, sizeof(copy->file), "%s", diagnostic->file);
        copy->line = diagnostic->line;
        copy->column = diagnostic->column;
        snprintf(copy->text, KEPT_TEXT_SIZE, "%s", diagnostic->text ? diagnostic->text : "");
        snprintf(copy->message, KEPT_TEXT_SIZE, "%s", diagnostic->message);
        snprintf(copy->suggestion, KEPT_TEXT_SIZE, "%s", diagnostic->suggestion ? diagnostic->suggestion : "");
    }
    kept->count++;
}

static inline void print_kept(const struct kept *kept)
{
    for (unsigned i = 0; i < kept->count && i < KEPT_MAX; i++) {
        const struct kept_diagnostic *one = &kept->all[i];
        print_message("%u:%u: %s (%s)\n", one->line, one->column, one->message, one->suggestion);
    }
}

// A policy from text that must be valid.
static inline struct rb_policy *policy_of(const char *text)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    struct rb_policy *policy = NULL;
    int result = rb_policy_parse(rb_slice_of(text), "test.ini", NULL, &policy, keep, kept);
    print_kept(kept);
    free(kept);
    assert_int_equal(result, 0);
    assert_non_null(policy);
    return policy;
}

// A table of cases. Each row is a test of its own: `check` gets the row, `write_name` writes the name of its test.
struct case_table {
    const void *rows;
    size_t row_size, count;
    void (*check)(void **state);
    void (*write_name)(const void *row, char *name, size_t size);
};

// Runs the given tests and those of the table. Returns the number of failures.
static inline int run_with_cases(const char *group, const struct case_table *table, const struct CMUnitTest *others,
                                 size_t other_count)
{
    enum { NAME_SIZE = 128 };
    size_t count = other_count + table->count;
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    char(*names)[NAME_SIZE] = calloc(table->count, NAME_SIZE);
    if (!tests || !names)
        abort();
    memcpy(tests, others, other_count * sizeof(*tests));
    for (size_t i = 0; i < table->count; i++) {
        const void *row = (const char *) table->rows + i * table->row_size;
        table->write_name(row, names[i], NAME_SIZE);
        tests[other_count + i] = (struct CMUnitTest){names[i], table->check, NULL, NULL, (void *) row};
    }
    int failures = _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    free(names);
    free(tests);
    return failures;
}

#endif
