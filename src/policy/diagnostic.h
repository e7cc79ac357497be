// SPDX-License-Identifier: MIT
// One complaint about a policy file, and how it is handed on.
#ifndef RB_POLICY_DIAGNOSTIC_H
#define RB_POLICY_DIAGNOSTIC_H

// All pointers are valid during the report only. line and column count from 1; line 0: the file as a whole (cannot be
// read, is a directory). text is the source line without its end, NULL for line 0. message is one sentence without a
// final dot; suggestion is the nearest known name, or NULL.
struct rb_diagnostic {
    const char *file;
    unsigned line;
    unsigned column;
    const char *text;
    const char *message;
    const char *suggestion;
};

// Receives every error of a file, in the order of lines as far as reading goes.
typedef void rb_report_fn(void *context, const struct rb_diagnostic *diagnostic);

#endif
