// SPDX-License-Identifier: MIT
// The strict reader of policy text: sections and key = value pairs. Every ambiguous line is an error.
#ifndef RB_POLICY_READER_H
#define RB_POLICY_READER_H

#include "policy/report.h"

// Callbacks. Slices point into the text, so a column is the distance from line->text.at.
struct rb_reader_events {
    // A section header. name.at is NULL if the header was rejected; the following pairs belong to no section.
    void (*section)(void *user, const struct rb_line *line, struct rb_slice name);
    // A pair. value is trimmed, without quotes, and never empty.
    void (*pair)(void *user, const struct rb_line *line, struct rb_slice key, struct rb_slice value);
};

// Reads `length` bytes of text. Errors are added to the report.
void rb_reader_run(const char *text, size_t length, struct rb_report *report, const struct rb_reader_events *events,
                   void *user);

// Returns the column of `at` in its line, counted from 1.
unsigned rb_reader_column(const struct rb_line *line, const char *at);

#endif
