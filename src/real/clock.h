// SPDX-License-Identifier: MIT
// The kernel's clocks, read so that nothing that stands in front of libc (libfaketime) tells another time: what
// processes share is measured by one clock.
#ifndef RB_REAL_CLOCK_H
#define RB_REAL_CLOCK_H

#include <time.h>

#include "real/kernel.h"

// As clock_gettime(2). Async-signal-safe; no system call where the kernel offers the vDSO. Returns 0, or another number
// where there is no such clock. Leaves errno alone.
int rb_clock_read(clockid_t clock, struct rb_kernel_time *out);

#endif
