// SPDX-License-Identifier: MIT
// Hashes of names and addresses for the policy's tables.
#ifndef RB_POLICY_HASH_H
#define RB_POLICY_HASH_H

#include "policy/text.h"

// One multiplication for 8 bytes. Not keyed: the tables hold what the policy's author wrote, and a probe ends at the
// first empty slot of tables that are at most half full, so a hostile name in a request finds no long chain to walk
// that the policy itself does not have.
static inline uint64_t rb_hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

// Bytes of a name read from its end towards its start, so that the hashes of all its suffixes come by the way.
struct rb_name_hash {
    uint64_t hash;
    uint64_t word; // up to 8 bytes not yet mixed in
    unsigned pending;
};

static inline void rb_name_hash_add(struct rb_name_hash *state, unsigned char byte)
{
    state->word = state->word << 8 | byte;
    if (++state->pending == sizeof(state->word)) {
        state->hash = rb_hash_mix(state->hash, state->word);
        state->word = 0;
        state->pending = 0;
    }
}

// The hash of the bytes so far.
static inline uint64_t rb_name_hash_value(const struct rb_name_hash *state)
{
    return rb_hash_mix(rb_hash_mix(state->hash, state->word), state->pending);
}

static inline uint64_t rb_hash_name(const char *at, size_t length)
{
    struct rb_name_hash state = {0};
    while (length > 0) {
        rb_name_hash_add(&state, (unsigned char) at[--length]);
    }
    return rb_name_hash_value(&state);
}

static inline uint64_t rb_hash_address(unsigned family_bits, const uint8_t address[16])
{
    uint64_t half[2];
    memcpy(half, address, sizeof(half));
    return rb_hash_mix(rb_hash_mix(family_bits, half[0]), half[1]);
}

#endif
