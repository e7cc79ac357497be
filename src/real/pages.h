// SPDX-License-Identifier: MIT
// The memory that the library maps, and the program's locks of memory (mlockall(2)).
//
// Locked memory counts against RLIMIT_MEMLOCK. The library's memory must not use up the program's limit. So if there is
// a limit, the library's memory is unlocked after mlockall, and later mappings are made so that the kernel does not
// lock them. Without a limit, the library's memory is locked like the program's.
#ifndef RB_REAL_PAGES_H
#define RB_REAL_PAGES_H

#include <stdbool.h>
#include <stddef.h>

// Maps memory, as rb_kernel_map does. Returns NULL on failure, or if the mapping would take a large part of what
// RLIMIT_AS or RLIMIT_DATA leaves to the program. Async-signal-safe. Keeps errno.
//   place: NULL, or an earlier mapping of the same size, which is replaced; then flags contains MAP_FIXED
void *rb_pages_make(void *place, size_t size, int protection, int flags, int fd);
void rb_pages_drop(void *memory, size_t size);

// Maps zeroed memory; NULL on failure. Async-signal-safe. Keeps errno.
void *rb_pages_memory(size_t size);
// As rb_pages_memory, but shared with children made by fork.
void *rb_pages_memory_shared(size_t size);
// Maps zeroed private memory over an existing mapping. Returns false on failure; then nothing has changed.
bool rb_pages_memory_over(void *mapping, size_t size);
void rb_pages_memory_free(void *memory, size_t size);

// mlockall(2) and munlockall(2) for the program. MCL_CURRENT succeeds if the program's own memory fits into the limit.
int rb_pages_lock_all(int flags);
int rb_pages_unlock_all(void);

#endif
