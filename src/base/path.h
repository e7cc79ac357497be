// SPDX-License-Identifier: MIT
// The path of a request, for logs.
#ifndef RB_BASE_PATH_H
#define RB_BASE_PATH_H

#include "base/slice.h"

enum { RB_PATH_MAX = 127 }; // bytes of a path in a log; the rest is cut

// Returns the path of a request target or of a URL as it may be logged: without scheme, user, password, host, query,
// fragment and path parameters (";jsessionid=..."), because these can hold credentials. At most RB_PATH_MAX bytes, cut
// between characters. Empty if there is no path ("*", the "host:port" of CONNECT). The slice points into `target`.
// Async-signal-safe.
struct rb_slice rb_path_of(struct rb_slice target);

#endif
