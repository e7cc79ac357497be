// SPDX-License-Identifier: MIT
// Builds the index of a policy's patterns.
#include "policy/index.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/hash.h"

// Returns the mask (size - 1) of the smallest table that is at most half full with `count` entries.
static uint32_t mask_for(uint32_t count)
{
    uint32_t size = 2;
    while (size < 2 * (uint64_t) count)
        size *= 2;
    return size - 1;
}

// Returns the table of a kind of pattern, or RB_INDEX_COUNT for kinds that are stored elsewhere.
static enum rb_index_table_kind table_of(enum rb_pattern_kind kind)
{
    switch (kind) {
    case RB_PATTERN_NAME:
        return RB_INDEX_NAMES;
    case RB_PATTERN_WILDCARD:
        return RB_INDEX_SUFFIXES;
    case RB_PATTERN_ADDRESS:
        return RB_INDEX_ADDRESSES;
    case RB_PATTERN_PATH:
        return RB_INDEX_PATHS;
    default:
        return RB_INDEX_COUNT;
    }
}

// Stores a pattern's number: in the entry itself, or in the table of ports if the pattern has a port.
static void assign(struct rb_index *index, const struct rb_pattern *pattern, uint32_t number, uint64_t place,
                   uint32_t *plain, bool *ports)
{
    if (pattern->port == 0) {
        *plain = number;
        return;
    }
    *ports = true;
    place |= pattern->port;
    uint32_t at = (uint32_t) rb_hash_mix(0, place) & index->port_mask;
    while (index->ports[at].place)
        at = (at + 1) & index->port_mask;
    index->ports[at] = (struct rb_index_port_slot){place, number};
}

static struct rb_index_slot *index_insert(struct rb_index_table *table, struct rb_slice key, uint64_t hash)
{
    uint32_t at = (uint32_t) hash & table->mask;
    for (; table->slots[at].key; at = (at + 1) & table->mask) {
        struct rb_index_slot *slot = &table->slots[at];
        if (slot->length == key.length && memcmp(slot->key, key.at, key.length) == 0)
            return slot;
    }
    table->slots[at].key = key.at;
    table->slots[at].length = (uint16_t) key.length;
    table->slots[at].tag = (uint32_t) (hash >> 32);
    return &table->slots[at];
}

static int add_to_table(struct rb_index *index, enum rb_index_table_kind kind, const struct rb_pattern *pattern,
                        uint32_t number, struct rb_arena *arena)
{
    struct rb_index_table *table = &index->tables[kind];
    struct rb_slice key = pattern->key; // points into the policy's own text
    uint64_t hash;
    if (kind == RB_INDEX_ADDRESSES) {
        // The key is a copy of the bytes of the address. Its length of 4 or 16 distinguishes the families.
        key.length = pattern->family_bits / 8;
        key.at = rb_arena_copy(arena, (const char *) pattern->address, key.length);
        hash = rb_hash_address(pattern->family_bits, pattern->address);
    } else {
        hash = rb_hash_name(key.at, key.length);
    }
    if (!key.at)
        return -ENOMEM;
    struct rb_index_slot *slot = index_insert(table, key, hash);
    uint64_t position = (uint64_t) (slot - table->slots);
    assign(index, pattern, number, rb_index_place(kind, position, 0), &slot->pattern, &slot->ports);
    if (kind == RB_INDEX_SUFFIXES) {
        unsigned dots = 0;
        for (size_t i = 0; i < key.length; i++)
            dots += key.at[i] == '.';
        index->suffix_depths |= rb_index_depth_bit(dots);
    }
    return 0;
}

static unsigned tree_of(const struct rb_pattern *pattern)
{
    return pattern->family_bits == 32 ? 0 : 1;
}

static struct rb_bits bits_of(const struct rb_pattern *pattern)
{
    return rb_bits_of(tree_of(pattern) == 0 ? AF_INET : AF_INET6, pattern->address);
}

// Merges patterns with the same prefix and different ports into one entry of the tree. The tree does not exist yet, so
// duplicates are found with a hash set that ignores the port.
static uint32_t distinct_prefixes(const struct rb_pattern *patterns, uint32_t count, unsigned tree,
                                  struct rb_prefix *out, uint32_t *set, uint32_t mask)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct rb_pattern bare = patterns[i];
        if (bare.kind != RB_PATTERN_PREFIX || tree_of(&bare) != tree)
            continue;
        bare.port = 0;
        struct rb_bits bits = bits_of(&bare);
        uint32_t at = (uint32_t) rb_pattern_hash(&bare) & mask;
        while (set[at] && (out[set[at] - 1].bits.high != bits.high || out[set[at] - 1].bits.low != bits.low ||
                           out[set[at] - 1].length != bare.prefix_bits))
            at = (at + 1) & mask;
        if (!set[at]) {
            out[found] = (struct rb_prefix){.bits = bits, .length = bare.prefix_bits};
            set[at] = ++found;
        }
        out[set[at] - 1].ports |= patterns[i].port != 0;
    }
    return found;
}

static int build_tree(struct rb_index *index, const struct rb_pattern *patterns, uint32_t count, unsigned tree,
                      struct rb_arena *arena, struct rb_arena *scratch)
{
    uint32_t prefixes = 0;
    for (uint32_t i = 0; i < count; i++)
        prefixes += patterns[i].kind == RB_PATTERN_PREFIX && tree_of(&patterns[i]) == tree;
    if (prefixes == 0)
        return 0;
    uint32_t mask = mask_for(prefixes);
    uint32_t *set = rb_arena_take(scratch, ((size_t) mask + 1) * sizeof(*set));
    struct rb_prefix *entries = rb_arena_take(arena, prefixes * sizeof(*entries));
    if (!set || !entries)
        return -ENOMEM;
    uint32_t distinct = distinct_prefixes(patterns, count, tree, entries, set, mask);
    return rb_prefix_build(&index->trees[tree], entries, distinct, arena, scratch);
}

static void add_prefix(struct rb_index *index, const struct rb_pattern *pattern, uint32_t number)
{
    unsigned which = tree_of(pattern);
    struct rb_prefix_tree *tree = &index->trees[which];
    struct rb_prefix *prefix = rb_prefix_exact(tree, bits_of(pattern), pattern->prefix_bits);
    uint64_t place = rb_index_place(RB_INDEX_PLACE_PREFIX4 + which, (uint64_t) (prefix - tree->prefixes), 0);
    assign(index, pattern, number, place, &prefix->pattern, &prefix->ports);
}

// Sorts the globs by the number of literal bytes, most first; equal ones stay in order of lines. A counting sort,
// because a policy with very many globs must still load quickly and a Unix socket path is short.
static int sort_globs(struct rb_index *index, struct rb_arena *scratch)
{
    size_t size = index->glob_count * sizeof(*index->globs);
    if (size == 0)
        return 0;
    struct rb_glob *copy = rb_arena_take(scratch, size);
    uint32_t *before = // by number of literals: how many globs have more
        rb_arena_take(scratch, (RB_UNIX_PATH_MAX + 2) * sizeof(*before));
    if (!copy || !before)
        return -ENOMEM;
    memcpy(copy, index->globs, size);
    for (uint32_t i = 0; i < index->glob_count; i++)
        for (uint32_t fewer = 0; fewer < copy[i].literals; fewer++)
            before[fewer]++;
    for (uint32_t i = 0; i < index->glob_count; i++)
        index->globs[before[copy[i].literals]++] = copy[i];
    return 0;
}

static int index_add(struct rb_index *index, const struct rb_pattern *pattern, uint32_t number, struct rb_arena *arena)
{
    enum rb_index_table_kind kind = table_of(pattern->kind);
    struct rb_glob glob = {pattern->key, 0, number};
    if (kind < RB_INDEX_COUNT)
        return add_to_table(index, kind, pattern, number, arena);
    switch (pattern->kind) {
    case RB_PATTERN_ANY:
        assign(index, pattern, number, rb_index_place(RB_INDEX_PLACE_ANY, 0, 0), &index->any, &index->any_ports);
        return 0;
    case RB_PATTERN_GLOB:
        for (size_t i = 0; i < glob.pattern.length; i++)
            glob.literals += glob.pattern.at[i] != '*' && glob.pattern.at[i] != '?';
        index->globs[index->glob_count++] = glob;
        return 0;
    default:
        add_prefix(index, pattern, number);
        return 0;
    }
}

// Allocates the tables that the patterns need. A table without patterns stays NULL.
static int size_tables(struct rb_index *index, const struct rb_pattern *patterns, uint32_t count,
                       struct rb_arena *arena)
{
    uint32_t counts[RB_INDEX_COUNT + 1] = {0}, ports = 0, globs = 0;
    for (uint32_t i = 0; i < count; i++) {
        counts[table_of(patterns[i].kind)]++;
        ports += patterns[i].port != 0;
        globs += patterns[i].kind == RB_PATTERN_GLOB;
    }
    for (unsigned kind = 0; kind < RB_INDEX_COUNT; kind++) {
        struct rb_index_table *table = &index->tables[kind];
        table->mask = mask_for(counts[kind]);
        table->slots = counts[kind] ? rb_arena_take(arena, ((size_t) table->mask + 1) * sizeof(*table->slots)) : NULL;
    }
    index->port_mask = mask_for(ports);
    index->ports = ports ? rb_arena_take(arena, ((size_t) index->port_mask + 1) * sizeof(*index->ports)) : NULL;
    index->globs = globs ? rb_arena_take(arena, globs * sizeof(*index->globs)) : NULL;
    return arena->failed ? -ENOMEM : 0;
}

int rb_index_build(struct rb_index *index, const struct rb_pattern *patterns, uint32_t count, struct rb_arena *arena,
                   struct rb_arena *scratch)
{
    index->count = count;
    int result = size_tables(index, patterns, count, arena);
    for (unsigned tree = 0; tree < 2 && result == 0; tree++)
        result = build_tree(index, patterns, count, tree, arena, scratch);
    for (uint32_t i = 0; i < count && result == 0; i++)
        result = index_add(index, &patterns[i], i + 1, arena);
    return result == 0 ? sort_globs(index, scratch) : result;
}
