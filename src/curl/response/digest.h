// SPDX-License-Identifier: MIT
// A running sum over a body: tells whether bytes read again are those that were delivered.
//
// Two 64-bit sums in each of eight lanes (Fletcher's scheme, RFC 1146, with wider words): it sees every single changed
// byte and every exchange, costs a fraction of a cycle for a byte, and is not meant against an adversary. Where a
// server promises byte ranges, reading again is the unlikely way: then only a part of each block is summed.
#ifndef RB_HTTP_DIGEST_H
#define RB_HTTP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RB_DIGEST_BLOCK = 4096,
    RB_DIGEST_SAMPLE = 256, // bytes of each block that are summed when sampling
    RB_DIGEST_STRIPE = 64   // bytes summed at a time
};

// Zero-initialised: no byte yet. By value: a copy is a mark to go back to.
struct rb_digest {
    uint64_t sum[8], sums[8];
    uint64_t offset;                      // bytes passed
    bool sampled;                         // sum only the first RB_DIGEST_SAMPLE bytes of each RB_DIGEST_BLOCK
    unsigned char tail[RB_DIGEST_STRIPE]; // of an unfinished stripe
};

// Adds the next bytes of the body.
void rb_digest_add(struct rb_digest *digest, const void *bytes, size_t length);

// True when both have seen the same bytes, as far as they were summed.
bool rb_digest_equal(const struct rb_digest *a, const struct rb_digest *b);

#endif
