// SPDX-License-Identifier: MIT
// Finds a program's libraries as the dynamic linker would (ld.so(8), or musl's rules).
#ifndef RB_CLI_DOCTOR_NEEDED_H
#define RB_CLI_DOCTOR_NEEDED_H

#include "cli/doctor/needed_list.h"

// Creates the list for a program and takes ownership of `file`. Returns 0 or -ENOMEM. Call rb_needed_free in any case.
int rb_needed_walk(const char *path, struct rb_elf_file *file, struct rb_needed_list *list);
void rb_needed_free(struct rb_needed_list *list);

// Returns the index of the item that `name` refers to, or -1.
int rb_needed_index(const struct rb_needed_list *list, const char *name);

#endif
