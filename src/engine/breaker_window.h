// SPDX-License-Identifier: MIT
// The breaker's window of outcomes. Private to the breaker's files.
#ifndef RB_ENGINE_BREAKER_WINDOW_H
#define RB_ENGINE_BREAKER_WINDOW_H

#include "engine/breaker_data.h"

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
    bool instant; // it failed in less than RB_BREAKER_COSTLY_MS
};

// Records an outcome of the closed state with this generation. Returns false if the breaker has left that generation.
bool rb_window_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                      uint32_t generation, struct rb_window_outcome outcome);

// Counts the outcomes of this generation in the window at now_ms. The window is counted each time: a stored sum would
// become wrong whenever a process dies between two steps.
struct rb_window_counts rb_window_count(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                        uint64_t now_ms, uint32_t generation);

// Clears the window while the state word is `from` (half-open: no process records). Afterwards a place that is claimed
// in the next generation but not yet written counts as a success. Returns false and stops if the state changes, so that
// outcomes of the new generation are kept.
bool rb_window_clear(struct rb_breaker *breaker, uint64_t from);

#endif
