// SPDX-License-Identifier: MIT
// Times in the format of the log.
#ifndef RB_CLI_MOMENT_H
#define RB_CLI_MOMENT_H

#include <stddef.h>
#include <stdint.h>

enum { RB_MOMENT_SIZE = 32 };

// Writes how long something took: "12 s", rounded to seconds, or "250 ms" below one second. The output is cut to size -
// 1 bytes and NUL-terminated.
void rb_moment_waited(uint64_t ms, char *out, size_t size);

// Limits a time to the last one whose year has four digits.
uint64_t rb_moment_clamp(uint64_t unix_ms);

// Formats milliseconds since 1970 as RFC 3339 in UTC, "2026-01-31T12:00:00.000Z". Returns `out`.
const char *rb_moment_format(uint64_t unix_ms, char out[RB_MOMENT_SIZE]);

#endif
