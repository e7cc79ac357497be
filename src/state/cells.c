// SPDX-License-Identifier: MIT
// The table of cells: open addressing over a short neighbourhood.
#include <string.h>

#include "state/cells.h"

enum { NEIGHBOURS = 8 };

static struct rb_cell cells[RB_CELL_COUNT];

// FNV-1a, 64 bit (Fowler, Noll, Vo; parameters as in RFC 9923).
static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t mix_name(uint64_t hash, const char *name, size_t length)
{
    if (length > 0 && name[length - 1] == '.')
        length--;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char) name[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char) (c + ('a' - 'A'));
        hash = mix(hash, &c, 1);
    }
    return hash;
}

static uint64_t mix_target(uint64_t hash, const struct rb_target *target)
{
    if (target->family == AF_UNIX)
        return mix(hash, target->name, target->name_length); // a path: case matters
    if (target->name)
        hash = mix_name(hash, target->name, target->name_length);
    else
        hash = mix(hash, target->address, target->family == AF_INET ? 4 : 16);
    return mix(hash, &target->port, sizeof target->port);
}

uint64_t rb_cell_key(const struct rb_section *section, const struct rb_target *target)
{
    uint64_t hash = mix(0xcbf29ce484222325u, section->name, strlen(section->name) + 1);
    if (section->rules.breaker_scope == RB_SCOPE_HOST)
        hash = mix_target(hash, target);
    return hash ? hash : 1;
}

static struct rb_cell *neighbour(uint64_t key, unsigned i)
{
    return &cells[((key >> 32 ^ key) + i) % RB_CELL_COUNT];
}

static struct rb_cell *claim(struct rb_cell *cell, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(&cell->key, &from, to) || from == to ? cell : NULL;
}

static void forget(struct rb_cell *cell)
{
    _Atomic uint64_t *words = (_Atomic uint64_t *) &cell->breaker;
    size_t count = (sizeof cell->breaker + sizeof cell->budget) / sizeof *words;
    for (size_t i = 0; i < count; i++)
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

// A user of the old cell may still write into it: that costs the new host a wrong figure in its window, no more.
static struct rb_cell *evict(uint64_t key)
{
    struct rb_cell *oldest = NULL;
    uint64_t oldest_ms = UINT64_MAX;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct rb_cell *cell = neighbour(key, i);
        uint64_t used = atomic_load_explicit(&cell->used_ms, memory_order_relaxed);
        if (used >= oldest_ms || rb_breaker_peek(&cell->breaker, NULL) != RB_BREAKER_CLOSED)
            continue;
        oldest = cell;
        oldest_ms = used;
    }
    if (!oldest)
        return NULL;
    uint64_t old_key = atomic_load_explicit(&oldest->key, memory_order_relaxed);
    if (!claim(oldest, old_key, key))
        return NULL;
    forget(oldest);
    return oldest;
}

static struct rb_cell *find(uint64_t key)
{
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct rb_cell *cell = neighbour(key, i);
        uint64_t there = atomic_load_explicit(&cell->key, memory_order_acquire);
        if (there == key)
            return cell;
        if (there == 0 && claim(cell, 0, key))
            return cell;
    }
    return evict(key);
}

struct rb_cell *rb_cell_get(uint64_t key, uint64_t now_ms)
{
    struct rb_cell *cell = find(key);
    if (cell)
        atomic_store_explicit(&cell->used_ms, now_ms, memory_order_relaxed);
    return cell;
}
