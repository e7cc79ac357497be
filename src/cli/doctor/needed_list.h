// SPDX-License-Identifier: MIT
// A program and the libraries that the dynamic linker would load with it.
#ifndef RB_CLI_DOCTOR_NEEDED_LIST_H
#define RB_CLI_DOCTOR_NEEDED_LIST_H

#include "cli/doctor/elf_file.h"

enum { RB_NEEDED_MAX = 1024 };

struct rb_needed {
    char *name;              // as requested; the path for the program itself
    char *path;              // NULL if not found
    struct rb_elf_file file; // zeroes if not found
    unsigned by;             // index of the first item that needs it
};

struct rb_needed_list {
    struct rb_needed *items; // the program first, then in loading order
    unsigned count;
    unsigned parts; // items at the end that the program does not need: those of rb_needed_add
    bool musl;      // the program uses musl's dynamic linker
};

#endif
