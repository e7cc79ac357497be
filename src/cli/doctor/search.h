// SPDX-License-Identifier: MIT
// The dynamic linker's search for one library.
#ifndef RB_CLI_SEARCH_H
#define RB_CLI_SEARCH_H

#include "cli/doctor/needed_list.h"

// Finds what object `by` of the list means by `name` and opens it; files of another kind than the program are passed
// over, as the linker does. Returns the path, which the caller frees, or NULL.
char *rb_search_library(const struct rb_needed_list *list, unsigned by, const char *name, struct rb_elf_file *file);

#endif
