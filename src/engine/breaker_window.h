// SPDX-License-Identifier: MIT
// The breaker's window of outcomes. For the breaker's own files.
#ifndef RB_ENGINE_BREAKER_WINDOW_H
#define RB_ENGINE_BREAKER_WINDOW_H

#include "engine/breaker_data.h"

struct rb_window_counts {
    uint64_t calls;
    uint64_t failed;
    uint64_t slow;
    bool instant; // at least one failure took less than RB_BREAKER_COSTLY_MS
};

// What the window keeps of one attempt.
struct rb_window_outcome {
    bool failed;
    bool slow;
    bool instant; // it failed in less than RB_BREAKER_COSTLY_MS
};

// Records an outcome of the closed state with this generation. Returns false when that has passed.
bool rb_window_record(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint64_t now_ms,
                      uint32_t generation, struct rb_window_outcome outcome);

// What the window holds of this generation at now_ms. Counted from the window each time: a running sum would drift with
// every process that dies between two steps.
struct rb_window_counts rb_window_count(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                                        uint64_t now_ms, uint32_t generation);

// Clears the window while the state word is `from` (half-open: nobody records), so that a place which was claimed in
// the next generation and not yet written, or never, holds a success and nothing old. Returns false, and stops, as soon
// as the state is another: outcomes of the new generation are not touched.
bool rb_window_clear(struct rb_breaker *breaker, uint64_t from);

#endif
