// SPDX-License-Identifier: MIT
// Values of the header fields and body members that give a wait. Private to engine/hints. All functions are pure.
#ifndef RB_ENGINE_HINT_VALUE_H
#define RB_ENGINE_HINT_VALUE_H

#include "base/slice.h"

enum rb_hint_value {
    RB_HINT_VALUE_INVALID,
    RB_HINT_VALUE_DELAY, // a wait in milliseconds
    RB_HINT_VALUE_TIME,  // milliseconds since 1970
};

// Parses digits with an optional fraction, such as "12" and "0.65". A sign, an exponent, a missing digit before or
// after the point, and blanks are invalid.
//   unit_ms: milliseconds in one unit of the value; 1 or 1000
//   ms: receives the value in milliseconds, rounded up, saturating
// Returns false for an invalid value.
bool rb_hint_value_decimal(struct rb_slice value, unsigned unit_ms, uint64_t *ms);

// Parses the reset of a limit. A number below 10^9 is a delay in seconds, from 10^12 on a time in milliseconds since
// 1970, between them a time in seconds. Also accepts a duration in Go's notation ("1h2m3.5s", "840ms") and a time as of
// RFC 3339 in UTC ("2026-11-29T12:00:21Z").
enum rb_hint_value rb_hint_value_reset(struct rb_slice value, uint64_t *ms);

// Returns whether the name of an AWS error means throttling. A name space before "#" and a text after ":" are skipped.
// The names are those of the AWS SDKs' retry behaviour ("Throttling errors").
bool rb_hint_value_aws_throttling(struct rb_slice value);

#endif
