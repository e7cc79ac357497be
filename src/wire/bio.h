// SPDX-License-Identifier: MIT
// Connections of OpenSSL without a descriptor: the program reads and writes the socket itself, and gives the encrypted
// bytes to OpenSSL through a BIO in memory (asyncio, aiohttp, httpx) or one of its own (haproxy).
//
// The ClientHello shows which socket belongs to such a connection object. It is the first message on the socket, and
// its 32 random bytes, which SSL_get_client_random returns, occur in no other ClientHello.
#ifndef RB_WIRE_BIO_H
#define RB_WIRE_BIO_H

#include "real/libssl.h"
#include "wire/link.h"

// The program has written the first bytes of a TLS connection on a claimed link. Remembers the ClientHello, if all of
// its random bytes are there. If another link has the same bytes, neither connection is followed. Lock-free,
// async-signal-safe.
void rb_bio_note_hello(struct rb_link *link, const char *bytes, size_t length);

// Claims the link of a connection object without a descriptor. Returns NULL if no link has sent its ClientHello, if the
// link is claimed already, or if this libssl lacks SSL_get_client_random. Release with rb_link_release.
struct rb_link *rb_bio_claim(const struct rb_libssl *libssl, const SSL *ssl);

// Bytes of the random value in a ClientHello.
enum { RB_BIO_RANDOM = 32 };

// Claims the link that has sent the ClientHello with these random bytes. Returns NULL as rb_bio_claim does.
struct rb_link *rb_bio_claim_random(const char random[RB_BIO_RANDOM]);

#endif
