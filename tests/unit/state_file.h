// SPDX-License-Identifier: MIT
// A directory for one test, and the path of a state file in it.
#ifndef RB_TESTS_STATE_FILE_H
#define RB_TESTS_STATE_FILE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char directory[64], path[128];

// Makes the directory, without the file. Returns whether the directory exists.
static inline bool make_directory(void)
{
    snprintf(directory, sizeof(directory), "/tmp/rebound-state-XXXXXX");
    if (!mkdtemp(directory))
        return false;
    snprintf(path, sizeof(path), "%s/state", directory);
    return true;
}

// Removes the file and the directory. Returns 0, or -1 if another file is left in the directory.
static inline int remove_directory(void)
{
    unlink(path);
    return rmdir(directory);
}

#endif
