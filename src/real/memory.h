// SPDX-License-Identifier: MIT
// Whether memory of the program can be read.
#ifndef RB_REAL_MEMORY_H
#define RB_REAL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Returns true for addresses in the first or last page, including NULL, which no program maps: the kernel returns
// EFAULT for them, but reading them here would crash. Other invalid pointers are not detected. For pointers that are
// read on almost every call of the program.
static inline bool rb_memory_is_wild(const void *memory)
{
    enum { PAGE = 4096 };
    return (uintptr_t) memory < PAGE || (uintptr_t) memory > UINTPTR_MAX - PAGE;
}

// Returns true if all of this memory can be read, so that copying it does not crash. The kernel is asked about a page
// by a system call. Pages of the thread's stack and of the heap below the program break are remembered, because they
// stay where they are while they are in use. Under valgrind's memcheck, returns false for memory that the program has
// not allocated. Async-signal-safe. Keeps errno.
bool rb_memory_is_readable(const void *memory, size_t size);

// The same, without a call for memory in the page of the caller's frame.
static inline bool rb_memory_is_readable_fast(const void *memory, size_t size)
{
    enum { PAGE = 4096 };
    uintptr_t frame = (uintptr_t) __builtin_frame_address(0), first = (uintptr_t) memory;
    bool here = first / PAGE == frame / PAGE && (first + size - 1) / PAGE == frame / PAGE;
    return here || rb_memory_is_readable(memory, size);
}

// Returns false if valgrind's memcheck knows that a bit of this memory was never written, or is not allocated. True
// without memcheck.
//   memory: readable
bool rb_memory_is_initialised(const void *memory, size_t size);

#endif
