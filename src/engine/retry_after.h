// SPDX-License-Identifier: MIT
// The Retry-After header field, parsed strictly (RFC 9110, section 10.2.3).
#ifndef RB_ENGINE_RETRY_AFTER_H
#define RB_ENGINE_RETRY_AFTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The value of all Retry-After fields of one response. All zero: absent.
struct rb_retry_after {
    bool present; // at least one value was valid
    uint64_t ms;  // the largest of them, saturating; 0 for "now" and for dates in the past
};

// Adds one field value to `after`. An invalid value changes nothing; of several valid ones the largest counts.
//   value, length: the text after the colon, not terminated; surrounding blanks are skipped
//   now_unix_s: the current time in seconds since 1970, for dates
// Accepts delay-seconds (digits only) and HTTP-date in its three forms (RFC 9110, section 5.6.7). Also accepts "UTC" or
// a numeric zone instead of GMT, and a one-digit day. Returns 0, or -EINVAL for any other value.
int rb_retry_after_add(struct rb_retry_after *after, const char *value, size_t length, int64_t now_unix_s);

#endif
