// SPDX-License-Identifier: MIT
// An arena: memory from mmap that is allocated piece by piece and released as a whole. malloc is not used because the
// code runs inside other programs, where malloc may be interposed or its lock may be held.
#ifndef RB_BASE_ARENA_H
#define RB_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct rb_arena_chunk;

// An arena; all zero means empty. `failed` is set when a mapping fails, and stays set.
struct rb_arena {
    struct rb_arena_chunk *chunks;
    size_t next_size; // bytes of the next chunk to map; 0: the smallest
    bool failed;
};

// Returns `size` zeroed bytes, aligned for any type, or NULL without memory. The arena owns them.
void *rb_arena_take(struct rb_arena *arena, size_t size);

// Returns a NUL-terminated copy of `length` bytes, or NULL without memory. The copy is not aligned. The arena owns it.
char *rb_arena_copy(struct rb_arena *arena, const char *at, size_t length);

// Unmaps all chunks. The struct rb_arena itself may lie in one of them: it is not accessed after the first unmapping.
void rb_arena_release(struct rb_arena *arena);

#endif
