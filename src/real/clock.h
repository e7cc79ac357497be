// SPDX-License-Identifier: MIT
// The kernel's clocks. An interposed clock_gettime (libfaketime) has no effect on them: processes that share a state
// must measure time by the same clock.
#ifndef RB_REAL_CLOCK_H
#define RB_REAL_CLOCK_H

#include <time.h>

#include "real/kernel.h"

// As clock_gettime(2), with the kernel's struct. Async-signal-safe. Makes no system call if the kernel provides a vDSO.
// Returns 0, or another value if the clock does not exist. Does not change errno.
int rb_clock_read(clockid_t clock, struct rb_kernel_time *out);

#endif
