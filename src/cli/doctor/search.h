// SPDX-License-Identifier: MIT
// Searches the directories for one library in the dynamic linker's order.
#ifndef RB_CLI_DOCTOR_SEARCH_H
#define RB_CLI_DOCTOR_SEARCH_H

#include "cli/doctor/needed_list.h"

// Finds the library `name` and opens it in *file. Like the linker, skips files whose ELF class, byte order or machine
// differs from the program's. A name with a slash is a path, which is not searched for. Returns the path, which the
// caller frees. Returns NULL if no such file is found.
//   by: index in the list of the file whose DT_NEEDED names the library; its RPATH and RUNPATH are searched too
char *rb_search_library(const struct rb_needed_list *list, unsigned by, const char *name, struct rb_elf_file *file);

#endif
