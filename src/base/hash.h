// SPDX-License-Identifier: MIT
// Hash functions: FNV-1a for bytes, one multiplication for a word, and hashes of names and addresses.
#ifndef RB_BASE_HASH_H
#define RB_BASE_HASH_H

#include <endian.h>

#include "base/slice.h"

// 64-bit FNV-1a (Fowler, Noll, Vo; parameters as in RFC 9923): the initial value, and a function that adds bytes. Keys
// in the shared state use it.
#define RB_HASH_BEGIN UINT64_C(0xcbf29ce484222325)
static inline uint64_t rb_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

// 2^64 divided by the golden ratio, odd: the upper bits of a product depend on all bits of the other factor (Knuth, The
// Art of Computer Programming, volume 3, section 6.4).
#define RB_HASH_GOLDEN UINT64_C(0x9e3779b97f4a7c15)

// Spreads a word over all bits of the result.
static inline uint64_t rb_hash_word(uint64_t word)
{
    word *= RB_HASH_GOLDEN;
    return word ^ word >> 32;
}

// Adds a word of 8 bytes to a hash by one multiplication. Not keyed: the tables hold names from the policy, not from
// requests. Tables are at most half full and a search ends at the first empty slot, so a hostile name in a request
// cannot make searches longer than the policy's own names do.
static inline uint64_t rb_hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * RB_HASH_GOLDEN;
    return hash ^ hash >> 29;
}

// Names are hashed in words of 8 bytes from the end of the text to its start, so that one pass yields the hashes of all
// suffixes. Case is ignored; where case matters, the comparison of the key checks it. In a word the last byte of the
// text is the most significant one on every machine. A word that the text does not fill has zeros in its low bytes.
enum { RB_WORD = sizeof(uint64_t) };

// Returns a word with each byte set to `byte`.
static inline uint64_t rb_word_of(uint8_t byte)
{
    return UINT64_C(0x0101010101010101) * byte;
}

// Converts 8 ASCII characters to lower case at once.
static inline uint64_t rb_word_lower(uint64_t word)
{
    uint64_t low = word & rb_word_of(0x7f);
    uint64_t from_a = low + rb_word_of(0x80 - 'A'), beyond_z = low + rb_word_of(0x7f - 'Z');
    return word | ((from_a ^ beyond_z) & ~word & rb_word_of(0x80)) >> 2;
}

// Returns the last `count` bytes (0 to 7) of a word.
static inline uint64_t rb_word_tail(uint64_t word, unsigned count)
{
    return count ? word >> 8 * (RB_WORD - count) : 0;
}

// Loads the word that ends at offset `rest` of the text, in lower case. Reads no byte outside the text.
static inline uint64_t rb_word_load(const char *text, size_t length, size_t rest)
{
    uint64_t word = 0;
    if (rest >= RB_WORD) {
        memcpy(&word, text + rest - RB_WORD, RB_WORD);
        return rb_word_lower(le64toh(word));
    }
    if (length >= RB_WORD) {
        memcpy(&word, text, RB_WORD);
        return rb_word_lower(le64toh(word) << 8 * (RB_WORD - rest));
    }
    for (size_t i = 0; i < rest; i++)
        word = word >> 8 | (uint64_t) (unsigned char) text[i] << 56;
    return rb_word_lower(word);
}

// Finishes a hash: `hash` covers the full words, `tail` holds the remaining bytes, and `length` is the length of the
// text.
static inline uint64_t rb_hash_finish(uint64_t hash, uint64_t tail, size_t length)
{
    return rb_hash_mix(rb_hash_mix(hash, tail), length);
}

static inline uint64_t rb_hash_name(const char *at, size_t length)
{
    uint64_t hash = 0;
    size_t rest = length;
    for (; rest >= RB_WORD; rest -= RB_WORD)
        hash = rb_hash_mix(hash, rb_word_load(at, length, rest));
    uint64_t tail = rest ? rb_word_tail(rb_word_load(at, length, rest), (unsigned) rest) : 0;
    return rb_hash_finish(hash, tail, length);
}

static inline uint64_t rb_hash_address(unsigned family_bits, const uint8_t address[16])
{
    uint64_t half[2];
    memcpy(half, address, sizeof(half));
    return rb_hash_mix(rb_hash_mix(family_bits, half[0]), half[1]);
}

#endif
