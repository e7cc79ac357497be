// SPDX-License-Identifier: MIT
// A checksum of a body: checks whether bytes that are received again equal those already delivered.
//
// A stripe of the body has eight words of 64 bits. Each word belongs to a lane of its own. A lane has two sums, as in
// Fletcher's checksum (RFC 1146). The sums detect every single changed byte and every swap, and cost a fraction of a
// cycle per byte. They do not resist an attacker. If the server supports byte ranges, the body is rarely received
// again. Then only the first bytes of each block are added.
#ifndef RB_CURL_RESPONSE_DIGEST_H
#define RB_CURL_RESPONSE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RB_DIGEST_BLOCK = 4096,
    RB_DIGEST_SAMPLE = 256, // bytes of each block that are summed if `sampled`
    RB_DIGEST_STRIPE = 64   // bytes per step
};

// Zero-initialized means no bytes. May be copied to return to an earlier position.
struct rb_digest {
    uint64_t sum[8];                      // sum of the words of each lane
    uint64_t sums[8];                     // sum of all values that `sum` has had, so that the order of the words counts
    uint64_t offset;                      // number of bytes added
    bool sampled;                         // sum only the first RB_DIGEST_SAMPLE bytes of each RB_DIGEST_BLOCK
    unsigned char tail[RB_DIGEST_STRIPE]; // bytes of an incomplete stripe
};

// Adds the next bytes of the body.
void rb_digest_add(struct rb_digest *digest, const void *bytes, size_t length);

// True when both have seen the same bytes, as far as they were summed.
bool rb_digest_equal(const struct rb_digest *a, const struct rb_digest *b);

#endif
