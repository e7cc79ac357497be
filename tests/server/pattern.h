// SPDX-License-Identifier: MIT
// Deterministic bodies of any size: a stretch from the middle can be had without what stands before it.
#ifndef RB_SERVER_PATTERN_H
#define RB_SERVER_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

// text: letters in lines of 64; binary: all 256 values. Their periods are 1664 and 65536 bytes. Another seed gives
// other bytes in every place (in text all but the line ends).
struct rb_pattern {
    bool binary;
    unsigned seed;
};

// The bytes from `offset` on; *size (at least 1) is how many of them stand there. They are never freed.
const unsigned char *rb_pattern_at(const struct rb_pattern *pattern, size_t offset, size_t *size);

#endif
