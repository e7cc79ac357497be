// SPDX-License-Identifier: MIT
// One accepted connection of the faulty server: buffered reading, whole writes, and the ways to end it.
#ifndef RB_SERVER_WIRE_H
#define RB_SERVER_WIRE_H

#include <stddef.h>

enum { RB_WIRE_BUFFER = 16 * 1024 };

struct rb_wire {
    int fd;
    size_t start; // first unread byte of `in`
    size_t end;   // one past the last
    char in[RB_WIRE_BUFFER];
};

// Reads one line, without its CR LF or LF, NUL-terminated. Returns its length, -ENODATA at the end of the stream,
// -E2BIG when it does not fit in `size`, or the negative errno of recv.
int rb_wire_line(struct rb_wire *wire, char *out, size_t size);

// Reads between 1 and `size` bytes. Returns how many, 0 at the end of the stream, or a negative errno.
long rb_wire_take(struct rb_wire *wire, void *out, size_t size);

// Sends everything. Returns 0 or a negative errno; never raises SIGPIPE.
int rb_wire_send(const struct rb_wire *wire, const void *data, size_t size);

// Reads and forgets until the peer closes.
void rb_wire_drain(struct rb_wire *wire);

// Closes with FIN. Whatever the peer still sends is read first, since close() with unread data would send RST.
void rb_wire_close(struct rb_wire *wire);

// Closes with RST (SO_LINGER of 0 seconds).
void rb_wire_reset(struct rb_wire *wire);

// Sleeps, through signals.
void rb_wire_pause(unsigned ms);

#endif
