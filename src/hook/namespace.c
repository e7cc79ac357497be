// SPDX-License-Identifier: MIT
// Calls that move a thread to another namespace. In another network namespace, an address belongs to a different host.
// In another mount namespace, the policy file may not exist.
#include <sched.h>

#include "hook/hook.h"
#include "real/libc.h"
#include "state/netns.h"

// kinds: CLONE_NEW* flags; setns also takes 0, which allows a namespace of any kind
static int moved(int result, int kinds)
{
    if (result == 0 && (kinds == 0 || (kinds & CLONE_NEWNET)))
        rb_netns_moved();
    return result;
}

static void before_move(int kinds)
{
    if (kinds == 0 || (kinds & CLONE_NEWNS))
        rb_process_active(); // reads the policy, if no earlier call has read it
}

RB_HOOK int setns(int fd, int kinds)
{
    before_move(kinds);
    return moved(rb_libc_setns(fd, kinds), kinds);
}

RB_HOOK int unshare(int kinds)
{
    if (kinds == 0)
        return rb_libc_unshare(kinds);
    before_move(kinds);
    return moved(rb_libc_unshare(kinds), kinds);
}
