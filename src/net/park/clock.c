// SPDX-License-Identifier: MIT
// The words that are read without the lock.
#include "net/park/clock.h"

_Atomic uint32_t rb_clock_flights;
_Atomic uint64_t rb_clock_next_ms = UINT64_MAX;
_Atomic uint64_t rb_clock_changes;
