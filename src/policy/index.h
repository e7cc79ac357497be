// SPDX-License-Identifier: MIT
// The patterns of a policy arranged for lookup at the same cost for any number of them.
#ifndef RB_POLICY_INDEX_H
#define RB_POLICY_INDEX_H

#include "policy/pattern.h"
#include "policy/prefix.h"
#include "policy/section.h"
#include "policy/target.h"

// A pattern as it was written, and the section that it leads to.
struct rb_pattern_record {
    struct rb_match written;
    const struct rb_section *section;
};

// One distinct name, suffix, address or path. key is NULL in an empty slot.
struct rb_slot {
    const char *key;
    uint32_t tag;     // of the hash, to look at the key only when it is likely to be the one
    uint32_t pattern; // number of the pattern without a port, 0: there is none
    uint16_t length;
    bool ports; // patterns with a port exist for this key
};

// Open addressing, at most half full; slots NULL: empty.
struct rb_table {
    struct rb_slot *slots;
    uint32_t mask;
};

// A pattern with a port, found by what carries the port: (place in its table, kind, port) in one number, 0: empty.
struct rb_port_slot {
    uint64_t place;
    uint32_t pattern;
};

struct rb_glob {
    struct rb_slice pattern;
    uint32_t literals; // bytes that are neither * nor ?
    uint32_t number;
};

enum rb_table_kind { RB_TABLE_NAMES, RB_TABLE_SUFFIXES, RB_TABLE_ADDRESSES, RB_TABLE_PATHS, RB_TABLE_COUNT };

struct rb_index {
    const struct rb_pattern_record *records; // numbers count from 1
    uint32_t count;
    struct rb_table tables[RB_TABLE_COUNT];
    uint64_t suffix_depths;         // bit n: a suffix of n dots exists; the last bit stands for all larger n
    struct rb_prefix_tree trees[2]; // IPv4, IPv6
    struct rb_port_slot *ports;
    uint32_t port_mask;
    struct rb_glob *globs; // the most specific first
    uint32_t glob_count;
    uint32_t any; // number of the pattern *
    bool any_ports;
};

// Arranges `count` patterns, which differ from each other; pattern i has number i + 1. Keys must live as long as
// the index. Returns 0 or -ENOMEM.
int rb_index_build(struct rb_index *index, const struct rb_pattern *patterns, uint32_t count, struct rb_arena *arena,
                   struct rb_arena *scratch);

// The pattern for a target, or NULL when only [default] is left for it.
const struct rb_pattern_record *rb_index_find(const struct rb_index *index, const struct rb_target *target);

// The slot of a key in a table, or NULL.
const struct rb_slot *rb_table_find(const struct rb_table *table, uint64_t hash, const char *key, size_t length);

// Where a pattern with a port is kept: at `position` in the structure `kind`, an rb_table_kind or one of these.
enum { RB_PLACE_PREFIX4 = RB_TABLE_COUNT, RB_PLACE_PREFIX6, RB_PLACE_ANY };
static inline uint64_t rb_place_of(unsigned kind, uint64_t position, uint16_t port)
{
    return position << 24 | (uint64_t) kind << 16 | port;
}

// The bit of suffix_depths.
static inline uint64_t rb_depth_bit(unsigned dots)
{
    return UINT64_C(1) << (dots < 63 ? dots : 63);
}

#endif
