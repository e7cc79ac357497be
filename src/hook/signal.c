// SPDX-License-Identifier: MIT
// Signal actions. While our SIGBUS handler is installed in the kernel, the program still reads and sets its own SIGBUS
// action.
#include "hook/hook.h"
#include "real/fault.h"

RB_HOOK int sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict old)
{
    return rb_fault_sigaction(number, action, old);
}

RB_HOOK sighandler_t signal(int number, sighandler_t handler)
{
    return rb_fault_signalled(number, rb_libc_signal(number, handler));
}

RB_HOOK sighandler_t bsd_signal(int number, sighandler_t handler)
{
    return rb_fault_signalled(number, rb_libc_bsd_signal(number, handler));
}

RB_HOOK sighandler_t ssignal(int number, sighandler_t handler)
{
    return rb_fault_signalled(number, rb_libc_ssignal(number, handler));
}

RB_HOOK sighandler_t __sysv_signal(int number, sighandler_t handler)
{
    return rb_fault_signalled(number, rb_libc___sysv_signal(number, handler));
}
