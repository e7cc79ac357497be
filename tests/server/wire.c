// SPDX-License-Identifier: MIT
// One accepted connection of the faulty server: buffered reading, whole writes, and the ways to end it.
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long receive(const struct rb_wire *wire, void *out, size_t size)
{
    ssize_t got;
    do
        got = recv(wire->fd, out, size, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static long fill(struct rb_wire *wire)
{
    long got = receive(wire, wire->in, sizeof(wire->in));
    wire->start = 0;
    wire->end = got > 0 ? (size_t) got : 0;
    return got;
}

// A large read with nothing in the buffer goes round it.
long rb_wire_take(struct rb_wire *wire, void *out, size_t size)
{
    if (wire->start == wire->end) {
        if (size >= sizeof(wire->in))
            return receive(wire, out, size);
        long got = fill(wire);
        if (got <= 0)
            return got;
    }
    size_t have = wire->end - wire->start;
    if (have > size)
        have = size;
    memcpy(out, wire->in + wire->start, have);
    wire->start += have;
    return (long) have;
}

int rb_wire_line(struct rb_wire *wire, char *out, size_t size)
{
    size_t length = 0;
    for (;;) {
        char byte;
        long got = rb_wire_take(wire, &byte, 1);
        if (got <= 0)
            return got < 0 ? (int) got : -ENODATA;
        if (byte == '\n')
            break;
        if (length + 1 >= size)
            return -E2BIG;
        out[length++] = byte;
    }
    if (length > 0 && out[length - 1] == '\r')
        length--;
    out[length] = '\0';
    return (int) length;
}

int rb_wire_send(const struct rb_wire *wire, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t sent = send(wire->fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -errno;
        at += sent;
        size -= (size_t) sent;
    }
    return 0;
}

void rb_wire_drain(struct rb_wire *wire)
{
    while (fill(wire) > 0)
        ;
}

void rb_wire_close(struct rb_wire *wire)
{
    shutdown(wire->fd, SHUT_WR);
    rb_wire_drain(wire);
    close(wire->fd);
    wire->fd = -1;
}

void rb_wire_reset(struct rb_wire *wire)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(wire->fd);
    wire->fd = -1;
}

void rb_wire_pause(unsigned ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000L};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}
