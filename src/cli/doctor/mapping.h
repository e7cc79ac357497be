// SPDX-License-Identifier: MIT
// A regular file in memory, to be read.
#ifndef RB_CLI_MAPPING_H
#define RB_CLI_MAPPING_H

#include <stddef.h>

struct rb_mapping {
    const void *data; // NULL: none
    size_t size;
};

// Maps a file; an empty one is size 0 without data. Returns 0, -EISDIR, -EINVAL for what else is no regular file (a
// FIFO is not waited for), or the error of open, fstat or mmap.
int rb_mapping_open(const char *path, struct rb_mapping *mapping);

// Does nothing when there is none.
void rb_mapping_close(struct rb_mapping *mapping);

#endif
