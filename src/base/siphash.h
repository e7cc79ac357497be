// SPDX-License-Identifier: MIT
// SipHash-2-4 with 64 bits of output: a keyed hash. Without the key, nobody can learn the input from the output. After
// J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF" (2012).
#ifndef RB_BASE_SIPHASH_H
#define RB_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

// State of an unfinished hash; may be copied.
struct rb_siphash {
    uint64_t v[4];
    uint64_t word;   // the bytes after the last full word, little endian
    uint64_t length; // of the input so far
};

// Begins a hash. key: 128 bits
void rb_siphash_begin(struct rb_siphash *hash, const uint64_t key[2]);

// Adds bytes. The result does not depend on how the input is split into calls.
void rb_siphash_add(struct rb_siphash *hash, const void *bytes, size_t length);

// Ends the hash and returns it.
uint64_t rb_siphash_end(struct rb_siphash *hash);

#endif
