// SPDX-License-Identifier: MIT
// Bodies in gzip's format, for clients that decode them.
#ifndef RB_SERVER_GZIP_H
#define RB_SERVER_GZIP_H

#include <stddef.h>

#include "pattern.h"

// The first `size` bytes of a pattern as a gzip file; *encoded is its length. The caller frees it; NULL without memory.
char *rb_gzip(const struct rb_pattern *pattern, size_t size, size_t *encoded);

#endif
