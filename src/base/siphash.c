// SPDX-License-Identifier: MIT
// Rounds of SipHash.
#include "base/siphash.h"

static uint64_t turn(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void rounds(uint64_t v[4], unsigned count)
{
    for (; count > 0; count--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turn(v[1], 13) ^ v[0];
        v[3] = turn(v[3], 16) ^ v[2];
        v[0] = turn(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = turn(v[1], 17) ^ v[2];
        v[3] = turn(v[3], 21) ^ v[0];
        v[2] = turn(v[2], 32);
    }
}

static void compress(struct rb_siphash *hash)
{
    hash->v[3] ^= hash->word;
    rounds(hash->v, 2);
    hash->v[0] ^= hash->word;
    hash->word = 0;
}

void rb_siphash_begin(struct rb_siphash *hash, const uint64_t key[2])
{
    // "somepseudorandomlygeneratedbytes"
    *hash = (struct rb_siphash){.v = {
                                    key[0] ^ UINT64_C(0x736f6d6570736575),
                                    key[1] ^ UINT64_C(0x646f72616e646f6d),
                                    key[0] ^ UINT64_C(0x6c7967656e657261),
                                    key[1] ^ UINT64_C(0x7465646279746573),
                                }};
}

void rb_siphash_add(struct rb_siphash *hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        hash->word |= (uint64_t) at[i] << hash->length % 8 * 8;
        if (++hash->length % 8 == 0)
            compress(hash);
    }
}

uint64_t rb_siphash_end(struct rb_siphash *hash)
{
    hash->word |= hash->length << 56;
    compress(hash);
    hash->v[2] ^= 0xff;
    rounds(hash->v, 4);
    return hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3];
}
