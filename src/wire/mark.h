// SPDX-License-Identifier: MIT
// The low mark of a socket (SO_RCVLOWAT): poll, select and epoll report a TCP socket as readable only when it has this
// many bytes, or has ended. A mark above the length of a hidden response silences level- and edge-triggered events.
#ifndef RB_WIRE_MARK_H
#define RB_WIRE_MARK_H

#include <stddef.h>

#include "wire/link.h"

// Makes waits report the socket only when it has `bytes` bytes, or has ended. The link is claimed and has an exchange,
// as for rb_mark_restore.
void rb_mark_set(struct rb_link *link, size_t bytes);

// Restores the program's mark, and so makes a new edge if the socket has bytes. Does nothing if the mark is not ours.
void rb_mark_restore(const struct rb_link *link);

#endif
