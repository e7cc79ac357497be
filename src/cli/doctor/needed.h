// SPDX-License-Identifier: MIT
// Finds a program's libraries as the dynamic linker would (ld.so(8), or musl's rules).
#ifndef RB_CLI_DOCTOR_NEEDED_H
#define RB_CLI_DOCTOR_NEEDED_H

#include "cli/doctor/needed_list.h"

// Fills the list with the program and all libraries that it needs, directly or through other libraries. Libraries that
// are not found are in the list too. At most RB_NEEDED_MAX items are kept. Returns 0 or -ENOMEM. In both cases the list
// owns `file` afterwards, or has closed it, and the caller must call rb_needed_free.
//   file: the opened program
int rb_needed_walk(const char *path, struct rb_elf_file *file, struct rb_needed_list *list);

// Adds a file that the program loads or starts by itself, and the libraries that the file needs. Does nothing if the
// file cannot be opened. Returns 0 or -ENOMEM.
int rb_needed_add(struct rb_needed_list *list, const char *path);
void rb_needed_free(struct rb_needed_list *list);

// Returns the index of the item that was requested by this name, or whose DT_SONAME is this name. Returns -1 if there
// is none.
int rb_needed_index(const struct rb_needed_list *list, const char *name);

#endif
