// SPDX-License-Identifier: MIT
// The breaker's window of outcomes: the last calls as rings of bits, or the last seconds as buckets of counts.
//
// A word that belongs to a generation (head, bucket) is read before the state is checked and swapped afterwards. If a
// newer generation wrote the word in between, the swap fails, so a delayed writer cannot overwrite newer data. One
// error remains: a writer that stalls between claiming its index and setting its bit can change one outcome of a newer
// generation.
#include "engine/breaker_window.h"

#include <assert.h>
#include <stddef.h>

#include "base/arithmetic.h"
#include "engine/breaker_word.h"

enum { SECOND_MS = 1000, WORD_BITS = 64 };
enum { RING_WORDS = RB_BREAKER_MAX_CALLS / WORD_BITS, BUCKETS = RB_BREAKER_MAX_SECONDS + 4 };

static_assert(3 * RING_WORDS <= BUCKETS, "clearing the buckets clears the rings");

// ---- window of calls: head claims an index, three rings of bits hold the outcomes ----

static uint32_t head_generation(uint64_t head)
{
    return (uint32_t) head & RB_GENERATION_MASK;
}

static uint64_t head_count(uint64_t head)
{
    return head >> 16;
}

// Most bits already have the value, so a load avoids most of the locked instructions.
static void put_bit(_Atomic uint64_t *ring, uint32_t index, bool value)
{
    uint64_t bit = UINT64_C(1) << index % WORD_BITS;
    if (!(atomic_load(&ring[index / WORD_BITS]) & bit) == !value)
        return;
    if (value)
        atomic_fetch_or(&ring[index / WORD_BITS], bit);
    else
        atomic_fetch_and(&ring[index / WORD_BITS], ~bit);
}

// Most words are 0. The check avoids a call on processors without a popcount instruction.
static uint64_t ones(uint64_t word)
{
    return word ? (uint64_t) __builtin_popcountll(word) : 0;
}

static uint64_t count_bits(const _Atomic uint64_t *ring, uint32_t bits)
{
    uint64_t total = 0;
    for (; bits >= WORD_BITS; bits -= WORD_BITS)
        total += ones(atomic_load(ring++));
    return bits == 0 ? total : total + ones(atomic_load(ring) & ((UINT64_C(1) << bits) - 1));
}

static bool is_closed(const struct rb_breaker *breaker, uint32_t generation)
{
    struct rb_breaker_word state = rb_breaker_word_unpack(atomic_load(&breaker->state));
    return state.name == RB_BREAKER_CLOSED && state.generation == generation;
}

static bool record_call(struct rb_breaker *breaker, uint32_t window, uint32_t generation,
                        struct rb_window_outcome outcome)
{
    uint64_t head = atomic_load(&breaker->head);
    uint64_t count;
    do {
        if (!is_closed(breaker, generation))
            return false;
        count = head_generation(head) == generation ? head_count(head) : 0;
    } while (!atomic_compare_exchange_weak(&breaker->head, &head, (count + 1) << 16 | generation));
    uint32_t index = (uint32_t) (count % window);
    put_bit(breaker->window.calls.failed, index, outcome.failed);
    put_bit(breaker->window.calls.slow, index, outcome.slow);
    put_bit(breaker->window.calls.instant, index, outcome.instant);
    return true;
}

// Bits at or above the count belong to earlier generations. If a reload enlarged the window, places that were never
// written count as successes until the ring has wrapped once.
static struct rb_window_counts count_calls(const struct rb_breaker *breaker, uint32_t window, uint32_t generation)
{
    uint64_t head = atomic_load(&breaker->head);
    struct rb_window_counts counts = {0};
    if (head_generation(head) != generation)
        return counts;
    counts.calls = rb_arithmetic_min(head_count(head), window);
    counts.failed = count_bits(breaker->window.calls.failed, (uint32_t) counts.calls);
    counts.slow = count_bits(breaker->window.calls.slow, (uint32_t) counts.calls);
    counts.instant = count_bits(breaker->window.calls.instant, (uint32_t) counts.calls) > 0;
    return counts;
}

// ---- window of seconds: tag of the second 15 bits, of the generation 6, an instant failure 1, three counts of 14 ----

enum {
    BUCKET_COUNT_BITS = 14,
    BUCKET_COUNT_MAX = (1 << BUCKET_COUNT_BITS) - 1,
    BUCKET_INSTANT_SHIFT = 3 * BUCKET_COUNT_BITS,
    BUCKET_TAG_SHIFT = BUCKET_INSTANT_SHIFT + 1
};

static uint64_t bucket_tag(uint64_t second, uint32_t generation)
{
    return ((second / BUCKETS) & 0x7fff) << 49 | (uint64_t) (generation & 63) << BUCKET_TAG_SHIFT;
}

static bool has_tag(uint64_t bucket, uint64_t tag)
{
    return bucket >> BUCKET_TAG_SHIFT == tag >> BUCKET_TAG_SHIFT;
}

static struct rb_window_counts bucket_counts(uint64_t bucket)
{
    return (struct rb_window_counts){
        .calls = bucket & BUCKET_COUNT_MAX,
        .failed = bucket >> BUCKET_COUNT_BITS & BUCKET_COUNT_MAX,
        .slow = bucket >> (2 * BUCKET_COUNT_BITS) & BUCKET_COUNT_MAX,
        .instant = bucket >> BUCKET_INSTANT_SHIFT & 1,
    };
}

// A full bucket is halved, which keeps the rates. If its counts stopped growing, later outcomes of the second would be
// lost.
static uint64_t add_to_bucket(uint64_t bucket, uint64_t tag, struct rb_window_outcome outcome)
{
    struct rb_window_counts counts = has_tag(bucket, tag) ? bucket_counts(bucket) : (struct rb_window_counts){0};
    if (counts.calls == BUCKET_COUNT_MAX)
        counts = (struct rb_window_counts){counts.calls / 2, counts.failed / 2, counts.slow / 2, counts.instant};
    bool instant = counts.instant || outcome.instant;
    return tag | (counts.calls + 1) | (counts.failed + outcome.failed) << BUCKET_COUNT_BITS |
           (counts.slow + outcome.slow) << (2 * BUCKET_COUNT_BITS) | (uint64_t) instant << BUCKET_INSTANT_SHIFT;
}

// Buckets overwrite the rings. If a reload changes the kind of window and another one changes it back, the rings must
// not count any more in this generation. So head gets another generation.
static bool record_second(struct rb_breaker *breaker, uint64_t now_ms, uint32_t generation,
                          struct rb_window_outcome outcome)
{
    uint64_t second = now_ms / SECOND_MS;
    _Atomic uint64_t *bucket = &breaker->window.seconds[second % BUCKETS];
    uint64_t old = atomic_load(bucket), head = atomic_load(&breaker->head);
    uint64_t new;
    if (head_generation(head) == generation)
        atomic_compare_exchange_strong(&breaker->head, &head, (generation + 1) & RB_GENERATION_MASK);
    do {
        if (!is_closed(breaker, generation))
            return false;
        new = add_to_bucket(old, bucket_tag(second, generation), outcome);
    } while (!atomic_compare_exchange_weak(bucket, &old, new));
    return true;
}

static struct rb_window_counts count_seconds(const struct rb_breaker *breaker, uint32_t window, uint64_t now_ms,
                                             uint32_t generation)
{
    struct rb_window_counts total = {0};
    uint64_t now_s = now_ms / SECOND_MS;
    for (uint64_t age = 0; age < window && age <= now_s; age++) {
        uint64_t bucket = atomic_load(&breaker->window.seconds[(now_s - age) % BUCKETS]);
        if (!has_tag(bucket, bucket_tag(now_s - age, generation)))
            continue;
        struct rb_window_counts counts = bucket_counts(bucket);
        total.calls += counts.calls;
        total.failed += counts.failed;
        total.slow += counts.slow;
        total.instant = total.instant || counts.instant;
    }
    return total;
}

// ---- the interface ----

bool rb_window_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                      uint32_t generation, struct rb_window_outcome outcome)
{
    if (rules->time_window)
        return record_second(breaker, now_ms, generation, outcome);
    return record_call(breaker, rb_rules_within(rules->window, RB_BREAKER_MAX_CALLS), generation, outcome);
}

struct rb_window_counts rb_window_count(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                        uint64_t now_ms, uint32_t generation)
{
    if (rules->time_window)
        return count_seconds(breaker, rb_rules_within(rules->window, RB_BREAKER_MAX_SECONDS), now_ms, generation);
    return count_calls(breaker, rb_rules_within(rules->window, RB_BREAKER_MAX_CALLS), generation);
}

bool rb_window_clear(struct rb_breaker *breaker, uint64_t from)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        if (atomic_load(&breaker->state) != from)
            return false;
        atomic_store(&breaker->window.seconds[i], 0);
    }
    return true;
}
