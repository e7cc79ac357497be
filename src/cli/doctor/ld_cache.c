// SPDX-License-Identifier: MIT
// The format of glibc 2.2 and later, alone or after a cache in the old format. Numbers have the machine's byte order.
#include "cli/doctor/ld_cache.h"

#include <string.h>

static const char old_magic[] = "ld.so-1.7.0", new_magic[] = "glibc-ld.so.cache1.1";

enum {
    OLD_HEADER = 16,
    OLD_ENTRY = 12,
    NEW_HEADER = 48,
    NEW_ENTRY = 24,
    ALIGNMENT = 8,
    COUNT_AT = 20, // offset in the new header
    KEY_AT = 4,    // offsets in an entry; they refer to the new header
    VALUE_AT = 8,
};

static uint32_t ld_cache_number(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static const char *ld_cache_text(const char *cache, size_t size, uint32_t offset)
{
    return offset < size && memchr(cache + offset, '\0', size - offset) ? cache + offset : NULL;
}

const char *rb_ld_cache_next(const void *bytes, size_t size, const char *name, uint32_t *at)
{
    const char *cache = bytes;
    size_t from = 0; // offset of the new header
    if (size >= OLD_HEADER && memcmp(cache, old_magic, sizeof(old_magic) - 1) == 0) {
        size_t end = OLD_HEADER + (size_t) ld_cache_number(cache + OLD_HEADER - 4) * OLD_ENTRY;
        from = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    if (from > size || size - from < NEW_HEADER || memcmp(cache + from, new_magic, sizeof(new_magic) - 1) != 0)
        return NULL;
    cache += from;
    size -= from;
    uint32_t count = ld_cache_number(cache + COUNT_AT);
    while (*at < count && NEW_HEADER + ((size_t) *at + 1) * NEW_ENTRY <= size) {
        const char *entry = cache + NEW_HEADER + (size_t) (*at)++ * NEW_ENTRY;
        const char *key = ld_cache_text(cache, size, ld_cache_number(entry + KEY_AT));
        if (key && strcmp(key, name) == 0)
            return ld_cache_text(cache, size, ld_cache_number(entry + VALUE_AT));
    }
    return NULL;
}
