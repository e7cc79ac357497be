// SPDX-License-Identifier: MIT
// Observes a program that speaks HTTP through GnuTLS: its statuses and hints count, and nothing is held. The
// ClientHello shows which socket belongs to a connection (wire/bio.h), also if the program gives GnuTLS functions of
// its own that read and write, as long as these call intercepted functions of libc.
//
// Nothing is held, because GnuTLS has no call that looks at bytes and leaves them. To hold a response, the library
// would have to read it and keep its bytes. The library would then have to give these bytes to later reads, to count
// them in gnutls_record_check_pending, and to end each select for the descriptor while bytes are left, because the
// kernel has nothing to report then.
//
// These functions may be called only by the thread that uses the connection. They keep errno.
#ifndef RB_WIRE_GNUTLS_H
#define RB_WIRE_GNUTLS_H

#include "real/libgnutls.h"
#include "wire/link.h"

// The program makes the handshake: its connect and its first request are one call (wire/opening.h).
void rb_gnutls_begins(const struct rb_libgnutls *libgnutls, rb_gnutls_session *session);

// A read has ended.
//   got: the number of bytes; 0: the end of the stream; less: the call has failed
void rb_gnutls_got(const struct rb_libgnutls *libgnutls, rb_gnutls_session *session, const void *bytes, ssize_t got);

// A write has ended.
//   bytes: NULL if the program has repeated the call with its earlier bytes, which are not known any more
//   put: the number of bytes; less than 1 if the call has failed
void rb_gnutls_put(const struct rb_libgnutls *libgnutls, rb_gnutls_session *session, const void *bytes, ssize_t put);

#endif
