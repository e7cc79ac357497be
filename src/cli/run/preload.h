// SPDX-License-Identifier: MIT
// Where librebound.so is, and how it gets into LD_PRELOAD.
#ifndef RB_CLI_PRELOAD_H
#define RB_CLI_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

// Finds the library: beside the executable (a build tree), else ../lib/rebound from there, else where it was built to
// be installed. Returns 0, or -ENOENT, -ENAMETOOLONG.
int rb_preload_find(char *out, size_t size);

// Puts `library` into the list `before` (an LD_PRELOAD, NULL or empty when not set), whose items are separated by
// spaces or colons. It goes to the end: a library in front, such as a sanitizer or a proxy's, wants to stay there. An
// item that names a librebound.so is replaced in its place, further ones are left out. Pure; the caller frees the
// result. NULL: out of memory.
char *rb_preload_join(const char *before, const char *library);

// True when the list names a librebound.so.
bool rb_preload_names_us(const char *list);

// LD_PRELOAD has no way to quote its separators. Returns false when it cannot hold this path.
bool rb_preload_can_hold(const char *library);

#endif
