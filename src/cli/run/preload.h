// SPDX-License-Identifier: MIT
// Finds librebound.so and adds it to LD_PRELOAD.
#ifndef RB_CLI_RUN_PRELOAD_H
#define RB_CLI_RUN_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

// Finds the library: next to the executable (in a build tree), else in ../lib/rebound, else in the directory configured
// at build time. Returns 0, -ENOENT or -ENAMETOOLONG.
int rb_preload_find(char *out, size_t size);

// Writes the name of the library for LD_PRELOAD: if there is a directory that scripts/classes has made beside the
// library, a name in it with $LIB, by which 32-bit programs get another library. Otherwise it is `library`. Returns 0
// or -ENAMETOOLONG.
int rb_preload_name(const char *library, char *out, size_t size);

// Adds `library` to the list `before` (LD_PRELOAD; may be NULL or empty), whose items are separated by spaces or
// colons. Adds it at the end, because libraries such as sanitizers must be first. If the list contains a librebound.so,
// replaces the first one and removes the others. Pure; the caller frees the result. NULL without memory.
char *rb_preload_join(const char *before, const char *library);

// Adds verify_asan_link_order=0 to the options `before` (ASAN_OPTIONS; may be NULL or empty), unless they mention this
// flag. Without the flag, a program built with gcc's AddressSanitizer refuses to start if a library is preloaded before
// the sanitizer's runtime. The runtime works in the second place too, because the library calls the next definition of
// every function that it intercepts. Pure; the caller frees the result. NULL without memory.
char *rb_preload_asan_options(const char *before);

// True if the list contains a librebound.so.
bool rb_preload_names_us(const char *list);

// True if a librebound.so is loaded into this process.
bool rb_preload_is_loaded(void);

// True if REBOUND_DISABLE makes the library inactive: it is set, not empty and not "0".
bool rb_preload_disabled(void);

// False if the path contains a space or a colon, which LD_PRELOAD cannot quote.
bool rb_preload_can_hold(const char *library);

#endif
