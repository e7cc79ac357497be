// SPDX-License-Identifier: MIT
// A call without a wait and without SIGPIPE.
#include "wire/quiet.h"

#include <fcntl.h>
#include <signal.h>

#include "real/kernel.h"

static const uint64_t broken_pipe = UINT64_C(1) << (SIGPIPE - 1);

void rb_quiet_begin(struct rb_quiet *quiet, int fd, bool writes)
{
    *quiet = (struct rb_quiet){.fd = fd, .flags = rb_kernel(SYS_fcntl, fd, F_GETFL, 0)};
    quiet->sets_mode = quiet->flags >= 0 && !(quiet->flags & O_NONBLOCK);
    if (writes)
        quiet->masks = rb_kernel(SYS_rt_sigprocmask, SIG_BLOCK, &broken_pipe, &quiet->mask, RB_KERNEL_SIGNALS) == 0;
    if (quiet->masks)
        rb_kernel(SYS_rt_sigpending, &quiet->pending, RB_KERNEL_SIGNALS);
    if (quiet->sets_mode)
        rb_kernel(SYS_fcntl, fd, F_SETFL, quiet->flags | O_NONBLOCK);
}

void rb_quiet_end(const struct rb_quiet *quiet)
{
    struct rb_kernel_time no_time = {0, 0};
    if (quiet->sets_mode)
        rb_kernel_always(SYS_fcntl, quiet->fd, F_SETFL, quiet->flags);
    if (!quiet->masks)
        return;
    if (!(quiet->pending & broken_pipe))
        rb_kernel(SYS_rt_sigtimedwait, &broken_pipe, NULL, &no_time, RB_KERNEL_SIGNALS);
    rb_kernel_always(SYS_rt_sigprocmask, SIG_SETMASK, &quiet->mask, NULL, RB_KERNEL_SIGNALS);
}
