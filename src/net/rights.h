// SPDX-License-Identifier: MIT
// The descriptors that a message passes to another process, or has passed to this one (SCM_RIGHTS).
#ifndef RB_NET_RIGHTS_H
#define RB_NET_RIGHTS_H

#include <sys/socket.h>

// Calls `visit` for each descriptor in the control data of a message that the program sends. Control data that the
// kernel would reject, or that cannot be read, has no descriptors. Async-signal-safe if `visit` is.
void rb_rights_visit(const struct msghdr *message, void (*visit)(int fd));

// The same for the messages of one sendmmsg(2).
void rb_rights_visit_all(const struct mmsghdr *messages, unsigned count, void (*visit)(int fd));

// The same for a message that was sent or received: its control data can be read.
void rb_rights_visit_done(const struct msghdr *message, void (*visit)(int fd));

#endif
