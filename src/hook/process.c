// SPDX-License-Identifier: MIT
// Calls that make a process without the C library's fork handlers, and system calls by number.
//
// libc declares clone and syscall as variadic. A variadic function cannot end in a jump that passes all arguments on.
// So the two hooks have the most parameters that the real functions read, C names of their own, and the symbols of the
// real functions.
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>

#include "hook/hook.h"
#include "net/park.h"
#include "real/libc.h"

// The child runs on the parent's stack and returns first. If the parent returned through a frame of this function, the
// child would have overwritten the frame. So this function ends in a jump.
RB_HOOK ENDS_IN_JUMP pid_t vfork(void)
{
    rb_park_leave_all(RB_PARK_INHERITED);
    rb_vfork_fn *real = rb_libc_vfork();
    if (!real) {
        errno = ENOSYS;
        return -1;
    }
    JUMP return real();
}

RB_HOOK pid_t _Fork(void)
{
    rb_park_forking();
    pid_t process = rb_libc__Fork();
    rb_park_forked();
    return process;
}

// A child that shares our memory and our descriptors is a thread. Any other child gets descriptors of its own.
static void before_clone(unsigned long flags)
{
    unsigned long thread = CLONE_VM | CLONE_FILES;
    if ((flags & thread) != thread)
        rb_park_leave_all(flags & CLONE_VFORK ? RB_PARK_INHERITED : RB_PARK_ALL);
}

RB_HOOK int rb_hook_clone(int (*function)(void *), void *stack, int flags, void *argument, pid_t *parent, void *tls,
                          pid_t *child) __asm__("clone");

int rb_hook_clone(int (*function)(void *), void *stack, int flags, void *argument, pid_t *parent, void *tls,
                  pid_t *child)
{
    before_clone((unsigned long) flags);
    return rb_libc_clone(function, stack, flags, argument, parent, tls, child);
}

RB_HOOK long rb_hook_syscall(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");

long rb_hook_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_clone)
        before_clone((unsigned long) a);
    if (__builtin_expect(number != SYS_io_uring_setup, true))
        return rb_libc_syscall(number, a, b, c, d, e, f);
    // The operations in an io_uring do not go through libc.
    long result = rb_libc_syscall(number, a, b, c, d, e, f);
    if (result >= 0)
        rb_park_stop();
    return result;
}
