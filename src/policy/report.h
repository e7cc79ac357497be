// SPDX-License-Identifier: MIT
// Collects the errors and warnings of one policy file and delivers them ordered by line and column.
#ifndef RB_POLICY_REPORT_H
#define RB_POLICY_REPORT_H

#include "base/arena.h"
#include "base/slice.h"
#include "policy/diagnostic.h"

// A line of the source. text has no line end. number 0 stands for the whole file.
struct rb_line {
    unsigned number;
    struct rb_slice text;
    const char *file; // NULL: the file of the report. Else another name; then number is 0, and text is terminated by
                      // NUL and lives as long as the report
};

struct rb_complaint;

struct rb_report {
    struct rb_arena *scratch; // keeps the messages until they are delivered
    const char *file;
    unsigned count;     // all errors, including those above the limit; no warnings
    unsigned elsewhere; // those of the errors that are in another text than `file`
    unsigned warnings;
    struct rb_complaint *first, *last;
};

// Adds an error. A second error at the same place of a text that is not the file is left out. After 1000 errors, adds
// one note that the others are not shown; later ones are only counted. If there is no memory, the error is only
// counted.
//   column: counts from 1
//   suggestion: NULL, or a text that lives as long as the report
//   format: as for printf, with the conversions %s, %.*s, %u, and %d for numbers that are not negative
void rb_report_add(struct rb_report *report, const struct rb_line *line, unsigned column, const char *suggestion,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

// Adds a warning about a line. After 1000 warnings, ignores the rest.
//   message: lives as long as the report; NULL (no memory): nothing is added
void rb_report_warn(struct rb_report *report, const struct rb_line *line, unsigned column, const char *suggestion,
                    const char *message);

// Passes the kept errors and warnings to `receive` (may be NULL), ordered by line and column.
void rb_report_deliver(const struct rb_report *report, rb_report_fn *receive, void *context);

#endif
