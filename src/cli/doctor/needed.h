// SPDX-License-Identifier: MIT
// A program with all libraries that the dynamic linker would load with it, found as it would find them (ld.so(8), and
// musl's own ways).
#ifndef RB_CLI_NEEDED_H
#define RB_CLI_NEEDED_H

#include "cli/doctor/needed_list.h"

// Makes the list of a program. `file` is taken over. Returns 0 or -ENOMEM; rb_needed_free frees the list in any case.
int rb_needed_walk(const char *path, struct rb_elf_file *file, struct rb_needed_list *list);
void rb_needed_free(struct rb_needed_list *list);

// The index of what loading `name` gives, or -1.
int rb_needed_index(const struct rb_needed_list *list, const char *name);

#endif
