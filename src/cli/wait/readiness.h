// SPDX-License-Identifier: MIT
// Tests once whether a target of `rebound wait` is ready.
#ifndef RB_CLI_WAIT_READINESS_H
#define RB_CLI_WAIT_READINESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/wait/awaited.h"

enum { RB_READINESS_LIMIT_MS = 5000, RB_READINESS_REASON_SIZE = 128 };

// What a test is waiting for, as the reason of a test that has not ended. A text with static storage.
typedef _Atomic(const char *) rb_readiness_step;

// Looks up the host, connects to its addresses in turn and, for http, sends a GET. Uses no proxy. Returns true if the
// target is ready. Otherwise `reason` receives the reason, such as "connection refused".
//
// The lookup of a name cannot be interrupted and has the limit of the resolver. After the lookup, the test ends at
// `until_ms` and after RB_READINESS_LIMIT_MS. The addresses share this time.
//   until_ms: a time of rb_system_now_ms
//   step: receives what the test is waiting for; another thread may read it during the test
bool rb_readiness_test(const struct rb_awaited *awaited, uint64_t until_ms, rb_readiness_step *step,
                       char reason[RB_READINESS_REASON_SIZE]);

#endif
