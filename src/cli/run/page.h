// SPDX-License-Identifier: MIT
// The summary's text, from the page on which the processes counted.
#ifndef RB_CLI_PAGE_H
#define RB_CLI_PAGE_H

#include <stddef.h>

#include "process/summary.h"

// Room for all lines of a full page.
enum { RB_PAGE_TEXT_SIZE = (RB_SUMMARY_POLICIES + 2) * 256 };

// Writes the lines that `run --summary` prints: one for each policy with a count, or that no call matched. Pure; the
// page may be written to meanwhile. Returns the length, less than `size`, NUL-terminated.
size_t rb_page_format(const struct rb_summary_page *page, char *out, size_t size);

#endif
