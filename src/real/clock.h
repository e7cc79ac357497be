// SPDX-License-Identifier: MIT
// Reads the kernel's clocks, even if another preloaded library (libfaketime) replaces clock_gettime. Processes that
// share a state file must measure time by the same clock.
#ifndef RB_REAL_CLOCK_H
#define RB_REAL_CLOCK_H

#include <time.h>

#include "real/kernel.h"

// As clock_gettime(2), with the kernel's struct. Returns 0, or a negative errno if the clock does not exist. Does not
// change errno. Async-signal-safe. Makes no system call for the clocks that the vDSO can read, such as CLOCK_MONOTONIC.
int rb_clock_read(clockid_t clock, struct rb_kernel_time *out);

#endif
