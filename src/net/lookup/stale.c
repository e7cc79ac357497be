// SPDX-License-Identifier: MIT
// A table of answers by key. Each key may be in a few neighbouring entries; each entry has a sequence lock.
//
// The words of an entry are stored with release and loaded with acquire instead of using fences. So a reader that sees
// a new word also sees the odd sequence number that was stored before.
#include "net/lookup/stale.h"

#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"
#include "base/slice.h"

enum { NEIGHBOURS = 4 };

// A key with its answer, without padding.
struct record {
    uint64_t hash; // of the key, never 0
    int32_t kind, family, flags, unused;
    char node[RB_NAME_SIZE]; // lower case, padded with zeros
    struct rb_stale_answer answer;
};

enum { WORDS = sizeof(struct record) / sizeof(uint64_t) };

_Static_assert(sizeof(struct record) % sizeof(uint64_t) == 0, "a record is copied by words");

struct entry {
    _Atomic uint32_t sequence; // odd while the entry is being written
    _Atomic uint32_t order;    // value of `written`, to find the oldest entry
    _Atomic uint64_t words[WORDS];
};

static struct entry entries[RB_STALE_ANSWERS];
static _Atomic uint32_t written; // entries ever written

static uint64_t stale_hash_of(const struct record *record)
{
    uint64_t hash = rb_hash_bytes(RB_HASH_BEGIN, &record->kind, sizeof record->kind);
    hash = rb_hash_bytes(hash, &record->family, sizeof record->family);
    hash = rb_hash_bytes(hash, &record->flags, sizeof record->flags);
    hash = rb_hash_bytes(hash, record->node, strlen(record->node));
    return hash ? hash : 1;
}

// Fills in the key. Returns false when the node is too long.
static bool stale_ask(struct record *record, const struct rb_stale_key *key)
{
    size_t length = strnlen(key->node, sizeof record->node);
    if (length == sizeof record->node)
        return false;
    *record = (struct record){.kind = key->kind, .family = key->family, .flags = key->flags};
    for (size_t i = 0; i < length; i++)
        record->node[i] = rb_text_lower(key->node[i]);
    record->hash = stale_hash_of(record);
    return true;
}

static struct entry *stale_neighbour(const struct record *record, unsigned i)
{
    return &entries[((record->hash >> 32 ^ record->hash) + i) % RB_STALE_ANSWERS];
}

static uint64_t hash_in(const struct entry *entry)
{
    return atomic_load_explicit(&entry->words[0], memory_order_acquire);
}

// Returns the entry to overwrite: the one with this key, else a free one, else the oldest. Only hashes are compared
// here; a collision costs one answer.
static struct entry *stale_place_for(const struct record *record)
{
    struct entry *best = NULL;
    uint32_t now = atomic_load_explicit(&written, memory_order_relaxed), best_age = 0;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct entry *entry = stale_neighbour(record, i);
        uint64_t hash = hash_in(entry);
        uint32_t age = hash ? now - atomic_load_explicit(&entry->order, memory_order_relaxed) : UINT32_MAX;
        if (hash == record->hash)
            return entry;
        if (!best || age > best_age) {
            best = entry;
            best_age = age;
        }
    }
    return best;
}

void rb_stale_put(const struct rb_stale_key *key, const struct rb_stale_answer *answer)
{
    struct record record;
    uint64_t words[WORDS];
    if (!stale_ask(&record, key))
        return;
    record.answer = *answer;
    memcpy(words, &record, sizeof words);
    struct entry *entry = stale_place_for(&record);
    uint32_t sequence = atomic_load_explicit(&entry->sequence, memory_order_relaxed);
    if (sequence & 1 || !atomic_compare_exchange_strong(&entry->sequence, &sequence, sequence + 1))
        return;
    for (unsigned i = 0; i < WORDS; i++)
        atomic_store_explicit(&entry->words[i], words[i], memory_order_release);
    uint32_t order = atomic_fetch_add_explicit(&written, 1, memory_order_relaxed);
    atomic_store_explicit(&entry->order, order, memory_order_relaxed);
    atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
}

static bool same_question(const struct record *a, const struct record *b)
{
    return memcmp(a, b, offsetof(struct record, answer)) == 0;
}

static bool stale_read_entry(const struct entry *entry, const struct record *question, struct rb_stale_answer *answer)
{
    struct record record;
    uint64_t words[WORDS];
    uint32_t before = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (before & 1 || hash_in(entry) != question->hash)
        return false;
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = atomic_load_explicit(&entry->words[i], memory_order_acquire);
    if (atomic_load_explicit(&entry->sequence, memory_order_relaxed) != before)
        return false;
    memcpy(&record, words, sizeof record);
    *answer = record.answer;
    return same_question(&record, question);
}

bool rb_stale_get(const struct rb_stale_key *key, uint64_t now_ms, uint64_t max_age_ms, struct rb_stale_answer *answer)
{
    struct record question;
    if (atomic_load_explicit(&written, memory_order_relaxed) == 0 || !stale_ask(&question, key))
        return false;
    for (unsigned i = 0; i < NEIGHBOURS; i++)
        if (stale_read_entry(stale_neighbour(&question, i), &question, answer))
            return now_ms >= answer->learned_ms && now_ms - answer->learned_ms <= max_age_ms;
    return false;
}
