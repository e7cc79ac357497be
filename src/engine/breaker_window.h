// SPDX-License-Identifier: MIT
// The breaker's window of outcomes: the last N attempts, or the attempts of the last N seconds (rules->time_window).
// Private to the breaker's files.
#ifndef RB_ENGINE_BREAKER_WINDOW_H
#define RB_ENGINE_BREAKER_WINDOW_H

#include "engine/breaker_data.h"

// Counts of the outcomes in the window.
struct rb_window_counts {
    uint64_t calls;
    uint64_t failed;
    uint64_t slow;
    bool instant; // at least one failure took less than RB_BREAKER_COSTLY_MS
};

// One attempt as stored in the window.
struct rb_window_outcome {
    bool failed;
    bool slow;
    bool instant; // the attempt failed in less than RB_BREAKER_COSTLY_MS
};

// Records an outcome, if the breaker is closed and still has this generation. Otherwise records nothing and returns
// false: the breaker has changed its state since the attempt was admitted.
bool rb_window_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                      uint32_t generation, struct rb_window_outcome outcome);

// Counts the outcomes of this generation that are in the window at now_ms. No sums are stored, because a sum would stay
// wrong if a process died after it changed the window and before it changed the sum.
struct rb_window_counts rb_window_count(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                        uint64_t now_ms, uint32_t generation);

// Clears the window as long as the state word is `from`. Stops and returns false if another process changes the state,
// so that outcomes of the next generation are kept. No outcome is lost if `from` is half-open, because outcomes are
// recorded only while the breaker is closed. A writer first claims a place in the window and then writes its outcome
// there. Until the outcome is written, the cleared place counts as a success.
bool rb_window_clear(struct rb_breaker *breaker, uint64_t from);

#endif
