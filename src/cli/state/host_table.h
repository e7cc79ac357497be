// SPDX-License-Identifier: MIT
// The table of hosts as status and top show it: lines of text for a given width.
#ifndef RB_CLI_HOST_TABLE_H
#define RB_CLI_HOST_TABLE_H

#include "cli/state/snapshot.h"

enum { RB_TABLE_NARROW = 80, RB_TABLE_WIDE = 110, RB_TABLE_MAX = 400, RB_TABLE_LINE = RB_TABLE_MAX + 1 };

// Writes the head of the table, or the line of a host, NUL-terminated, at most `width` columns (80 at least, 400 at
// most). From RB_TABLE_WIDE on there are further columns.
void rb_table_head(unsigned width, char out[RB_TABLE_LINE]);
void rb_table_row(const struct rb_view_cell *host, unsigned width, char out[RB_TABLE_LINE]);

// The width to print a table for: COLUMNS where it is set, else that of the terminal; what is no terminal is narrow.
unsigned rb_table_width(void);

// A time to come or past in the unit that a person would choose: "0s", "12s", "4m", "3h", "2d".
const char *rb_table_span(uint64_t ms, char out[24]);

#endif
