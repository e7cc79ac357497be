// SPDX-License-Identifier: MIT
// Connects again in place.
#include "wire/redial.h"

#include <errno.h>
#include <poll.h>

#include "base/arithmetic.h"
#include "net/socket.h"
#include "real/libc.h"
#include "real/system.h"

// The limit of a connect that the program does not know of.
enum { CONNECT_MS = 5000 };

// Waits until a connect has ended. Returns 0 or a negative errno.
static int await_connect(int fd, uint64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int ready;
    do
        ready = rb_libc_poll(&p, 1, (int) rb_arithmetic_sub(until_ms, rb_system_now_ms()));
    while (ready < 0 && errno == EINTR);
    return ready > 0 ? -rb_socket_take_error(fd) : -ETIMEDOUT;
}

int rb_redial_link(struct rb_link *link, uint64_t until_ms)
{
    uint64_t limit_ms = rb_arithmetic_min(rb_system_now_ms() + CONNECT_MS, until_ms);
    rb_socket_disconnect(link->fd);
    int result = rb_socket_dial(link->fd, &link->address.any, link->length);
    if (result == -EINPROGRESS)
        result = await_connect(link->fd, limit_ms);
    if (result == 0 && rb_socket_is_self_connected(link->fd))
        result = -ECONNREFUSED;
    if (result != 0)
        rb_socket_disconnect(link->fd);
    else
        link->identity = rb_socket_identity(link->fd);
    return result;
}

bool rb_redial_begin(struct rb_link *link)
{
    rb_socket_disconnect(link->fd);
    int result = rb_socket_dial(link->fd, &link->address.any, link->length);
    if (result != 0 && result != -EINPROGRESS)
        return false;
    link->identity = rb_socket_identity(link->fd);
    return true;
}
