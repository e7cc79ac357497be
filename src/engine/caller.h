// SPDX-License-Identifier: MIT
// Identifies the caller of a request by a hash of its credential. Servers limit requests per credential, so Retry-After
// of a 429 is kept per credential (engine/tenants.h).
//
// A credential has parts: header fields, and options of libcurl. Each part has a hash of its own, 0 for none, which is
// equal in all processes. The sum of these hashes, each hashed again with a secret key, identifies the caller. So their
// order does not matter, and the sum does not reveal the credential.
#ifndef RB_ENGINE_CALLER_H
#define RB_ENGINE_CALLER_H

#include "base/slice.h"

// What a part is made of. The kind goes into the hash, so that a user and an equal password have different hashes.
enum rb_caller_part {
    RB_CALLER_PART,
    RB_CALLER_USER,
    RB_CALLER_PASSWORD,
    RB_CALLER_BEARER,
    RB_CALLER_BASIC,
    RB_CALLER_ACCESS_KEY,
    RB_CALLER_OTHER,
    RB_CALLER_NETRC,
    RB_CALLER_CERTIFICATE,
    RB_CALLER_API_KEY // the first of several
};

// Returns the hash of a text; 0 for NULL. Pure, as are all functions below.
uint64_t rb_caller_text(enum rb_caller_part kind, const char *text, size_t length);

// Returns the hash of a percent-encoded text, decoded.
uint64_t rb_caller_encoded(enum rb_caller_part kind, const char *text, size_t length);

// Returns the hash of a header field: Authorization, X-Api-Key, Api-Key or X-Goog-Api-Key. If the value changes with
// each request, only its constant part counts: the user for Digest, the access key for AWS. 0 for any other field.
// Cookies never count.
uint64_t rb_caller_field(struct rb_slice name, struct rb_slice value);

// Adds a part to a sum, which begins with 0. A part of 0 changes nothing.
//   key: 128 bits, from the state in which the result is stored
void rb_caller_add(uint64_t *sum, const uint64_t key[2], uint64_t part);

// Returns the hash of the caller: never 0, and RB_TENANT_ANONYMOUS without a part.
uint64_t rb_caller_end(uint64_t sum);

#endif
