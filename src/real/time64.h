// SPDX-License-Identifier: MIT
// The times of programs that are built with 64-bit times on 32-bit machines (_TIME_BITS=64, or musl 1.2). The layout is
// that of little-endian machines.
#ifndef RB_REAL_TIME64_H
#define RB_REAL_TIME64_H

#include <stdint.h>

struct rb_time64 { // struct timespec
    int64_t seconds;
    int32_t nanoseconds, padding;
};

struct rb_interval64 { // struct timeval
    int64_t seconds, microseconds;
};

#endif
