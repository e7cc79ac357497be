// SPDX-License-Identifier: MIT
// connect(2): may be called from signal handlers, vfork children and before any constructor ran.
#include "net/connect.h"
#include "hook/hook.h"
#include "real/libc.h"
#include "real/libcurl.h"

RB_HOOK int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    const struct rb_policy *policy = rb_hook_passes() ? NULL : rb_process_policy();
    if (!policy || rb_libcurl_contains(RB_CALLER))
        return rb_libc_connect(fd, address, length);
    return rb_net_connect(fd, address, length, policy);
}
