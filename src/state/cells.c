// SPDX-License-Identifier: MIT
// The table of cells: open addressing within a short neighbourhood.
#include <stddef.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/hash.h"
#include "engine/reading.h"
#include "state/cells.h"
#include "state/label.h"
#include "state/netns.h"
#include "state/shared.h"

// USED_MS: the time of the last use is written once a second, because all processes share its cache line.
enum { NEIGHBOURS = 8, USED_MS = 1000 };

// The number of places for latest results: one page of memory.
enum { RB_RECENT_HOSTS = 512 };

static uint64_t mix_name(uint64_t hash, const char *name, size_t length)
{
    if (length > 0 && name[length - 1] == '.')
        length--;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char) name[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char) (c + ('a' - 'A'));
        hash = rb_hash_bytes(hash, &c, 1);
    }
    return hash;
}

static uint64_t mix_target(uint64_t hash, const struct rb_target *target)
{
    if (target->family == AF_UNIX)
        return rb_hash_bytes(hash, target->name, target->name_length); // a path: case matters
    if (target->name)
        hash = mix_name(hash, target->name, target->name_length);
    else
        hash = rb_hash_bytes(hash, target->address, target->family == AF_INET ? 4 : 16);
    return rb_hash_bytes(hash, &target->port, sizeof(target->port));
}

static uint64_t mix_namespace(uint64_t hash, const struct rb_target *target)
{
    uint64_t namespace = target->family != AF_UNIX ? rb_netns() : 0;
    if (namespace)
        hash = rb_hash_bytes(hash, &namespace, sizeof(namespace));
    return hash ? hash : 1;
}

uint64_t rb_cell_host(const struct rb_target *target)
{
    return mix_namespace(mix_target(RB_HASH_BEGIN, target), target);
}

uint64_t rb_cell_key(const struct rb_section *section, const struct rb_target *target, uint64_t via)
{
    uint64_t hash = rb_hash_bytes(RB_HASH_BEGIN, section->name, strlen(section->name) + 1);
    if (section->rules.breaker_scope == RB_SCOPE_HOST)
        hash = mix_target(hash, target);
    if (via)
        hash = rb_hash_bytes(hash, &via, sizeof(via));
    return mix_namespace(hash, target);
}

static struct rb_cell *cells_neighbour(const struct rb_state *state, uint64_t key, unsigned i)
{
    return &state->cells[((key >> 32 ^ key) + i) % state->cell_count];
}

// Clears a cell that gets a new key. The first store invalidates the names, even if the process dies right after it. A
// process that finds the new key before the cell is cleared loses what it recorded in between.
static void forget(struct rb_cell *cell)
{
    atomic_store(&cell->check, 0);
    rb_breaker_renew(&cell->breaker);
    _Atomic uint64_t *words = (_Atomic uint64_t *) cell, *end = cell->policy;
    for (words += offsetof(struct rb_cell, budget) / sizeof(*words); words < end; words++)
        atomic_store_explicit(words, 0, memory_order_relaxed);
}

static struct rb_cell *cells_claim(struct rb_cell *cell, uint64_t key)
{
    uint64_t nobody = 0;
    if (!atomic_compare_exchange_strong(&cell->key, &nobody, key))
        return nobody == key ? cell : NULL;
    forget(cell);
    return cell;
}

static void move_word(_Atomic uint64_t *from, _Atomic uint64_t *to)
{
    uint64_t value = atomic_exchange_explicit(from, 0, memory_order_relaxed);
    if (value > 0)
        atomic_fetch_add_explicit(to, value, memory_order_relaxed);
}

// Moves the counters of a host that loses its cell to its policy.
static void move_counters(struct rb_host_counters *from, struct rb_host_counters *to)
{
    move_word(&from->calls, &to->calls);
    move_word(&from->retries, &to->retries);
    move_word(&from->failures, &to->failures);
    move_word(&from->unattempted, &to->unattempted);
    move_word(&from->rejected, &to->rejected);
}

// Reassigns the cell to the host of `key`. Returns NULL if another process reassigned it first to another host. Not
// inlined, so that only evictions pay for the large stack frame.
__attribute__((noinline)) static struct rb_cell *cells_reassign(const struct rb_state *state, struct rb_cell *cell,
                                                                uint64_t key)
{
    char policy[RB_STATE_POLICY_SIZE], host[RB_STATE_HOST_SIZE];
    uint64_t before = atomic_load_explicit(&cell->key, memory_order_relaxed);
    struct rb_state_policy *place = rb_label_read_cell(cell, policy, host) ? rb_label_find_policy(state, policy) : NULL;
    if (!atomic_compare_exchange_strong(&cell->key, &before, key))
        return before == key ? cell : NULL;
    if (place)
        move_counters(&cell->counters, &place->rest);
    forget(cell);
    return cell;
}

// Gives the neighbour that was not used for the longest time to the host of `key`. A cell whose breaker is forced or
// not closed stays. A last use too far in the future comes from another clock and counts as never; otherwise the cell
// would stay until that time. Returns NULL if no neighbour can be given.
static struct rb_cell *evict(const struct rb_state *state, uint64_t key, uint64_t now_ms)
{
    struct rb_cell *oldest = NULL;
    uint64_t oldest_ms = UINT64_MAX, latest_ms = rb_arithmetic_add(now_ms, RB_READINGS_APART_MS);
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct rb_cell *cell = cells_neighbour(state, key, i);
        uint64_t used_ms = atomic_load_explicit(&cell->used_ms, memory_order_relaxed);
        if (used_ms > latest_ms)
            used_ms = 0;
        if (used_ms >= oldest_ms || rb_breaker_forced(&cell->breaker) != RB_FORCE_NONE ||
            rb_breaker_peek(&cell->breaker, NULL) != RB_BREAKER_CLOSED)
            continue;
        oldest = cell;
        oldest_ms = used_ms;
    }
    if (oldest)
        oldest = cells_reassign(state, oldest, key);
    atomic_fetch_add_explicit(oldest ? &state->header->evicted : &state->header->crowded, 1, memory_order_relaxed);
    return oldest;
}

static struct rb_cell *cells_find(const struct rb_state *state, uint64_t key, uint64_t now_ms)
{
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct rb_cell *cell = cells_neighbour(state, key, i);
        uint64_t there = atomic_load_explicit(&cell->key, memory_order_acquire);
        if (there == key)
            return cell;
        if (there == 0 && cells_claim(cell, key))
            return cell;
    }
    return evict(state, key, now_ms);
}

static void store_if_other(_Atomic uint64_t *word, uint64_t value)
{
    if (atomic_load_explicit(word, memory_order_relaxed) != value)
        atomic_store_explicit(word, value, memory_order_relaxed);
}

// Writes names and rules, for display. Any process that finds them missing writes them, because the one that claimed
// the cell may have died.
static void cells_describe(struct rb_cell *cell, uint64_t key, const char *policy, const struct rb_rules *rules,
                           const struct rb_target *target)
{
    char host[RB_STATE_HOST_SIZE] = ""; // the state keeps no more
    if (rules->breaker_scope == RB_SCOPE_HOST)
        rb_target_format(target, host, sizeof(host));
    rb_label_write_cell(cell, key, policy, host);
    store_if_other(&cell->rules, rb_state_pack_rules(&rules->breaker));
    store_if_other(&cell->budget_rules, (uint64_t) rules->budget.ratio << 32 | rules->budget.floor_milli);
}

struct rb_cell *rb_cell_in(const struct rb_state *state, uint64_t key, const char *policy, const struct rb_rules *rules,
                           const struct rb_target *target, uint64_t now_ms)
{
    struct rb_cell *cell = cells_find(state, key, now_ms);
    if (!cell)
        return NULL;
    if (now_ms / USED_MS != atomic_load_explicit(&cell->used_ms, memory_order_relaxed) / USED_MS) {
        atomic_store_explicit(&cell->used_ms, now_ms, memory_order_relaxed);
        cells_describe(cell, key, policy, rules, target); // again, because rules change with the policy
    } else if (atomic_load_explicit(&cell->check, memory_order_relaxed) == 0) {
        cells_describe(cell, key, policy, rules, target);
    }
    return cell;
}

struct rb_cell *rb_cell_get(uint64_t key, const char *policy, const struct rb_rules *rules,
                            const struct rb_target *target, uint64_t now_ms)
{
    const struct rb_state *state = rb_shared_attached(); // checked by rb_shared_policy_is_off shortly before
    if (!state)
        state = rb_shared();
    return state ? rb_cell_in(state, key, policy, rules, target, now_ms) : NULL;
}

// The latest results of this process. A child inherits its parent's, which are equally valid.
static struct rb_recent recent[RB_RECENT_HOSTS];

static struct rb_sweep sweep;

static struct rb_recent *recent_of(uint64_t key)
{
    return &recent[key % RB_RECENT_HOSTS];
}

enum rb_ask rb_cell_ask(uint64_t key, uint64_t now_ms)
{
    bool proven = rb_recent_is_success(recent_of(key), key, RB_BREAKER_PROVEN_MS, now_ms);
    return proven ? RB_ASK_PROVEN : RB_ASK_OWN;
}

static const struct rb_keeper keeper = {.owner = rb_shared_self, .check = rb_shared_check};

static void cells_join(struct rb_cell *cell, struct rb_call *call)
{
    if (!cell)
        return;
    call->budget = &cell->budget;
    call->not_before = &cell->not_before;
    call->tenants = &cell->tenants;
    call->keeper = &keeper;
    call->key = atomic_load_explicit(&cell->key, memory_order_relaxed);
    call->recent = recent_of(call->key);
    call->sweep = &sweep;
}

void rb_cell_begin(struct rb_cell *cell, struct rb_call *call, const struct rb_rules *rules, uint64_t total_ms,
                   uint64_t now_ms)
{
    rb_call_begin(call, rules, cell && rules->breaker_on ? &cell->breaker : NULL, cell ? &cell->budget : NULL, total_ms,
                  now_ms);
    cells_join(cell, call);
}

void rb_cell_continue(struct rb_cell *cell, struct rb_call *call, const struct rb_rules *rules, uint64_t total_ms,
                      uint64_t now_ms)
{
    rb_call_begin(call, rules, cell && rules->breaker_on ? &cell->breaker : NULL, NULL, total_ms, now_ms);
    cells_join(cell, call);
}
