// SPDX-License-Identifier: MIT
// Reads, writes and waits of a program that speaks HTTP on a plain socket.
//
// A response is examined with MSG_PEEK, so its bytes stay in the kernel until the request is sent again. The library
// waits only inside a call in which the program waits: a read on a blocking socket, or poll and select for at most two
// descriptors. The program's own time limit holds: SO_RCVTIMEO, or the timeout of the wait.
//
// All functions are async-signal-safe. If another call has the claim of a link, they pass the program's call through.
#ifndef RB_WIRE_SOCKET_H
#define RB_WIRE_SOCKET_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/select.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "wire/link.h"

// One read or write of the program.
struct rb_wire_io {
    struct rb_link *link; // claimed; NULL: the call passes through
    const struct iovec *parts;
    size_t count;
    int flags;     // of recv or send; 0 for read and write
    uint32_t loan; // of the claim, during the program's call
    int tls_fd;    // the socket if its link belongs to TLS; 0: it does not
};

// Call before a read. Returns true if the program's call is to be made, and rb_wire_after_read after it. Returns
// false if *result is the result; errno is set. Keeps errno otherwise.
//   parts: the buffers of the call; borrowed until rb_wire_after_read
bool rb_wire_before_read(struct rb_wire_io *io, int fd, const struct iovec *parts, size_t count, int flags,
                         ssize_t *result);

// Returns the result of the read. Keeps errno.
ssize_t rb_wire_after_read(struct rb_wire_io *io, ssize_t result);

// Call before a write. If the server has closed a kept connection, the library connects again before the first byte of
// a request, unless the program waits in an event loop. Returns true if the program's call is to be
// made, and rb_wire_after_write after it. Returns false if *result is the result; errno is set. Keeps errno otherwise.
bool rb_wire_before_write(struct rb_wire_io *io, int fd, const struct iovec *parts, size_t count, int flags,
                          ssize_t *result);

// Returns the result of the write. Keeps errno.
ssize_t rb_wire_after_write(struct rb_wire_io *io, ssize_t result);

// The latest attempt has no response, and the connection is of no use. The program gets the response of an earlier
// attempt, or the error or the end of the connection that the first attempt saw. For wire/sift.c; the link is claimed.
void rb_wire_show_end(struct rb_link *link, enum rb_reason reason);

// The request is not repeated: the program gets the response, which is in the kernel, or the end of the connection.
// Link: claimed and PARKED.
void rb_wire_give_up(struct rb_link *link);

// Call before the program asks how many bytes the socket has (FIONREAD). The answer shows bytes of a hidden response,
// and a read for which there are bytes must not wait. So the program gets this response. Keeps errno.
void rb_wire_before_count(int fd);

// Returns true if a wait by poll or ppoll needs rb_wire_poll and rb_wire_polled. Returns false if the wait is for at
// most two descriptors, none of them has a link, and no link has http.hold.
bool rb_wire_concerns(const struct pollfd *fds, nfds_t count);

// The program waits by poll or ppoll. Returns true if a link is among the descriptors that may need the library; then
// *result is the result of the wait, and errno is set. Otherwise the program's call is to be made.
//   timeout: NULL: no limit
bool rb_wire_poll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, int *result);

// A wait by poll has ended without an error. If it was for more than two descriptors, notes that the program waits for
// its links in an event loop.
void rb_wire_polled(const struct pollfd *fds, nfds_t count);

// The same as rb_wire_poll for select and pselect. The caller updates the program's timeout.
bool rb_wire_select(int count, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
                    const sigset_t *mask, int *result);

#endif
