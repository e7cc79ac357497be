// SPDX-License-Identifier: MIT
// An arena of mmapped chunks that are released together.
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "real/pages.h"

// Chunk sizes in bytes. Each new chunk is twice as large as the last one, up to the maximum: small policies use little
// memory, and large ones need few system calls.
enum { ARENA_CHUNK_MIN = 16 * 1024, ARENA_CHUNK_MAX = 1024 * 1024, ARENA_ALIGNMENT = 16 };

struct rb_arena_chunk {
    struct rb_arena_chunk *next;
    size_t size; // bytes mapped, including this header
    size_t used; // bytes from the start, including this header; later pages were never touched
};

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static struct rb_arena_chunk *add_chunk(struct rb_arena *arena, size_t need)
{
    size_t size = arena->next_size ? arena->next_size : ARENA_CHUNK_MIN;
    if (need > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    need = round_up(need + sizeof(struct rb_arena_chunk) + ARENA_ALIGNMENT, ARENA_CHUNK_MIN);
    arena->next_size = size < ARENA_CHUNK_MAX ? 2 * size : size;
    size = need > size ? need : size;
    struct rb_arena_chunk *chunk = rb_pages_memory(size);
    if (!chunk) {
        arena->failed = true;
        return NULL;
    }
    chunk->next = arena->chunks;
    chunk->size = size;
    chunk->used = sizeof(*chunk);
    arena->chunks = chunk;
    return chunk;
}

// Takes `size` bytes aligned to `alignment` from the newest chunk. Unused bytes at the end of older chunks stay unused.
static char *arena_take(struct rb_arena *arena, size_t size, size_t alignment)
{
    struct rb_arena_chunk *chunk = arena->chunks;
    size_t start = chunk ? round_up(chunk->used, alignment) : 0;
    if (!chunk || start > chunk->size || chunk->size - start < size) {
        chunk = add_chunk(arena, size);
        start = chunk ? round_up(chunk->used, alignment) : 0;
    }
    if (!chunk)
        return NULL;
    chunk->used = start + size;
    return (char *) chunk + start;
}

void *rb_arena_take(struct rb_arena *arena, size_t size)
{
    return arena_take(arena, size, ARENA_ALIGNMENT);
}

char *rb_arena_copy(struct rb_arena *arena, const char *at, size_t length)
{
    char *copy = arena_take(arena, length + 1, 1);
    if (copy) {
        memcpy(copy, at, length);
        copy[length] = '\0';
    }
    return copy;
}

void rb_arena_release(struct rb_arena *arena)
{
    struct rb_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct rb_arena_chunk *next = chunk->next;
        rb_pages_memory_free(chunk, chunk->size);
        chunk = next;
    }
}
