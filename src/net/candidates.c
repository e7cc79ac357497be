// SPDX-License-Identifier: MIT
// The latest non-blocking connects to literal addresses, and the addresses that were followed by another one.
#include "net/candidates.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "engine/stamp.h"

enum { PLACES = 16, PORT_BITS = 16 };

// What happened to a recent connect, in the low bits of its time.
enum { CONNECT_FAILED = 1, CONNECT_FOLLOWED = 2, TIME_SHIFT = 2 };

// A recent connect, at the place of its number. The two words are written one after the other. A reader that finds the
// words of two connects may misjudge one of them; then this connect is repeated or not repeated wrongly.
struct recent_connect {
    _Atomic uint64_t key;  // a hash of the address, with the port in the low bits
    _Atomic uint64_t when; // when it began, in milliseconds << TIME_SHIFT | what happened
};

static struct recent_connect connects[PLACES];
static _Atomic uint64_t begun; // the number of connects so far

static _Atomic uint64_t followed[PLACES]; // as in engine/stamp.h, at the place that the hash gives

static uint64_t candidates_load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static struct recent_connect *connect_at(uint64_t number)
{
    return &connects[number % PLACES];
}

static uint64_t began_ms_of(uint64_t number)
{
    return candidates_load(&connect_at(number)->when) >> TIME_SHIFT;
}

static _Atomic uint64_t *followed_at(uint64_t key)
{
    return &followed[rb_hash_word(key) % PLACES];
}

// Returns true if the program tries the address of `key` before that of the connect `number`, by the order of the first
// connects to each of the two. Then a further connect to `key` begins a new round through the addresses, and does not
// follow the connect `number`.
static bool comes_before(uint64_t key, uint64_t number, uint64_t oldest)
{
    uint64_t own = candidates_load(&connect_at(number)->key), began_ms = began_ms_of(number);
    for (uint64_t i = oldest; i < number; i++) {
        uint64_t found = candidates_load(&connect_at(i)->key);
        if ((found == key || found == own) && began_ms - began_ms_of(i) <= RB_CANDIDATES_MS)
            return found == key;
    }
    return false;
}

// Marks the recent connects that the new one follows.
static void mark_followed(uint64_t next, uint64_t now_ms)
{
    uint64_t last = candidates_load(&begun), oldest = last > PLACES ? last - PLACES + 1 : 1;
    for (uint64_t number = oldest; number <= last; number++) {
        struct recent_connect *place = connect_at(number);
        uint64_t key = candidates_load(&place->key);
        bool is_other = key != next && (key ^ next) % (1 << PORT_BITS) == 0; // another address, the same port
        if (!is_other || now_ms - began_ms_of(number) > RB_CANDIDATES_MS || comes_before(next, number, oldest))
            continue;
        uint64_t before = atomic_fetch_or_explicit(&place->when, CONNECT_FOLLOWED, memory_order_relaxed);
        if (before & CONNECT_FAILED)
            atomic_store_explicit(followed_at(key), rb_stamp_pack(rb_hash_word(key), now_ms), memory_order_relaxed);
    }
}

struct rb_candidate rb_candidates_begin(const struct rb_target *target, uint64_t now_ms)
{
    uint64_t address = rb_hash_address((unsigned) target->family, target->address);
    struct rb_candidate next = {.key = address << PORT_BITS | target->port, .began_ms = now_ms};
    mark_followed(next.key, now_ms);
    next.number = atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed) + 1;
    atomic_store_explicit(&connect_at(next.number)->key, next.key, memory_order_relaxed);
    atomic_store_explicit(&connect_at(next.number)->when, now_ms << TIME_SHIFT, memory_order_relaxed);
    return next;
}

// Returns the place of the connect; NULL if it has none, or if a newer connect has taken the place.
static struct recent_connect *place_of(const struct rb_candidate *candidate)
{
    bool is_there = candidate->number > 0 && candidates_load(&connect_at(candidate->number)->key) == candidate->key &&
                    began_ms_of(candidate->number) == candidate->began_ms;
    return is_there ? connect_at(candidate->number) : NULL;
}

void rb_candidates_failed(const struct rb_candidate *candidate)
{
    struct recent_connect *place = place_of(candidate);
    if (place)
        atomic_fetch_or_explicit(&place->when, CONNECT_FAILED, memory_order_relaxed);
}

bool rb_candidates_is_followed(const struct rb_candidate *candidate, uint64_t now_ms)
{
    if (candidate->number == 0)
        return false;
    const struct recent_connect *place = place_of(candidate);
    uint64_t word = candidates_load(followed_at(candidate->key));
    bool was_followed =
        rb_stamp_is_of(word, rb_hash_word(candidate->key)) && now_ms - rb_stamp_ms(word) <= RB_CANDIDATES_KEPT_MS;
    return was_followed || (place && candidates_load(&place->when) & CONNECT_FOLLOWED);
}
