// SPDX-License-Identifier: MIT
// An index of a policy's patterns. The cost of a lookup does not depend on the number of patterns.
#ifndef RB_POLICY_INDEX_H
#define RB_POLICY_INDEX_H

#include "policy/pattern.h"
#include "policy/prefix.h"
#include "policy/section.h"
#include "policy/target.h"

// A pattern as written, and its section.
struct rb_pattern_record {
    struct rb_match written;
    const struct rb_section *section;
};

// One distinct name, suffix, address or path. key is NULL in an empty slot.
struct rb_index_slot {
    const char *key;
    uint32_t tag;     // part of the hash; the key is compared only if the tag is equal
    uint32_t pattern; // number of the pattern without a port; 0: none
    uint16_t length;
    bool ports; // patterns with a port exist for this key
};

// A hash table with open addressing, at most half full. slots is NULL for an empty table.
struct rb_index_table {
    struct rb_index_slot *slots;
    uint32_t mask;
};

// A pattern with a port. `place` combines the position of the pattern's entry, the kind of its table and the port
// (rb_index_place); 0: empty.
struct rb_index_port_slot {
    uint64_t place;
    uint32_t pattern;
};

struct rb_glob {
    struct rb_slice pattern;
    uint32_t literals; // number of bytes other than * and ?
    uint32_t number;
};

enum rb_index_table_kind { RB_INDEX_NAMES, RB_INDEX_SUFFIXES, RB_INDEX_ADDRESSES, RB_INDEX_PATHS, RB_INDEX_COUNT };

struct rb_index {
    const struct rb_pattern_record *records; // pattern number n is records[n - 1]
    uint32_t count;
    struct rb_index_table tables[RB_INDEX_COUNT];
    uint64_t suffix_depths;         // bit n: a suffix with n dots exists; bit 63: one with 63 or more
    struct rb_prefix_tree trees[2]; // IPv4, IPv6
    struct rb_index_port_slot *ports;
    uint32_t port_mask;
    struct rb_glob *globs; // the most specific first
    uint32_t glob_count;
    uint32_t any; // number of the pattern "*"; 0: none
    bool any_ports;
};

// Builds the index over `count` distinct patterns; pattern i gets number i + 1. The patterns' keys must live as long as
// the index. Returns 0 or -ENOMEM.
int rb_index_build(struct rb_index *index, const struct rb_pattern *patterns, uint32_t count, struct rb_arena *arena,
                   struct rb_arena *scratch);

// Returns the pattern for a target, or NULL if only [default] applies.
const struct rb_pattern_record *rb_match_find(const struct rb_index *index, const struct rb_target *target);

// Returns the slot of a key in a table, or NULL.
const struct rb_index_slot *rb_match_find_slot(const struct rb_index_table *table, uint64_t hash, const char *key,
                                               size_t length);

// The `place` of a pattern with a port: `position` in the structure `kind`, which is an rb_index_table_kind or one of
// these.
enum { RB_INDEX_PLACE_PREFIX4 = RB_INDEX_COUNT, RB_INDEX_PLACE_PREFIX6, RB_INDEX_PLACE_ANY };
static inline uint64_t rb_index_place(unsigned kind, uint64_t position, uint16_t port)
{
    return position << 24 | (uint64_t) kind << 16 | port;
}

// Returns the bit of suffix_depths for a number of dots.
static inline uint64_t rb_index_depth_bit(unsigned dots)
{
    return UINT64_C(1) << (dots < 63 ? dots : 63);
}

#endif
