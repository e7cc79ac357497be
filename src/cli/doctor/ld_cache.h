// SPDX-License-Identifier: MIT
// Reads /etc/ld.so.cache, glibc's list of libraries. Nothing in it is believed.
#ifndef RB_CLI_LD_CACHE_H
#define RB_CLI_LD_CACHE_H

#include <stddef.h>
#include <stdint.h>

// The path of the next library called `name`, from entry *at on (0 at first), or NULL. Libraries of several kinds of
// machine may have the same name. The path lies in the cache.
const char *rb_ld_cache_next(const void *cache, size_t size, const char *name, uint32_t *at);

#endif
