// SPDX-License-Identifier: MIT
// Longest-prefix match of addresses: a tree with path compression and level compression.
//
// Each node branches on as many bits as keep its table at least half full, and skips bits that all entries below it
// share. So a lookup visits few nodes even for 100,000 prefixes, wherever their bits differ. A plain binary tree would
// need 17 steps there. A table per byte of address would need a megabyte for every thousand scattered prefixes.
#ifndef RB_POLICY_PREFIX_H
#define RB_POLICY_PREFIX_H

#include "base/arena.h"
#include "base/slice.h"

// An address, most significant bit first. An IPv4 address is in the upper half of `high`.
struct rb_bits {
    uint64_t high, low;
};

// A distinct prefix. The caller fills in pattern and ports.
struct rb_prefix {
    struct rb_bits bits;
    uint32_t pattern; // number of the pattern without a port; 0: none
    uint32_t parent;  // index + 1 of the next shorter prefix that covers this one; 0: none
    uint8_t length;
    bool ports;       // patterns with a port exist for this prefix
    bool ports_above; // for this prefix or one that covers it
};

struct rb_prefix_node;

// The tree; all zero means empty.
struct rb_prefix_tree {
    struct rb_prefix *prefixes;
    uint32_t count;
    struct rb_prefix_node *nodes;
    uint32_t node_count;
};

struct rb_bits rb_bits_of(int family, const uint8_t address[16]);

// Builds the tree over `count` distinct prefixes. It sorts the array and takes ownership of it. Returns 0 or -ENOMEM.
int rb_prefix_build(struct rb_prefix_tree *tree, struct rb_prefix *prefixes, uint32_t count, struct rb_arena *arena,
                    struct rb_arena *scratch);

// Returns the longest prefix that covers the address, or NULL.
const struct rb_prefix *rb_prefix_find(const struct rb_prefix_tree *tree, struct rb_bits address);

// Returns the next shorter prefix that covers `prefix`, or NULL.
const struct rb_prefix *rb_prefix_parent(const struct rb_prefix_tree *tree, const struct rb_prefix *prefix);

// Returns the entry with exactly these bits and this length, or NULL.
struct rb_prefix *rb_prefix_exact(const struct rb_prefix_tree *tree, struct rb_bits bits, unsigned length);

#endif
