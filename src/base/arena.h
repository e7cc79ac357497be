// SPDX-License-Identifier: MIT
// Memory that grows by mmap and goes as a whole; malloc is out of bounds inside other programs' processes.
#ifndef RB_POLICY_ARENA_H
#define RB_POLICY_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct rb_arena_chunk;

// Zero-initialised: empty. `failed` stays set once the kernel has refused memory.
struct rb_arena {
    struct rb_arena_chunk *chunks;
    size_t next_size; // bytes of the next chunk to map; 0 stands for the smallest
    bool failed;
};

// `size` zeroed bytes, aligned for any type, or NULL.
void *rb_arena_take(struct rb_arena *arena, size_t size);

// A NUL-terminated copy of `length` bytes, or NULL. The copy is not aligned.
char *rb_arena_copy(struct rb_arena *arena, const char *at, size_t length);

// Gives everything back. The arena itself may live in its own memory: nothing touches it afterwards.
void rb_arena_release(struct rb_arena *arena);

#endif
