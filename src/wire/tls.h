// SPDX-License-Identifier: MIT
// Reads and writes of a program that speaks HTTP through OpenSSL on a socket.
//
// A link belongs to TLS if the first bytes that were written on it are the head of a TLS record, so a connection that
// began without TLS is never followed (a proxy, STARTTLS). The connection object names its descriptor at each call.
//
// A response is examined with SSL_peek. If its status may be repeated, the response is read from the connection,
// because SSL_peek shows only the first record. From then on the library has the only copy. So the link is kept until
// the program has read these bytes, even if the library does not follow the link any more. The library waits only
// inside a read of the program on a blocking socket, or inside poll or select.
//
// These functions may be called only by the thread that uses the connection object; OpenSSL has the same rule.
#ifndef RB_WIRE_TLS_H
#define RB_WIRE_TLS_H

#include <poll.h>
#include <signal.h>

#include "real/libssl.h"
#include "wire/link.h"

// One read or write of the program.
struct rb_tls_io {
    struct rb_link *link; // claimed; NULL: the call passes through
    const struct rb_libssl *libssl;
    SSL *ssl;
    const void *bytes; // the buffer of the call
    bool peeks;        // the call leaves the bytes in the connection
    bool waits;        // a read may wait: the socket is blocking
    bool loops;        // the program waits in an event loop, where http.hold is the limit
    uint32_t loan;     // of the claim, during the program's call
};

// Call before a read or peek. Returns true if the program's call is to be made, and rb_tls_after_read after it. Returns
// false if *result is the result: the number of bytes, or what SSL_peek returned, -1 or 0. Then SSL_get_error gives the
// cause.
//   buffer, length: of the call
bool rb_tls_before_read(struct rb_tls_io *io, const struct rb_libssl *libssl, SSL *ssl, void *buffer, size_t length,
                        bool peeks, int *result);

// Call after the read. Keeps errno and the error queue of OpenSSL.
//   got: the number of bytes; 0 or less if the call has failed
void rb_tls_after_read(const struct rb_tls_io *io, long got);

// Call before a write. Returns false if the connection was used up by a repeated request. Then the call succeeds, and
// nothing is sent: the program finds the end of the connection at its next read, as if the server had closed an idle
// connection.
bool rb_tls_before_write(struct rb_tls_io *io, const struct rb_libssl *libssl, SSL *ssl, const void *bytes);

// Call after the write. Keeps errno and the error queue of OpenSSL.
//   put: the number of bytes; 0 or less if the call has failed
void rb_tls_after_write(const struct rb_tls_io *io, long put);

// The program waits by poll or ppoll for a few descriptors. Returns true if the library has waited; then *result is the
// result of the wait, and errno is set. Otherwise the program's call is to be made.
//   own: the index of a descriptor for which rb_link_is_tls is true and the program waits for POLLIN
//   until_ms: the end of the wait; UINT64_MAX: none
bool rb_tls_poll(struct pollfd *fds, nfds_t count, nfds_t own, uint64_t until_ms, enum rb_link_span span,
                 const sigset_t *mask, int *result);

// Returns the number of bytes that the program can read although the connection does not have them any more.
size_t rb_tls_held(const struct rb_libssl *libssl, const SSL *ssl);

// The program is about to reset the connection object: its link ends.
void rb_tls_forget(const struct rb_libssl *libssl, const SSL *ssl);

// Call before SSL_shutdown: nothing is hidden from the program any more.
void rb_tls_before_shutdown(const struct rb_libssl *libssl, SSL *ssl);

// Call before SSL_free.
void rb_tls_before_free(const struct rb_libssl *libssl, const SSL *ssl);

#endif
