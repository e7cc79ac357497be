// SPDX-License-Identifier: MIT
// The Retry-After header field, parsed strictly (RFC 9110, section 10.2.3).
#ifndef RB_ENGINE_RETRY_AFTER_H
#define RB_ENGINE_RETRY_AFTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What all Retry-After fields of one response said. Zero-initialised: absent.
struct rb_retry_after {
    bool present; // at least one valid value was seen
    uint64_t ms;  // the largest of them, saturating; 0 for "now" and for dates in the past
};

// Adds one field value to `after`; an invalid value changes nothing, of several valid ones the largest counts.
//   value, length: the text after the colon, not terminated; surrounding blanks are skipped
//   now_unix_s: the current time in seconds since 1970, for dates
// Accepts delay-seconds (digits only) and HTTP-date in its three forms (RFC 9110, section 5.6.7), and leniently "UTC"
// or a numeric zone in place of GMT and a one-digit day. Returns 0, or -EINVAL when the value is none of these.
int rb_retry_after_add(struct rb_retry_after *after, const char *value, size_t length, int64_t now_unix_s);

#endif
