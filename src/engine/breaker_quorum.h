// SPDX-License-Identifier: MIT
// Which processes saw a breaker's host fail. For the breaker's own files.
#ifndef RB_ENGINE_BREAKER_QUORUM_H
#define RB_ENGINE_BREAKER_QUORUM_H

#include "engine/breaker.h"

// True when at least rules->quorum processes were blamed within the window (rb_breaker_blame), or it asks for one.
bool rb_quorum_reached(const struct rb_breaker *breaker, const struct rb_breaker_rules *rules, uint32_t generation,
                       uint64_t now_ms);

#endif
