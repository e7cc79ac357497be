// SPDX-License-Identifier: MIT
// Dates in HTTP header fields (RFC 9110, section 5.6.7).
#ifndef RB_ENGINE_HTTP_DATE_H
#define RB_ENGINE_HTTP_DATE_H

#include "base/slice.h"

// Parses HTTP-date in its three forms. Also accepts "UTC" or a numeric zone instead of GMT, and a one-digit day.
//   value: without blanks around it
//   now_unix_s: the current time in seconds since 1970; it chooses the century of a year of two digits
//   unix_s: receives the seconds since 1970
// Returns 0, or -EINVAL for any other value. Pure.
int rb_http_date_parse(struct rb_slice value, int64_t now_unix_s, int64_t *unix_s);

#endif
