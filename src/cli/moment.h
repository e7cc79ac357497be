// SPDX-License-Identifier: MIT
// Points in time as the log writes them.
#ifndef RB_CLI_MOMENT_H
#define RB_CLI_MOMENT_H

#include <stdint.h>

enum { RB_MOMENT_SIZE = 32 };

// The nearest time that has a year of four digits.
uint64_t rb_moment_clamp(uint64_t unix_ms);

// Milliseconds since 1970 as RFC 3339 in UTC, "2026-01-31T12:00:00.000Z". Returns `out`.
const char *rb_moment_format(uint64_t unix_ms, char out[RB_MOMENT_SIZE]);

#endif
