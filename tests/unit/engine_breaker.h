// SPDX-License-Identifier: MIT
// What the tests of the circuit breaker share: rules, and attempts that end as soon as they begin.
#ifndef RB_TESTS_ENGINE_BREAKER_H
#define RB_TESTS_ENGINE_BREAKER_H

#include "engine_vectors.h"

#include "engine/breaker.h"
#include "engine/breaker_word.h"

enum { SLOW_CALL_MS = 100 };

static inline struct rb_breaker_rules default_rules(void)
{
    return (struct rb_breaker_rules){
        .window = 10,
        .min_calls = 5,
        .failure_rate = 5000,
        .slow_rate = 10000,
        .slow_call_ms = SLOW_CALL_MS,
        .open_ms = 5000,
        .open_multiplier_milli = 1000,
        .open_max_ms = 300000,
        .probes = 3,
        .probe_lease_ms = 1000,
        .refuse = RB_REFUSE_ALWAYS,
    };
}

// As many failures open the breaker, and as many successful probes close it.
static inline struct rb_breaker_rules rules_that_open(uint32_t failures, uint32_t probes)
{
    struct rb_breaker_rules rules = default_rules();
    rules.window = rules.min_calls = failures;
    rules.probes = probes;
    return rules;
}

static inline const char *state_word(const struct rb_breaker *breaker)
{
    static const char *const words[] = {"CLOSED", "OPEN", "HALF_OPEN"};
    return words[rb_breaker_peek(breaker, NULL)];
}

static inline bool attempt(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, enum rb_health health,
                           uint64_t took_ms, uint64_t now_ms, uint32_t draw)
{
    struct rb_permit permit;
    if (!rb_breaker_acquire(breaker, rules, RB_ASK_OWN, now_ms, &permit, NULL))
        return false;
    rb_breaker_record(breaker, rules, &permit, health, took_ms, now_ms, draw);
    return true;
}

// Closes an open breaker by as many successes as it asks for; returns the time at which it closed.
static inline uint64_t recover(struct rb_breaker *breaker, const struct rb_breaker_rules *rules)
{
    uint64_t now_ms;
    assert_int_equal(rb_breaker_peek(breaker, &now_ms), RB_BREAKER_OPEN);
    for (uint32_t probe = 0; probe < rules->probes; probe++)
        assert_true(attempt(breaker, rules, RB_HEALTH_SUCCESS, 0, now_ms, 0));
    assert_string_equal(state_word(breaker), "CLOSED");
    return now_ms;
}

#endif
