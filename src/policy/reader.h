// SPDX-License-Identifier: MIT
// The strict reader of policy text: sections and key = value pairs, every doubtful line an error.
#ifndef RB_POLICY_READER_H
#define RB_POLICY_READER_H

#include "policy/report.h"

// Who receives what is read. Slices point into the text, so a column is the distance from line->text.at.
struct rb_reader_events {
    // A section header. name.at is NULL where the header was refused: what follows belongs to no section.
    void (*section)(void *user, const struct rb_line *line, struct rb_slice name);
    // A pair; value comes trimmed, without its quotes, and is never empty.
    void (*pair)(void *user, const struct rb_line *line, struct rb_slice key, struct rb_slice value);
};

// Reads `length` bytes of text; errors go to the report.
void rb_reader_run(const char *text, size_t length, struct rb_report *report, const struct rb_reader_events *events,
                   void *user);

// The column of `at` within its line, counted from 1.
unsigned rb_reader_column(const struct rb_line *line, const char *at);

#endif
