// SPDX-License-Identifier: MIT
// Searches one library as the dynamic linker does.
#ifndef RB_CLI_DOCTOR_SEARCH_H
#define RB_CLI_DOCTOR_SEARCH_H

#include "cli/doctor/needed_list.h"

// Finds and opens the library `name` that item `by` of the list needs. Skips files for another class or machine, as the
// linker does. Returns the path, which the caller frees, or NULL.
char *rb_search_library(const struct rb_needed_list *list, unsigned by, const char *name, struct rb_elf_file *file);

#endif
