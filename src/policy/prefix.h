// SPDX-License-Identifier: MIT
// Longest-prefix match of addresses: a tree compressed in paths and levels.
//
// Every node branches on as many bits as keep it at least half full, and skips the bits that all entries below share.
// So the walk is as short for 100,000 prefixes as for ten, wherever in the address they differ; a plain binary tree
// takes 17 steps there, one node per byte of address takes a megabyte for every thousand scattered prefixes.
#ifndef RB_POLICY_PREFIX_H
#define RB_POLICY_PREFIX_H

#include "base/arena.h"
#include "base/slice.h"

// An address from its most significant bit down; IPv4 is in the upper half of `high`.
struct rb_bits {
    uint64_t high, low;
};

// A distinct prefix. pattern and ports are the caller's.
struct rb_prefix {
    struct rb_bits bits;
    uint32_t pattern; // number of the pattern without a port, 0: there is none
    uint32_t parent;  // index of the next shorter prefix around this one plus 1, 0: none
    uint8_t length;
    bool ports;       // patterns with a port exist for this prefix
    bool ports_above; // for this prefix or one around it
};

struct rb_prefix_node;

// Zero-initialised: empty.
struct rb_prefix_tree {
    struct rb_prefix *prefixes;
    uint32_t count;
    struct rb_prefix_node *nodes;
    uint32_t node_count;
};

struct rb_bits rb_bits_of(int family, const uint8_t address[16]);

// Builds the tree over `count` distinct prefixes, which are sorted on the way and then belong to it. Returns 0 or
// -ENOMEM.
int rb_prefix_build(struct rb_prefix_tree *tree, struct rb_prefix *prefixes, uint32_t count, struct rb_arena *arena,
                    struct rb_arena *scratch);

// The longest prefix that covers the address, or NULL.
const struct rb_prefix *rb_prefix_find(const struct rb_prefix_tree *tree, struct rb_bits address);

// The next shorter one that covers what `prefix` covers, or NULL.
const struct rb_prefix *rb_prefix_parent(const struct rb_prefix_tree *tree, const struct rb_prefix *prefix);

// The entry for exactly this prefix, or NULL.
struct rb_prefix *rb_prefix_exact(const struct rb_prefix_tree *tree, struct rb_bits bits, unsigned length);

#endif
