// SPDX-License-Identifier: MIT
// Builds and searches the tree of prefixes.
#include "policy/prefix.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

// The maximum number of bits that a node branches on.
enum { BRANCH_MAX = 16, WORD_BITS = 64 };

// branch 0: a leaf; child is the index of a prefix. Otherwise child is the index of the first of 2^branch nodes; the
// `branch` bits from bit `position` on choose one.
struct rb_prefix_node {
    uint32_t child;
    uint8_t position;
    uint8_t branch;
};

// The state of building. leaves are the prefixes that contain no longer prefix, in order of addresses. No leaf is a
// prefix of another one, so any two differ in a bit that both have.
struct builder {
    struct rb_prefix_tree *tree;
    const uint32_t *leaves;
};

struct range {
    uint32_t first, count;
};

static uint64_t prefix_load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return be64toh(word);
}

struct rb_bits rb_bits_of(int family, const uint8_t address[16])
{
    uint32_t four;
    if (family != AF_INET)
        return (struct rb_bits){prefix_load(address), prefix_load(address + 8)};
    memcpy(&four, address, sizeof(four));
    return (struct rb_bits){(uint64_t) be32toh(four) << 32, 0};
}

static bool covers(const struct rb_prefix *prefix, struct rb_bits address)
{
    uint64_t high = prefix->bits.high ^ address.high, low = prefix->bits.low ^ address.low;
    if (prefix->length <= WORD_BITS)
        return prefix->length == 0 || high >> (WORD_BITS - prefix->length) == 0;
    return high == 0 && low >> (2 * WORD_BITS - prefix->length) == 0;
}

static uint32_t cut(struct rb_bits bits, unsigned position, unsigned count)
{
    uint64_t word;
    if (position >= WORD_BITS)
        word = bits.low << (position - WORD_BITS);
    else
        word = bits.high << position | (position ? bits.low >> (WORD_BITS - position) : 0);
    return (uint32_t) (word >> (WORD_BITS - count));
}

static int compare(const struct rb_prefix *a, const struct rb_prefix *b)
{
    if (a->bits.high != b->bits.high)
        return a->bits.high < b->bits.high ? -1 : 1;
    if (a->bits.low != b->bits.low)
        return a->bits.low < b->bits.low ? -1 : 1;
    return (int) a->length - (int) b->length;
}

static void sift(struct rb_prefix *heap, uint32_t at, uint32_t count)
{
    struct rb_prefix moved = heap[at];
    uint64_t child;
    while ((child = 2 * (uint64_t) at + 1) < count) {
        if (child + 1 < count && compare(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (compare(&moved, &heap[child]) >= 0)
            break;
        heap[at] = heap[child];
        at = (uint32_t) child;
    }
    heap[at] = moved;
}

// Heap sort: qsort(3) may call malloc.
static void sort(struct rb_prefix *prefixes, uint32_t count)
{
    for (uint32_t at = count / 2; at-- > 0;)
        sift(prefixes, at, count);
    for (uint32_t last = count; last-- > 1;) {
        struct rb_prefix largest = prefixes[0];
        prefixes[0] = prefixes[last];
        prefixes[last] = largest;
        sift(prefixes, 0, last);
    }
}

// Sets the parents. In sorted order a prefix comes before all prefixes that it covers.
static void link_parents(struct rb_prefix *prefixes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t parent = i;
        while (parent > 0 && !covers(&prefixes[parent - 1], prefixes[i].bits))
            parent = prefixes[parent - 1].parent;
        prefixes[i].parent = parent;
        prefixes[i].ports_above = prefixes[i].ports || (parent > 0 && prefixes[parent - 1].ports_above);
    }
}

static uint32_t collect_leaves(const struct rb_prefix *prefixes, uint32_t count, uint32_t *leaves)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        if (i + 1 == count || !covers(&prefixes[i], prefixes[i + 1].bits))
            leaves[found++] = i;
    return found;
}

static struct rb_bits leaf_bits(const struct builder *builder, uint32_t leaf)
{
    return builder->tree->prefixes[builder->leaves[leaf]].bits;
}

// Returns the largest number of bits from `position` on for which the table stays at least half full.
static unsigned choose_branch(const struct builder *builder, struct range range, unsigned position)
{
    unsigned branch = 1;
    for (; branch < BRANCH_MAX && (2U << branch) <= 2 * range.count; branch++) {
        uint32_t distinct = 1;
        for (uint32_t i = range.first + 1; i < range.first + range.count; i++) {
            distinct += cut(leaf_bits(builder, i), position, branch + 1) !=
                        cut(leaf_bits(builder, i - 1), position, branch + 1);
        }
        if (distinct < 1U << branch)
            break;
    }
    return branch;
}

// Chooses the node for an empty slot: the neighbouring leaf that shares more leading bits with it. Every prefix that
// covers the slot also covers that leaf.
static uint32_t prefix_neighbour(const struct builder *builder, struct range range, uint32_t next,
                                 struct rb_prefix_node node, uint32_t slot)
{
    if (next == range.first || next == range.first + range.count)
        return next == range.first ? next : next - 1;
    uint32_t before = cut(leaf_bits(builder, next - 1), node.position, node.branch) ^ slot;
    uint32_t after = cut(leaf_bits(builder, next), node.position, node.branch) ^ slot;
    return before < after ? next - 1 : next;
}

// The recursion depth is at most 128, because each level consumes at least one of 128 bits.
static void prefix_build(struct builder *builder, uint32_t at, struct range range)
{
    struct rb_prefix_tree *tree = builder->tree;
    if (range.count == 1) {
        tree->nodes[at].child = builder->leaves[range.first];
        return;
    }
    uint32_t end = range.first + range.count, next = range.first;
    // The leaves are sorted. So all of them share the leading bits that the first and the last one share.
    struct rb_bits first = leaf_bits(builder, range.first), last = leaf_bits(builder, end - 1);
    uint64_t high = first.high ^ last.high, low = first.low ^ last.low;
    unsigned position = (unsigned) (high ? __builtin_clzll(high) : WORD_BITS + __builtin_clzll(low));
    struct rb_prefix_node node = {tree->node_count, (uint8_t) position,
                                  (uint8_t) choose_branch(builder, range, position)};
    tree->nodes[at] = node;
    tree->node_count += 1U << node.branch;
    for (uint32_t slot = 0; slot < 1U << node.branch; slot++) {
        struct range below = {next, 0};
        for (; next < end && cut(leaf_bits(builder, next), position, node.branch) == slot; next++)
            below.count++;
        if (below.count > 0)
            prefix_build(builder, node.child + slot, below);
        else
            tree->nodes[node.child + slot].child = builder->leaves[prefix_neighbour(builder, range, next, node, slot)];
    }
}

int rb_prefix_build(struct rb_prefix_tree *tree, struct rb_prefix *prefixes, uint32_t count, struct rb_arena *arena,
                    struct rb_arena *scratch)
{
    if (count == 0)
        return 0;
    sort(prefixes, count);
    link_parents(prefixes, count);
    tree->prefixes = prefixes;
    tree->count = count;
    // Tables are at least half full, and a tree with n leaves whose inner nodes all branch has fewer than 2n nodes.
    tree->nodes = rb_arena_take(arena, (4 * (size_t) count + 1) * sizeof(*tree->nodes));
    uint32_t *leaves = rb_arena_take(scratch, count * sizeof(*leaves));
    if (!tree->nodes || !leaves)
        return -ENOMEM;
    struct range all = {0, collect_leaves(prefixes, count, leaves)};
    tree->node_count = 1;
    prefix_build(&(struct builder){tree, leaves}, 0, all);
    return 0;
}

const struct rb_prefix *rb_prefix_parent(const struct rb_prefix_tree *tree, const struct rb_prefix *prefix)
{
    return prefix->parent ? &tree->prefixes[prefix->parent - 1] : NULL;
}

const struct rb_prefix *rb_prefix_find(const struct rb_prefix_tree *tree, struct rb_bits address)
{
    if (tree->count == 0)
        return NULL;
    const struct rb_prefix_node *node = tree->nodes;
    while (node->branch > 0)
        node = &tree->nodes[node->child + cut(address, node->position, node->branch)];
    const struct rb_prefix *prefix = &tree->prefixes[node->child];
    while (prefix && !covers(prefix, address))
        prefix = rb_prefix_parent(tree, prefix);
    return prefix;
}

struct rb_prefix *rb_prefix_exact(const struct rb_prefix_tree *tree, struct rb_bits bits, unsigned length)
{
    const struct rb_prefix *prefix = rb_prefix_find(tree, bits);
    while (prefix && prefix->length > length)
        prefix = rb_prefix_parent(tree, prefix);
    return prefix && prefix->length == length ? &tree->prefixes[prefix - tree->prefixes] : NULL;
}
