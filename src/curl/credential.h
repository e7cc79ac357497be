// SPDX-License-Identifier: MIT
// For whom a transfer is made, as a number: a server that throttles a caller throttles its credential.
//
// Counted are the header fields Authorization, X-Api-Key, Api-Key and X-Goog-Api-Key, user and password, a bearer
// token, an entry of .netrc and a client certificate. Where a part of it changes with each request, only the part that
// stays counts: the user of Digest, the access key of AWS. Cookies never count.
#ifndef RB_HTTP_CREDENTIAL_H
#define RB_HTTP_CREDENTIAL_H

#include "real/libcurl.h"

struct rb_handle;
union rb_option;

// What options say of it, as hashes: no text of a secret is kept. 0: not set.
struct rb_login {
    uint64_t user, password;
    uint64_t bearer;      // CURLOPT_XOAUTH2_BEARER
    uint64_t netrc;       // CURLOPT_NETRC_FILE
    uint64_t certificate; // CURLOPT_SSLCERT: its file
    long methods;         // CURLOPT_HTTPAUTH, 0: Basic
    bool asks_netrc;      // CURLOPT_NETRC
    bool signs;           // CURLOPT_AWS_SIGV4
};

// Notes an option that libcurl accepted; others change nothing.
void rb_credential_note(struct rb_handle *handle, CURLoption option, union rb_option value);

// The keyed hash of the credential of the handle's next transfer: never 0, RB_TENANT_ANONYMOUS where there is none.
// Reads the program's header list, which libcurl does not copy: call it while a transfer is under way.
//   key: 128 bits, of the state in which the hash is kept
uint64_t rb_credential(const struct rb_handle *handle, const uint64_t key[2]);

#endif
