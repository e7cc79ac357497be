// SPDX-License-Identifier: MIT
// Which processes saw a breaker's host fail.
#ifndef RB_ENGINE_BREAKER_QUORUM_H
#define RB_ENGINE_BREAKER_QUORUM_H

#include "engine/breaker_data.h"

// For engine/breaker.c: true when at least rules->quorum processes were blamed within the window (rb_breaker_blame), or it asks for one.
bool rb_quorum_reached(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint32_t generation,
                       uint64_t now_ms);

// Before rb_breaker_record, for a failed or slow attempt under a quorum: whose it was.
//   who: tells processes apart, 22 bits of it count
void rb_breaker_blame(struct rb_breaker *breaker, const struct rb_breaker_rules *rules, const struct rb_permit *permit,
                      uint64_t who, uint64_t now_ms);

#endif
