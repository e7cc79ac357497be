// SPDX-License-Identifier: MIT
// The errors of one file: collected while it is read, handed on in the order of lines.
#ifndef RB_POLICY_REPORT_H
#define RB_POLICY_REPORT_H

#include "base/arena.h"
#include "base/slice.h"
#include "policy/diagnostic.h"

// A line of the source. text has no line end; number 0: the file as a whole.
struct rb_line {
    unsigned number;
    struct rb_slice text;
};

struct rb_complaint;

struct rb_report {
    struct rb_arena *scratch; // keeps the messages until they are delivered
    const char *file;
    unsigned count; // errors met, also those over the limit
    struct rb_complaint *first, *last;
};

// Adds an error. column counts from 1; suggestion may be NULL, else it lives as long as the report.
void rb_report_add(struct rb_report *report, const struct rb_line *line, unsigned column, const char *suggestion,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

// Hands all errors to `receive` (may be NULL), by line and column.
void rb_report_deliver(const struct rb_report *report, rb_report_fn *receive, void *context);

#endif
