// SPDX-License-Identifier: MIT
// Formats the summary from the page in which the processes count.
#ifndef RB_CLI_RUN_PAGE_H
#define RB_CLI_RUN_PAGE_H

#include <stddef.h>

#include "process/summary.h"

// Enough for all lines of a full page, of which each name is in the form RB_ESCAPE_TEXT (base/escape.h).
enum { RB_PAGE_TEXT_SIZE = (RB_SUMMARY_POLICIES + 4 * RB_SUMMARY_HOSTS + 2) * 1024 };

// Writes the lines that `rebound run --summary` prints: one for each policy with a counter above 0, one
// for each host with HTTP requests, with the reasons why responses were not repeated, and one for each host that the
// program has waited for; or that no calls were seen. Pure; processes may change the page meanwhile.
// Returns the length, which is less than `size`; the text ends with NUL.
//   now_ms: rb_system_now_ms()
size_t rb_page_format(const struct rb_summary_page *page, uint64_t now_ms, char *out, size_t size);

#endif
