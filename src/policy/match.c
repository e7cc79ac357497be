// SPDX-License-Identifier: MIT
// Matches a target against the patterns: exact name, suffixes, address, prefixes, then "*" and [default].
//
// A Unix socket matches only unix: patterns, never "*" or [default]. Programs often try the sockets of nscd, D-Bus and
// the journal, and failures there are normal.
#include <sys/socket.h>

#include "base/hash.h"
#include "policy/glob.h"
#include "policy/index.h"

// Numbers of the best patterns found so far, with the target's port and without a port; 0: none.
struct found {
    uint32_t with_port, without;
};

const struct rb_index_slot *rb_match_find_slot(const struct rb_index_table *table, uint64_t hash, const char *key,
                                               size_t length)
{
    if (!table->slots)
        return NULL;
    for (uint32_t at = (uint32_t) hash & table->mask; table->slots[at].key; at = (at + 1) & table->mask) {
        const struct rb_index_slot *slot = &table->slots[at];
        if (slot->tag == (uint32_t) (hash >> 32) && slot->length == length && memcmp(slot->key, key, length) == 0)
            return slot;
    }
    return NULL;
}

static uint32_t find_port(const struct rb_index *index, uint64_t place)
{
    for (uint32_t at = (uint32_t) rb_hash_mix(0, place) & index->port_mask; index->ports[at].place;
         at = (at + 1) & index->port_mask)
        if (index->ports[at].place == place)
            return index->ports[at].pattern;
    return 0;
}

// Looks up a key in one table. A pattern that is found replaces the one in `best`.
static void match_look_up(const struct rb_index *index, enum rb_index_table_kind kind, uint64_t hash,
                          struct rb_slice key, uint16_t port, struct found *best)
{
    const struct rb_index_table *table = &index->tables[kind];
    const struct rb_index_slot *slot = rb_match_find_slot(table, hash, key.at, key.length);
    if (!slot)
        return;
    best->without = slot->pattern ? slot->pattern : best->without;
    uint32_t number =
        slot->ports && port ? find_port(index, rb_index_place(kind, (uint64_t) (slot - table->slots), port)) : 0;
    best->with_port = number ? number : best->with_port;
}

static uint32_t better(struct found found)
{
    return found.with_port ? found.with_port : found.without;
}

// A name in lower case, as text and as hash words. The name ends at the end of the buffer.
struct lower_name {
    uint64_t words[(RB_HOST_MAX + RB_WORD - 1) / RB_WORD]; // in memory order: the last word ends the name
    size_t length;
};

static const char *suffix_of(const struct lower_name *name, size_t length)
{
    return (const char *) name->words + sizeof(name->words) - length;
}

// Looks up the suffixes that start at a dot in `word`. `before` bytes of the name follow the word and have the hash
// `hash`; *dots is the number of dots in them.
static void look_up_suffixes(const struct rb_index *index, const struct lower_name *name, uint64_t word, size_t before,
                             uint64_t hash, unsigned *dots, uint16_t port, struct found *best)
{
    // Each dot becomes a zero byte in `other`, and each zero byte becomes 0x80 in `marks`.
    uint64_t other = word ^ rb_word_of('.');
    uint64_t marks = ~(((other & rb_word_of(0x7f)) + rb_word_of(0x7f)) | other | rb_word_of(0x7f));
    while (marks) {
        unsigned bit = 63 - (unsigned) __builtin_clzll(marks);
        marks ^= UINT64_C(1) << bit;
        if (index->suffix_depths & rb_index_depth_bit((*dots)++)) {
            unsigned tail = RB_WORD - 1 - bit / 8;
            size_t length = before + tail;
            struct rb_slice key = {suffix_of(name, length), length};
            match_look_up(index, RB_INDEX_SUFFIXES, rb_hash_finish(hash, rb_word_tail(word, tail), length), key, port,
                          best);
        }
    }
}

// Looks up the name and all its suffixes in one pass from right to left. `name` has 1 to RB_HOST_MAX bytes.
static uint32_t find_name(const struct rb_index *index, struct rb_slice name, uint16_t port)
{
    struct lower_name lower;
    struct found suffix = {0, 0}, exact = {0, 0};
    uint64_t hash = 0, word = 0, *store = lower.words + sizeof(lower.words) / RB_WORD;
    unsigned dots = 0;
    size_t rest = name.length;
    for (;; rest -= RB_WORD) {
        word = rest ? rb_word_load(name.at, name.length, rest) : 0;
        if (rest)
            *--store = htole64(word);
        if (index->suffix_depths)
            look_up_suffixes(index, &lower, word, name.length - rest, hash, &dots, port, &suffix);
        if (rest < RB_WORD)
            break;
        hash = rb_hash_mix(hash, word);
    }
    if (index->tables[RB_INDEX_NAMES].slots) {
        struct rb_slice key = {suffix_of(&lower, name.length), name.length};
        uint64_t whole = rb_hash_finish(hash, rb_word_tail(word, (unsigned) rest), name.length);
        match_look_up(index, RB_INDEX_NAMES, whole, key, port, &exact);
    }
    return better(exact) ? better(exact) : better(suffix);
}

static uint32_t find_prefix(const struct rb_index *index, unsigned which, struct rb_bits address, uint16_t port)
{
    const struct rb_prefix_tree *tree = &index->trees[which];
    const struct rb_prefix *prefix = rb_prefix_find(tree, address);
    uint32_t without = 0;
    for (; prefix && (!without || (prefix->ports_above && port)); prefix = rb_prefix_parent(tree, prefix)) {
        uint64_t place = rb_index_place(RB_INDEX_PLACE_PREFIX4 + which, (uint64_t) (prefix - tree->prefixes), port);
        uint32_t number = prefix->ports && port ? find_port(index, place) : 0;
        if (number)
            return number;
        without = without ? without : prefix->pattern;
    }
    return without;
}

static uint32_t find_address(const struct rb_index *index, const struct rb_target *target)
{
    bool four = target->family == AF_INET;
    struct found exact = {0, 0};
    if (index->tables[RB_INDEX_ADDRESSES].slots) {
        uint8_t address[16] = {0}; // the target's bytes after an IPv4 address are undefined
        memcpy(address, target->address, four ? 4 : 16);
        struct rb_slice key = {(const char *) address, four ? 4 : 16};
        match_look_up(index, RB_INDEX_ADDRESSES, rb_hash_address(four ? 32 : 128, address), key, target->port, &exact);
    }
    if (better(exact))
        return better(exact);
    unsigned which = four ? 0 : 1;
    return index->trees[which].count
               ? find_prefix(index, which, rb_bits_of(target->family, target->address), target->port)
               : 0;
}

static uint32_t find_path(const struct rb_index *index, struct rb_slice path)
{
    struct found exact = {0, 0};
    if (index->tables[RB_INDEX_PATHS].slots)
        match_look_up(index, RB_INDEX_PATHS, rb_hash_name(path.at, path.length), path, 0, &exact);
    for (uint32_t i = 0; i < index->glob_count && !exact.without; i++)
        exact.without = rb_glob_match_slice(index->globs[i].pattern, path) ? index->globs[i].number : 0;
    return exact.without;
}

static uint32_t match_find(const struct rb_index *index, const struct rb_target *target)
{
    if (target->family == AF_UNIX)
        return find_path(index, (struct rb_slice){target->name, target->name_length});
    uint32_t number = 0;
    if (index->tables[RB_INDEX_NAMES].slots || index->tables[RB_INDEX_SUFFIXES].slots) {
        struct rb_slice name = {target->name, target->name ? target->name_length : 0};
        name.length -= name.length > 0 && name.at[name.length - 1] == '.';
        if (name.length > 0 && name.length <= RB_HOST_MAX)
            number = find_name(index, name, target->port);
    }
    if (!number && (target->family == AF_INET || target->family == AF_INET6))
        number = find_address(index, target);
    if (!number && index->any_ports && target->port)
        number = find_port(index, rb_index_place(RB_INDEX_PLACE_ANY, 0, target->port));
    return number ? number : index->any;
}

const struct rb_pattern_record *rb_match_find(const struct rb_index *index, const struct rb_target *target)
{
    uint32_t number = index->count ? match_find(index, target) : 0;
    return number ? &index->records[number - 1] : NULL;
}
