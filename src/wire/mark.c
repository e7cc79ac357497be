// SPDX-License-Identifier: MIT
// Hides and shows the bytes of a socket.
#include "wire/mark.h"

#include "net/socket.h"
#include "real/kernel.h"
#include "wire/exchange.h"

void rb_mark_set(struct rb_link *link, size_t bytes)
{
    struct rb_exchange *x = link->exchange;
    int value = (int) bytes;
    uint32_t size = sizeof(x->low_mark);
    link->unmark = rb_mark_restore;
    if (x->low_mark == 0)
        rb_kernel(SYS_getsockopt, link->fd, SOL_SOCKET, SO_RCVLOWAT, &x->low_mark, &size);
    rb_kernel(SYS_setsockopt, link->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value));
}

void rb_mark_restore(const struct rb_link *link)
{
    struct rb_exchange *x = link->exchange;
    // The descriptor may have been closed past the library, and may belong to another file.
    if (x->low_mark > 0 && (link->identity == 0 || rb_socket_is(link->fd, link->identity)))
        rb_kernel(SYS_setsockopt, link->fd, SOL_SOCKET, SO_RCVLOWAT, &x->low_mark, sizeof(x->low_mark));
    x->low_mark = 0;
}
