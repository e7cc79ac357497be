// SPDX-License-Identifier: MIT
// Offsets and sizes of the parts, the header, and texts and rules as words.
#include "state/layout.h"

#include <assert.h>
#include <string.h>

#include "base/escape.h"
#include "base/hash.h"

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared memory needs lock-free 64-bit atomics");

uint64_t rb_duration_bound_ms(unsigned bucket)
{
    static const uint32_t bounds[RB_DURATION_BUCKETS - 1] = {1,   2,    5,    10,   25,    50,    100,  250,
                                                             500, 1000, 2500, 5000, 10000, 30000, 60000};
    return bucket < RB_DURATION_BUCKETS - 1 ? bounds[bucket] : UINT64_MAX;
}

// ---- parts ----

static const uint64_t part_sizes[] = {
    sizeof(struct rb_state_header),
    sizeof(_Atomic uint64_t) * RB_STATE_PROCESSES,
    sizeof(struct rb_state_policy) * RB_STATE_POLICIES,
    sizeof(struct rb_counters) * RB_STATE_POLICIES *RB_STATE_STRIPES,
    sizeof(struct rb_state_event) * RB_STATE_EVENTS,
};

enum { PARTS = sizeof(part_sizes) / sizeof(part_sizes[0]) }; // the cells follow

static uint64_t offset_of(unsigned part)
{
    uint64_t offset = 0;
    for (unsigned i = 0; i < part; i++)
        offset += part_sizes[i];
    return offset;
}

uint64_t rb_state_size(uint32_t cells)
{
    return offset_of(PARTS) + sizeof(struct rb_cell) * (uint64_t) cells;
}

void rb_state_parts(struct rb_state *state, void *memory, uint32_t cells)
{
    char *base = memory;
    *state = (struct rb_state){
        .header = memory,
        .processes = (void *) (base + offset_of(1)),
        .policies = (void *) (base + offset_of(2)),
        .counters = (void *) (base + offset_of(3)),
        .events = (void *) (base + offset_of(4)),
        .cells = (void *) (base + offset_of(PARTS)),
        .cell_count = cells,
    };
}

// ---- header ----

static uint64_t sized(uint64_t bytes, uint64_t count)
{
    return bytes | count << 32;
}

void rb_state_describe(struct rb_state_constants *constants, uint32_t cells)
{
    constants->magic = RB_STATE_MAGIC;
    constants->version = RB_STATE_VERSION;
    constants->sizes[0] = sized(sizeof(struct rb_state_header), 1);
    constants->sizes[1] = sized(sizeof(_Atomic uint64_t), RB_STATE_PROCESSES);
    constants->sizes[2] = sized(sizeof(struct rb_state_policy), RB_STATE_POLICIES);
    constants->sizes[3] = sized(sizeof(struct rb_counters), (uint64_t) RB_STATE_POLICIES * RB_STATE_STRIPES);
    constants->sizes[4] = sized(sizeof(struct rb_state_event), RB_STATE_EVENTS);
    constants->sizes[5] = sized(sizeof(struct rb_cell), cells);
    constants->size = rb_state_size(cells);
    constants->checksum = rb_state_checksum(0, constants, offsetof(struct rb_state_constants, checksum) / 8);
}

enum rb_state_fault rb_state_examine(const struct rb_state_constants *constants, uint64_t file_size, uint32_t *cells)
{
    struct rb_state_constants here = *constants, right;
    if (here.magic == RB_STATE_MAGIC && here.version != RB_STATE_VERSION)
        return RB_STATE_OTHER_VERSION;
    uint64_t count = here.sizes[5] >> 32;
    if (count < RB_CELLS_MIN || count > RB_CELLS_MAX)
        return RB_STATE_DAMAGED;
    rb_state_describe(&right, (uint32_t) count);
    if (memcmp(&here, &right, sizeof(here)) != 0 || file_size != right.size)
        return RB_STATE_DAMAGED;
    *cells = (uint32_t) count;
    return RB_STATE_SOUND;
}

static void clear(_Atomic uint64_t *words, size_t bytes)
{
    for (size_t i = 0; i < bytes / 8; i++)
        atomic_store_explicit(&words[i], 0, memory_order_relaxed);
}

void rb_state_reset(const struct rb_state *state, uint64_t now_s)
{
    for (uint32_t i = 0; i < state->cell_count; i++) {
        struct rb_cell *cell = &state->cells[i];
        atomic_store(&cell->key, 0); // first, so that no process finds a half-cleared cell
        rb_breaker_renew(&cell->breaker);
        clear(&cell->used_ms, offsetof(struct rb_cell, breaker) - offsetof(struct rb_cell, used_ms));
        clear(&cell->budget.floor, sizeof(*cell) - offsetof(struct rb_cell, budget));
    }
    clear(&state->policies->key, part_sizes[2]);
    clear(state->counters->values, part_sizes[3]);
    clear(&state->events->number, part_sizes[4]);
    clear(&state->header->event_lost,
          offsetof(struct rb_state_header, secret) - offsetof(struct rb_state_header, event_lost));
    atomic_store(&state->header->created_s, now_s);
}

// ---- words ----

void rb_state_store(_Atomic uint64_t *to, unsigned words, const void *from)
{
    const char *at = from;
    for (unsigned i = 0; i < words; i++, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        atomic_store_explicit(&to[i], word, memory_order_relaxed);
    }
}

void rb_state_load(const _Atomic uint64_t *from, unsigned words, void *to)
{
    char *at = to;
    for (unsigned i = 0; i < words; i++, at += 8) {
        uint64_t word = atomic_load_explicit(&from[i], memory_order_relaxed);
        memcpy(at, &word, 8);
    }
}

static uint64_t mixed(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0xc6a4a7935bd1e995u;
    return sum ^ sum >> 47;
}

uint64_t rb_state_checksum(uint64_t seed, const void *bytes, unsigned words)
{
    uint64_t sum = mixed(RB_HASH_BEGIN, seed);
    const char *at = bytes;
    for (unsigned i = 0; i < words; i++, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum = mixed(sum, word);
    }
    return sum ? sum : 1;
}

void rb_state_pad(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    if (text[length])
        length = rb_escape_whole(text, length);
    memset(out, 0, size);
    memcpy(out, text, length);
}

bool rb_state_is_terminated(const char *bytes, size_t size)
{
    return memchr(bytes, '\0', size) != NULL;
}

// Packed: window 11 bits, time_window 1, min_calls 14, failure rate 14, probes - 1 4, quorum - 1 4, refuse 2, slow rate
// 14.
uint64_t rb_state_pack_rules(const struct rb_breaker_rules *rules)
{
    return (uint64_t) (rules->window & 0x7ff) | (uint64_t) rules->time_window << 11 |
           (uint64_t) (rules->min_calls & 0x3fff) << 12 | (uint64_t) (rules->failure_rate & 0x3fff) << 26 |
           (uint64_t) ((rules->probes - 1) & 0xf) << 40 | (uint64_t) ((rules->quorum - 1) & 0xf) << 44 |
           (uint64_t) (rules->refuse & 3) << 48 | (uint64_t) (rules->slow_rate & 0x3fff) << 50;
}

struct rb_breaker_rules rb_state_unpack_rules(uint64_t word)
{
    return (struct rb_breaker_rules){
        .window = (uint32_t) word & 0x7ff,
        .time_window = word >> 11 & 1,
        .min_calls = (uint32_t) (word >> 12) & 0x3fff,
        .failure_rate = (uint32_t) (word >> 26) & 0x3fff,
        .probes = ((uint32_t) (word >> 40) & 0xf) + 1,
        .quorum = ((uint32_t) (word >> 44) & 0xf) + 1,
        .refuse = (enum rb_breaker_refuse)(word >> 48 & 3),
        .slow_rate = (uint32_t) (word >> 50) & 0x3fff,
    };
}
