// SPDX-License-Identifier: MIT
// Identifies the credential of a transfer by a hash (engine/caller.h).
//
// A credential consists of: the header fields of rb_caller_field; user and password; a bearer token; the use of .netrc;
// a client certificate.
#ifndef RB_CURL_CREDENTIAL_H
#define RB_CURL_CREDENTIAL_H

#include "curl/handle_data.h"

// Records an option that libcurl accepted. Ignores options that are not about credentials.
void rb_credential_note(struct rb_handle *handle, CURLoption option, union rb_option value);

// The keyed hash of the credential for the handle's next transfer. Never 0; RB_TENANT_ANONYMOUS without a credential.
// Reads the program's header list, which libcurl does not copy, so call it only during a transfer.
//   key: 128 bits, from the state in which the hash is stored
uint64_t rb_credential(const struct rb_handle *handle, const uint64_t key[2]);

#endif
