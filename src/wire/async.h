// SPDX-License-Identifier: MIT
// Holds responses of connections of OpenSSL whose encrypted bytes the program moves itself, through BIOs in memory, in
// an event loop (http.async; see wire/bio.h and wire/loop.h).
//
// The program reads the socket, gives the bytes to OpenSSL and calls SSL_read. There the library examines the response.
// If the request is to be repeated, SSL_read finds nothing. When the request is due, the library writes it with
// SSL_write and sends the encrypted bytes, inside the program's wait on the epoll.
//
// If the library gives up, the program must call SSL_read although the server has sent nothing. The wait then reports
// the socket as readable, and the program's next read of the socket returns one byte that the server has not sent (the
// nudge). SSL_read takes this byte out of the BIO before OpenSSL sees it. So the connection goes on.
//
// All functions but rb_async_received and rb_async_sent need the claim, and only the thread that uses the connection
// object may call them.
#ifndef RB_WIRE_ASYNC_H
#define RB_WIRE_ASYNC_H

#include <sys/types.h>
#include <sys/uio.h>

#include "real/libssl.h"
#include "wire/link.h"

// What a read of the program is to do.
enum rb_async_step {
    RB_ASYNC_CALL,  // make the program's call
    RB_ASYNC_GIVE,  // the program gets what is held
    RB_ASYNC_RESULT // the program gets *result, the result of SSL_peek
};

// The program reads from a connection object whose link is detached. Returns what the read is to do.
//   result: receives the result of SSL_peek with RB_ASYNC_RESULT; SSL_get_error then gives the cause
enum rb_async_step rb_async_read(const struct rb_libssl *libssl, SSL *ssl, struct rb_link *link, int *result);

// The request is not repeated any more, and the program gets what is hidden. Call before the link is dropped, and
// before SSL_shutdown. Returns true if something was hidden.
bool rb_async_show(const struct rb_libssl *libssl, SSL *ssl, struct rb_link *link);

// The program is about to free the connection object.
void rb_async_forget(struct rb_link *link);

// The program has read from the socket of a link of TLS. Returns the result that the program gets: `result`, or 1 if
// the nudge was put into the first byte of the buffers. Keeps errno. Needs no claim. Async-signal-safe.
//   parts, count: the buffers of the read
//   peeks: the bytes stay in the socket
//   result: of the read, with errno if it has failed
ssize_t rb_async_received(int fd, const struct iovec *parts, size_t count, bool peeks, ssize_t result);

// The program has written `length` bytes to the socket of a link of TLS. Needs no claim. Async-signal-safe.
void rb_async_sent(int fd, size_t length);

#endif
