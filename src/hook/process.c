// SPDX-License-Identifier: MIT
// Calls that make a process without the C library's fork handlers, and system calls by number. Those that matter are
// the ones that make a process, set up an io_uring or restrict the process.
//
// libc declares clone and syscall as variadic. A variadic function cannot end in a jump that passes all arguments on.
// So the two hooks have the most parameters that the real functions read, C names of their own, and the symbols of the
// real functions.
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

#include "hook/hook.h"
#include "hook/sandbox.h"
#include "net/park.h"
#include "real/fork.h"
#include "real/libc.h"
#include "real/system.h"
#include "wire/link.h"

// Numbers and flags that older headers lack.
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446 // on all architectures
#endif
#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif

// The child runs on the parent's stack and returns first. If the parent returned through a frame of this function, the
// child would have overwritten the frame. So this function ends in a jump.
RB_HOOK ENDS_IN_JUMP pid_t vfork(void)
{
    rb_link_leave_inherited();
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
    rb_link_leave_all();
    rb_park_forking();
    rb_fork_set_apart(true);
    pid_t process = rb_libc__Fork();
    if (process != 0)
        rb_fork_set_apart(false);
    rb_park_forked();
    return process;
}

// A child that shares our memory and our descriptors is a thread. Any other child gets descriptors of its own.
static void before_clone(unsigned long flags)
{
    unsigned long thread = CLONE_VM | CLONE_FILES;
    if ((flags & thread) != thread)
        rb_park_leave_all(flags & CLONE_VFORK ? RB_PARK_INHERITED : RB_PARK_ALL), rb_link_leave_all();
    if (!(flags & CLONE_VM))
        rb_fork_set_apart(true);
    else if (!rb_process_is_off())
        rb_fork_owns(rb_system_pid());
}

RB_HOOK int rb_hook_clone(int (*function)(void *), void *stack, int flags, void *argument, pid_t *parent, void *tls,
                          pid_t *child) __asm__("clone");

int rb_hook_clone(int (*function)(void *), void *stack, int flags, void *argument, pid_t *parent, void *tls,
                  pid_t *child)
{
    before_clone((unsigned long) flags);
    int process = rb_libc_clone(function, stack, flags, argument, parent, tls, child);
    rb_fork_set_apart(false);
    return process;
}

struct system_call {
    long number, a, b, c, d, e, f;
};

static long call(const struct system_call *c)
{
    return rb_libc_syscall(c->number, c->a, c->b, c->c, c->d, c->e, c->f);
}

static long clone_by_number(const struct system_call *c)
{
    before_clone((unsigned long) c->a);
    long result = call(c);
    if (result != 0)
        rb_fork_set_apart(false);
    return result;
}

static long restrict_process(const struct system_call *c, enum rb_sandbox_state next, unsigned long flags)
{
    enum rb_sandbox_state before = rb_hook_sandbox_begin(next, flags & SECCOMP_FILTER_FLAG_TSYNC);
    long result = call(c);
    // With a listener the result is its descriptor. Otherwise a positive result is a thread that refuses the filter.
    rb_hook_sandbox_end(before, next, flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? result >= 0 : result == 0);
    return result;
}

// As in hook/sandbox.c, a filter without a program only tests the kernel. The operations in an io_uring do not go
// through libc.
static __attribute__((noinline)) long call_watched(const struct system_call *c)
{
    bool strict = c->a == SECCOMP_SET_MODE_STRICT && c->b == 0 && c->c == 0;
    bool filter = c->a == SECCOMP_SET_MODE_FILTER && c->c != 0;
    long result;
    switch (c->number) {
    case SYS_clone:
        return clone_by_number(c);
    case SYS_io_uring_setup:
        result = call(c);
        if (result >= 0)
            rb_park_stop();
        return result;
    case SYS_landlock_restrict_self: // without a ruleset (-1), only the kernel's log is configured
        return (int) c->a >= 0 ? restrict_process(c, RB_SANDBOX_LANDLOCK, 0) : call(c);
    case SYS_prctl:
        return prctl((int) c->a, c->b, c->c, c->d, c->e);
    default: // SYS_seccomp
        return strict || filter ? restrict_process(c, RB_SANDBOX_SECCOMP, (unsigned long) c->b) : call(c);
    }
}

RB_HOOK long rb_hook_syscall(long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");

long rb_hook_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    bool watched = number == SYS_clone || number == SYS_io_uring_setup || number == SYS_landlock_restrict_self ||
                   number == SYS_prctl || number == SYS_seccomp;
    if (__builtin_expect(!watched, true))
        return rb_libc_syscall(number, a, b, c, d, e, f);
    return call_watched(&(struct system_call){number, a, b, c, d, e, f});
}
