// SPDX-License-Identifier: MIT
// A list of a program and the libraries that the dynamic linker would load with it.
#ifndef RB_CLI_NEEDED_LIST_H
#define RB_CLI_NEEDED_LIST_H

#include "cli/doctor/elf_file.h"

enum { RB_NEEDED_MAX = 1024 };

struct rb_needed {
    char *name;              // as it is asked for; the program's path for the first
    char *path;              // NULL: not found
    struct rb_elf_file file; // zeroes: not found
    unsigned by;             // index of the first that asks for it
};

struct rb_needed_list {
    struct rb_needed *items; // the program first, then in the order of loading
    unsigned count;
    bool musl; // the program names musl's dynamic linker
};

#endif
