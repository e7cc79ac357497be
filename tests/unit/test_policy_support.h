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
    char text[KEPT_TEXT_SIZE], message[KEPT_TEXT_SIZE], suggestion[KEPT_TEXT_SIZE];
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
    int result = rb_policy_parse(text, strlen(text), "test.ini", &policy, keep, kept);
    print_kept(kept);
    free(kept);
    assert_int_equal(result, 0);
    assert_non_null(policy);
    return policy;
}

#endif
