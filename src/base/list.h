// SPDX-License-Identifier: MIT
// Lists of names in one string, separated by one space.
#ifndef RB_BASE_LIST_H
#define RB_BASE_LIST_H

#include <stdbool.h>

// Returns true if `list` (names separated by one space, or "*" for all) contains the `length` bytes at `name`.
//   fold: compare without case (header names), else exactly (methods)
bool rb_list_holds(const char *list, const char *name, unsigned long length, bool fold);

#endif
