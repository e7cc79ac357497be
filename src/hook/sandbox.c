// SPDX-License-Identifier: MIT
// prctl, and the steps around a call that installs a seccomp filter or a Landlock ruleset.
//
// After a filter the kernel may end the process for a system call that the program does not make by itself. So all that
// needs a system call is done before. The state of the sandbox (real/sandbox.h) then makes all hooks pass through.
#include "hook/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "hook/hook.h"
#include "net/park.h"
#include "real/fork.h"
#include "real/kernel.h"
#include "real/libc.h"
#include "wire/link.h"

enum rb_sandbox_state rb_hook_sandbox_begin(enum rb_sandbox_state next, bool threads)
{
    static const struct rb_kernel_time a_moment = {0, 10000000};
    enum rb_sandbox_state before = rb_sandbox_state();
    int saved = errno;
    if (before >= next || !rb_fork_has_own_memory())
        return next;
    bool active = rb_process_active();
    if (active)
        rb_process_before_sandbox(next);
    if (next == RB_SANDBOX_SECCOMP)
        rb_link_leave_all();
    if (next == RB_SANDBOX_SECCOMP && !rb_park_enter_filter(before))
        before = next; // another thread was faster
    else if (next == RB_SANDBOX_SECCOMP && active)
        rb_process_enter_filter();
    if (active && threads && before != next) { // a hook in another thread may be between two system calls
        rb_kernel(SYS_nanosleep, &a_moment, NULL);
        rb_sandbox_enter(next, RB_SANDBOX_SYNCED);
    }
    errno = saved;
    return before;
}

void rb_hook_sandbox_end(enum rb_sandbox_state before, enum rb_sandbox_state next, bool succeeded)
{
    int saved = errno;
    if (before == next || (succeeded && next == RB_SANDBOX_SECCOMP))
        return;
    if (succeeded) {
        rb_sandbox_enter(before, next);
        return;
    }
    if (next == RB_SANDBOX_SECCOMP)
        rb_sandbox_enter(rb_sandbox_state(), before);
    if (rb_process_active())
        rb_process_leave_sandbox();
    errno = saved;
}

// An unprivileged process must set PR_SET_NO_NEW_PRIVS before it installs a seccomp filter or a Landlock ruleset. The
// calls that install them may be hidden from us, so the policy is already read here.
//
// Programs pass no filter (NULL) to find out whether the kernel has filters. Such a call fails.
RB_HOOK int prctl(int option, ...)
{
    unsigned long more[4];
    va_list arguments;
    va_start(arguments, option);
    for (unsigned i = 0; i < 4; i++)
        more[i] = va_arg(arguments, unsigned long);
    va_end(arguments);
    if (option == PR_SET_NO_NEW_PRIVS)
        rb_process_active();
    bool filters = more[0] == SECCOMP_MODE_STRICT || (more[0] == SECCOMP_MODE_FILTER && more[1] != 0);
    if (option != PR_SET_SECCOMP || !filters)
        return rb_libc_prctl(option, more[0], more[1], more[2], more[3]);
    enum rb_sandbox_state before = rb_hook_sandbox_begin(RB_SANDBOX_SECCOMP, false);
    int result = rb_libc_prctl(option, more[0], more[1], more[2], more[3]);
    rb_hook_sandbox_end(before, RB_SANDBOX_SECCOMP, result == 0);
    return result;
}
