// SPDX-License-Identifier: MIT
// Memory that grows by mmap and goes as a whole.
#include "policy/arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

// Bytes of the smallest and the largest ordinary chunk: small policies stay small, large ones need few system calls.
enum { ARENA_CHUNK_MIN = 16 * 1024, ARENA_CHUNK_MAX = 1024 * 1024, ARENA_ALIGNMENT = 16 };

struct rb_arena_chunk {
    struct rb_arena_chunk *next;
    size_t size; // mapped bytes, this header included
    size_t low;  // first free byte: objects grow upward
    size_t high; // end of the free bytes: text grows downward, so that it costs no alignment
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
    struct rb_arena_chunk *chunk = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED) {
        arena->failed = true;
        return NULL;
    }
    chunk->next = arena->chunks;
    chunk->size = size;
    chunk->low = round_up(sizeof(*chunk), ARENA_ALIGNMENT);
    chunk->high = size;
    arena->chunks = chunk;
    return chunk;
}

// The newest chunk with room for `size` bytes, or NULL. What is left in the older ones is given up.
static struct rb_arena_chunk *chunk_for(struct rb_arena *arena, size_t size)
{
    struct rb_arena_chunk *chunk = arena->chunks;
    return chunk && chunk->high - chunk->low >= size ? chunk : add_chunk(arena, size);
}

void *rb_arena_take(struct rb_arena *arena, size_t size)
{
    size_t padded = size <= SIZE_MAX / 2 ? round_up(size, ARENA_ALIGNMENT) : size;
    struct rb_arena_chunk *chunk = chunk_for(arena, padded);
    if (!chunk) {
        return NULL;
    }
    void *taken = (char *) chunk + chunk->low;
    chunk->low += padded;
    return taken;
}

char *rb_arena_copy(struct rb_arena *arena, const char *at, size_t length)
{
    // The lower end must stay aligned, so at least one unit is kept free below the text.
    struct rb_arena_chunk *chunk = chunk_for(arena, length + 1 + ARENA_ALIGNMENT);
    if (!chunk) {
        return NULL;
    }
    chunk->high -= length + 1;
    char *copy = (char *) chunk + chunk->high;
    memcpy(copy, at, length);
    copy[length] = '\0';
    return copy;
}

void rb_arena_release(struct rb_arena *arena)
{
    struct rb_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct rb_arena_chunk *next = chunk->next;
        munmap(chunk, chunk->size);
        chunk = next;
    }
}
