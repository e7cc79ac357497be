// SPDX-License-Identifier: MIT
// A regular file mapped for reading.
#ifndef RB_CLI_DOCTOR_MAPPING_H
#define RB_CLI_DOCTOR_MAPPING_H

#include <stddef.h>

struct rb_mapping {
    const void *data; // NULL if empty
    size_t size;
};

// Maps a file. An empty file has size 0 and no data. Returns 0, -EISDIR, -EINVAL for other files that are not regular
// (a FIFO does not block), or the error of open, fstat or mmap.
int rb_mapping_open(const char *path, struct rb_mapping *mapping);

// Does nothing for an empty mapping.
void rb_mapping_close(struct rb_mapping *mapping);

#endif
