// SPDX-License-Identifier: MIT
// Formats the summary from the page in which the processes count.
#ifndef RB_CLI_RUN_PAGE_H
#define RB_CLI_RUN_PAGE_H

#include <stddef.h>

#include "process/summary.h"

// Enough for all lines of a full page, of which each name is in the form RB_ESCAPE_TEXT (base/escape.h).
enum { RB_PAGE_TEXT_SIZE = (RB_SUMMARY_POLICIES + RB_SUMMARY_WAITS + 2) * 1024 };

// Writes the lines that `rebound run --summary` prints: one for each policy with a counter above 0 and one for
// each host that the program has waited for, or that no calls were seen. Pure; processes may change the page meanwhile.
// Returns the length, which is less than `size`; the text ends with NUL.
size_t rb_page_format(const struct rb_summary_page *page, char *out, size_t size);

#endif
