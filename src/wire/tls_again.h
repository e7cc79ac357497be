// SPDX-License-Identifier: MIT
// Opens a connection of OpenSSL again: connects to the same peer on the same descriptor, and makes a handshake with the
// same connection object (http.tls_reconnect).
//
// The program has checked the peer and knows the connection object. So the new connection counts only if its peer shows
// the same certificate, byte by byte, with the same result of the verification and the same protocol (ALPN). The
// program's verify, keylog and session callbacks run in the handshake, as in its own: they belong to the check, or need
// to know each session. Its info callbacks do not run, because they could take the handshake for a renegotiation. The
// server name, the verification parameters and the session stay: a server may resume it.
//
// These functions may be called only by the thread that uses the connection object.
#ifndef RB_WIRE_TLS_AGAIN_H
#define RB_WIRE_TLS_AGAIN_H

#include "real/libssl.h"
#include "wire/link.h"

// Returns true if the connection may be opened again. False:
//   - the program is the server of the connection
//   - the peer has shown no certificate, so the next one could not be compared
//   - the program has a certificate of its own, or a callback that gives one
//   - the kernel encrypts (kTLS), because the keys stay in the socket
//   - the protocol (ALPN) is another one than http/1.1
//   - the libssl lacks a function that is needed
bool rb_tls_again_is_possible(const struct rb_libssl *libssl, const SSL *ssl);

// Ends the connection and opens a new one. Waits, also on a non-blocking socket, for 5 s at most and not longer than
// until_ms (rb_system_now_ms). A signal whose handler does not have SA_RESTART ends the wait. Returns true if the new
// connection is one to the same peer. Otherwise, unless rb_tls_again_is_possible is false, the socket is not connected,
// and the connection object is at its end: SSL_read finds the end of the stream, and SSL_shutdown writes nothing.
// Leaves nothing in the error queue of OpenSSL. Changes errno.
//   link: claimed; the peer to connect to
bool rb_tls_again_open(const struct rb_libssl *libssl, SSL *ssl, struct rb_link *link, uint64_t until_ms);

#endif
