// SPDX-License-Identifier: MIT
// Two bits for each descriptor.
#include "net/park/origin.h"

#include <limits.h>
#include <stdatomic.h>

#include "net/park/descriptor.h"
#include "real/kernel.h"

enum { BITS = CHAR_BIT * sizeof(unsigned long), WORDS = RB_DESCRIPTORS / BITS };

static _Atomic unsigned long own[WORDS];  // made by this process since its last fork
static _Atomic unsigned long seen[WORDS]; // was there when a program was started

static bool is_set(const _Atomic unsigned long *set, int fd)
{
    return (unsigned) fd < RB_DESCRIPTORS &&
           atomic_load_explicit(&set[(unsigned) fd / BITS], memory_order_relaxed) >> ((unsigned) fd % BITS) & 1;
}

static void put(_Atomic unsigned long *set, int fd, bool value)
{
    unsigned long bit = 1ul << ((unsigned) fd % BITS);
    if ((unsigned) fd >= RB_DESCRIPTORS || is_set(set, fd) == value)
        return;
    if (value)
        atomic_fetch_or_explicit(&set[(unsigned) fd / BITS], bit, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&set[(unsigned) fd / BITS], ~bit, memory_order_relaxed);
}

void rb_origin_made(int fd)
{
    put(own, fd, true);
    put(seen, fd, false);
}

void rb_origin_left(int fd)
{
    put(own, fd, false);
}

void rb_origin_copied(int fd, int copy)
{
    put(own, copy, is_set(own, fd));
    put(seen, copy, is_set(seen, fd));
}

void rb_origin_forking(void)
{
    for (unsigned i = 0; i < WORDS; i++)
        if (atomic_load_explicit(&own[i], memory_order_relaxed))
            atomic_store_explicit(&own[i], 0, memory_order_relaxed);
}

void rb_origin_starting(void)
{
    for (unsigned i = 0; i < WORDS; i++) {
        unsigned long bits = atomic_load_explicit(&own[i], memory_order_relaxed);
        if (bits & ~atomic_load_explicit(&seen[i], memory_order_relaxed))
            atomic_fetch_or_explicit(&seen[i], bits, memory_order_relaxed);
    }
}

bool rb_origin_is_own(int fd)
{
    return is_set(own, fd);
}

bool rb_origin_is_private(int fd)
{
    return is_set(own, fd) && (!is_set(seen, fd) || rb_kernel(SYS_fcntl, fd, F_GETFD, 0) & FD_CLOEXEC);
}
