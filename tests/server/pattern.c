// SPDX-License-Identifier: MIT
// Deterministic bodies of any size: a stretch from the middle can be had without what stands before it.
//
// A block of many periods is made once for each pattern and then sent again and again, so that a gigabyte costs what
// its transport costs.
#include "pattern.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { LETTERS = 26, LINE = 64, TEXT_PERIOD = LETTERS * LINE, BINARY_PERIOD = 65536, BLOCK = 256 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char *blocks[2][256]; // [binary][seed]

static unsigned char byte_at(bool binary, unsigned seed, size_t offset)
{
    if (binary)
        return (unsigned char) (offset * 31 + offset / 256 + seed);
    return offset % LINE == LINE - 1 ? '\n' : (unsigned char) ('A' + (offset * 7 + offset / LINE + seed) % LETTERS);
}

// A whole number of periods.
static size_t block_size(bool binary)
{
    size_t period = binary ? BINARY_PERIOD : TEXT_PERIOD;
    return BLOCK / period * period;
}

static unsigned char *make(bool binary, unsigned seed)
{
    size_t size = block_size(binary);
    unsigned char *block = malloc(size);
    if (!block) {
        fputs("faultd: out of memory\n", stderr);
        abort();
    }
    for (size_t i = 0; i < size; i++)
        block[i] = byte_at(binary, seed, i);
    return block;
}

const unsigned char *rb_pattern_at(const struct rb_pattern *pattern, size_t offset, size_t *size)
{
    unsigned seed = pattern->seed % (pattern->binary ? 256 : LETTERS);
    pthread_mutex_lock(&lock);
    unsigned char **block = &blocks[pattern->binary][seed];
    if (!*block)
        *block = make(pattern->binary, seed);
    const unsigned char *start = *block;
    pthread_mutex_unlock(&lock);
    size_t in_block = offset % block_size(pattern->binary);
    *size = block_size(pattern->binary) - in_block;
    return start + in_block;
}
