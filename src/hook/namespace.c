// SPDX-License-Identifier: MIT
// Calls that move a thread to another network namespace, where addresses mean other hosts.
#include <sched.h>

#include "hook/hook.h"
#include "real/libc.h"
#include "state/netns.h"

// setns takes 0 for a namespace of any kind.
static int moved(int result, int kinds)
{
    if (result == 0 && (kinds == 0 || (kinds & CLONE_NEWNET)))
        rb_netns_moved();
    return result;
}

RB_HOOK int setns(int fd, int kinds)
{
    return moved(rb_libc_setns(fd, kinds), kinds);
}

RB_HOOK int unshare(int kinds)
{
    return kinds == 0 ? rb_libc_unshare(kinds) : moved(rb_libc_unshare(kinds), kinds);
}
