// SPDX-License-Identifier: MIT
// Reads /etc/ld.so.cache, glibc's list of libraries. The file is not trusted.
#ifndef RB_CLI_DOCTOR_LD_CACHE_H
#define RB_CLI_DOCTOR_LD_CACHE_H

#include <stddef.h>
#include <stdint.h>

// Returns the path of the next library called `name`, starting at entry *at (first 0), or NULL. Libraries for different
// machines may have the same name. The path points into the cache.
const char *rb_ld_cache_next(const void *cache, size_t size, const char *name, uint32_t *at);

#endif
