// SPDX-License-Identifier: MIT
// SipHash-2-4 with 64 bits of output: a hash that tells nothing of its input to who does not know the key.
// After J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF" (2012).
#ifndef RB_ENGINE_SIPHASH_H
#define RB_ENGINE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

// A hash under way, by value.
struct rb_siphash {
    uint64_t v[4];
    uint64_t word;   // bytes that do not fill a word yet, little endian
    uint64_t length; // of the input so far
};

// Begins a hash. key: 128 bits
void rb_siphash_begin(struct rb_siphash *hash, const uint64_t key[2]);

// Adds bytes. Where the input is cut into pieces does not matter.
void rb_siphash_add(struct rb_siphash *hash, const void *bytes, size_t length);

// Ends the hash and returns it.
uint64_t rb_siphash_end(struct rb_siphash *hash);

#endif
