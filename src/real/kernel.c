// SPDX-License-Identifier: MIT
// System calls by libc's syscall function, for architectures without inline assembly in kernel.h.
#include "real/kernel.h"

#include <errno.h>

#include "real/elf.h"

typedef long call_fn(long number, ...);

long rb_kernel_by_libc(long number, long a, long b, long c, long d, long e, long f)
{
    call_fn *function = (call_fn *) rb_elf_libc("syscall");
    int saved = errno;
    long result = function ? function(number, a, b, c, d, e, f) : -ENOSYS;
    if (function && result == -1)
        result = -errno;
    errno = saved;
    return result;
}
