// SPDX-License-Identifier: MIT
// The table of hosts in `rebound status` and `rebound top`, as lines of text for a given width.
#ifndef RB_CLI_STATE_HOST_TABLE_H
#define RB_CLI_STATE_HOST_TABLE_H

#include "cli/state/snapshot.h"

// Widths in columns, and the size of a line in bytes. A character of a name can have more bytes than columns.
enum { RB_TABLE_NARROW = 80, RB_TABLE_WIDE = 110, RB_TABLE_MAX = 400, RB_TABLE_LINE = 2 * RB_TABLE_MAX + 1 };

// Write the head of the table, or the line of a host, NUL-terminated, at most `width` columns (80 to 400), in the form
// RB_ESCAPE_TEXT (base/escape.h). A table with at least RB_TABLE_WIDE columns has additional columns.
void rb_host_table_head(unsigned width, char out[RB_TABLE_LINE]);
void rb_host_table_row(const struct rb_view_cell *host, unsigned width, char out[RB_TABLE_LINE]);

// The width for a table: COLUMNS if it is set, else the width of the terminal, else RB_TABLE_NARROW.
unsigned rb_host_table_width(void);

// Formats a duration in a suitable unit: "0s", "12s", "4m", "3h", "2d".
const char *rb_host_table_span(uint64_t ms, char out[24]);

#endif
