// SPDX-License-Identifier: MIT
// Stores answers in a table whose entries are guarded by sequence locks (base/seqlock.h).
#include "net/lookup/stale.h"

#include <string.h>

#include "base/hash.h"
#include "base/seqlock.h"
#include "base/slice.h"

// A key with its answer, without padding.
struct record {
    uint64_t hash; // of the key, never 0
    int32_t kind, family, flags, unused;
    char node[RB_NAME_SIZE]; // lower case, padded with zeros
    struct rb_stale_answer answer;
};

enum {
    WORDS = sizeof(struct record) / sizeof(uint64_t),
    KEY_WORDS = offsetof(struct record, answer) / sizeof(uint64_t)
};

_Static_assert(sizeof(struct record) % sizeof(uint64_t) == 0 && offsetof(struct record, answer) % sizeof(uint64_t) == 0,
               "record and key are copied by words");

static struct entry {
    struct rb_seqlock lock;
    _Atomic uint64_t words[WORDS];
} entries[RB_STALE_ANSWERS];
static _Atomic uint32_t written; // entries ever written
static const struct rb_seqlock_table answers = {&entries[0].lock, &written, RB_STALE_ANSWERS, WORDS, KEY_WORDS};

// A record as an array of words, which the functions of base/seqlock.h copy.
union record_words {
    struct record record;
    uint64_t words[WORDS];
};

static uint64_t stale_hash_of(const struct record *record)
{
    uint64_t hash = rb_hash_bytes(RB_HASH_BEGIN, &record->kind, sizeof(record->kind));
    hash = rb_hash_bytes(hash, &record->family, sizeof(record->family));
    hash = rb_hash_bytes(hash, &record->flags, sizeof(record->flags));
    hash = rb_hash_bytes(hash, record->node, strlen(record->node));
    return hash ? hash : 1;
}

// Fills in the key. Returns false when the node is too long.
static bool stale_ask(struct record *record, const struct rb_stale_key *key)
{
    size_t length = strnlen(key->node, sizeof(record->node));
    if (length == sizeof(record->node))
        return false;
    *record = (struct record){.kind = key->kind, .family = key->family, .flags = key->flags};
    for (size_t i = 0; i < length; i++)
        record->node[i] = rb_char_lower(key->node[i]);
    record->hash = stale_hash_of(record);
    return true;
}

void rb_stale_put(const struct rb_stale_key *key, const struct rb_stale_answer *answer)
{
    union record_words put;
    if (!stale_ask(&put.record, key))
        return;
    put.record.answer = *answer;
    rb_seqlock_put(&answers, put.record.hash, put.words);
}

bool rb_stale_get(const struct rb_stale_key *key, uint64_t now_ms, uint64_t max_age_ms, struct rb_stale_answer *answer)
{
    union record_words question, found;
    if (atomic_load_explicit(&written, memory_order_relaxed) == 0 || !stale_ask(&question.record, key) ||
        !rb_seqlock_find(&answers, question.record.hash, question.words, found.words))
        return false;
    *answer = found.record.answer;
    return now_ms >= answer->learned_ms && now_ms - answer->learned_ms <= max_age_ms;
}
