// SPDX-License-Identifier: MIT
// One error or warning in a policy file, and the callback that receives it.
#ifndef RB_POLICY_DIAGNOSTIC_H
#define RB_POLICY_DIAGNOSTIC_H

#include <stdbool.h>

// All pointers are valid only during the callback. line and column count from 1. Line 0 means the whole file (it cannot
// be read, or is a directory), or the pairs that override the policy. Then file is "REBOUND_SET" or "--set", text is
// all of them, and column is a position in text. Otherwise text is the source line without its line end, NULL for line
// 0. message is one sentence without a final period. suggestion is the nearest known name, or NULL. A warning does not
// make the policy invalid.
struct rb_diagnostic {
    bool warning;
    const char *file;
    unsigned line;
    unsigned column;
    const char *text;
    const char *message;
    const char *suggestion;
};

// Receives the errors and warnings of a file in order of lines.
typedef void rb_report_fn(void *context, const struct rb_diagnostic *diagnostic);

#endif
