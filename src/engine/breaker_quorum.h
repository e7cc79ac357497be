// SPDX-License-Identifier: MIT
// Counts the processes that saw a host fail. Private to the breaker's files.
#ifndef RB_ENGINE_BREAKER_QUORUM_H
#define RB_ENGINE_BREAKER_QUORUM_H

#include "engine/breaker_data.h"

// Returns true if at least rules->quorum processes were blamed within the window (rb_breaker_quorum_blame), or if the
// quorum is 1. Private to engine/breaker.c.
bool rb_quorum_reached(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint32_t generation,
                       uint64_t now_ms);

// Records which process saw a failed or slow attempt, for the quorum. Call before rb_breaker_record.
//   who: identifies the process; the low 22 bits count
void rb_breaker_quorum_blame(struct rb_breaker *breaker, const struct rb_breaker_rules *rules,
                             const struct rb_permit *permit, uint64_t who, uint64_t now_ms);

#endif
