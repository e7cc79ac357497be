// SPDX-License-Identifier: MIT
// Reads and writes names with checksums.
#include "state/label.h"

#include <string.h>

#include "base/hash.h"

enum {
    POLICY_WORDS = RB_STATE_WORDS(RB_STATE_POLICY_SIZE),
    HOST_WORDS = RB_STATE_WORDS(RB_STATE_HOST_SIZE),
    NEIGHBOURS = 16
};

struct cell_names {
    char policy[RB_STATE_POLICY_SIZE];
    char host[RB_STATE_HOST_SIZE];
};

void rb_label_write_cell(struct rb_cell *cell, uint64_t key, const char *policy, const char *host)
{
    struct cell_names names;
    rb_state_pad(names.policy, sizeof(names.policy), policy);
    rb_state_pad(names.host, sizeof(names.host), host);
    rb_state_store(cell->policy, POLICY_WORDS, names.policy);
    rb_state_store(cell->host, HOST_WORDS, names.host);
    atomic_store_explicit(&cell->check, rb_state_checksum(key, &names, sizeof(names) / 8), memory_order_release);
}

// The checksum includes the key, so a cell that is reassigned during the read does not match.
bool rb_label_read_cell(const struct rb_cell *cell, char *policy, char *host)
{
    struct cell_names names;
    uint64_t key = atomic_load_explicit(&cell->key, memory_order_acquire);
    uint64_t check = atomic_load_explicit(&cell->check, memory_order_acquire);
    if (key == 0 || check == 0)
        return false;
    rb_state_load(cell->policy, POLICY_WORDS, names.policy);
    rb_state_load(cell->host, HOST_WORDS, names.host);
    if (rb_state_checksum(key, &names, sizeof(names) / 8) != check ||
        !rb_state_is_terminated(names.policy, sizeof(names.policy)) ||
        !rb_state_is_terminated(names.host, sizeof(names.host)))
        return false;
    memcpy(policy, names.policy, sizeof(names.policy));
    memcpy(host, names.host, sizeof(names.host));
    return true;
}

// ---- policies ----

// Returns the hash of the part of the name that is stored.
static uint64_t names_key(const char *name)
{
    uint64_t hash = rb_hash_bytes(RB_HASH_BEGIN, name, strnlen(name, RB_STATE_POLICY_SIZE - 1));
    return hash ? hash : 1;
}

static struct rb_state_policy *names_find(const struct rb_state *state, uint64_t key, bool claims)
{
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct rb_state_policy *place = &state->policies[(key + i) % RB_STATE_POLICIES];
        uint64_t there = atomic_load_explicit(&place->key, memory_order_relaxed);
        bool ours = there == key || (there == 0 && claims && atomic_compare_exchange_strong(&place->key, &there, key));
        if (ours || there == key)
            return place;
    }
    return NULL;
}

// Any process that finds the name missing writes it, because the one that claimed the place may have died.
struct rb_state_policy *rb_label_claim_policy(const struct rb_state *state, const char *name)
{
    uint64_t key = names_key(name);
    struct rb_state_policy *place = names_find(state, key, true);
    if (place && atomic_load_explicit(&place->check, memory_order_relaxed) == 0) {
        char padded[RB_STATE_POLICY_SIZE];
        rb_state_pad(padded, sizeof(padded), name);
        rb_state_store(place->name, POLICY_WORDS, padded);
        atomic_store_explicit(&place->check, rb_state_checksum(key, padded, POLICY_WORDS), memory_order_release);
    }
    return place;
}

struct rb_state_policy *rb_label_find_policy(const struct rb_state *state, const char *name)
{
    return names_find(state, names_key(name), false);
}

bool rb_label_read_policy(const struct rb_state_policy *policy, char *name)
{
    uint64_t key = atomic_load_explicit(&policy->key, memory_order_acquire);
    uint64_t check = atomic_load_explicit(&policy->check, memory_order_acquire);
    rb_state_load(policy->name, POLICY_WORDS, name);
    return key != 0 && check != 0 && rb_state_checksum(key, name, POLICY_WORDS) == check &&
           rb_state_is_terminated(name, RB_STATE_POLICY_SIZE);
}
