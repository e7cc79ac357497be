// SPDX-License-Identifier: MIT
// Functions that show what a program does: those that the library intercepts, and those that avoid it.
#ifndef RB_CLI_DOCTOR_FAMILY_H
#define RB_CLI_DOCTOR_FAMILY_H

#include <stdbool.h>

enum rb_family {
// Functions that some build of the library intercepts. The exports of the given library show which ones it does.
#define FAMILY(family, text) RB_FAMILY_##family,
#include "hook/hooks.def"
    // Functions that avoid the library.
    RB_FAMILY_RESOLVER,  // resolve names by other means
    RB_FAMILY_URING,     // use io_uring
    RB_FAMILY_NAMESPACE, // load or look up objects in another link namespace
    RB_FAMILY_UV,        // libuv, which may use io_uring
    RB_FAMILY_SECCOMP,   // libseccomp, which installs filters
    RB_FAMILY_NSS,       // TLS by NSS
    RB_FAMILY_HTTP2,     // HTTP/2 by nghttp2
    RB_FAMILY_OWN_FLOW,  // GnuTLS, with functions of the program that move the encrypted bytes
    RB_FAMILY_SSL_FD,    // OpenSSL on a socket, beside SSL_set_fd
    RB_FAMILY_SSL_BIO,   // OpenSSL on anything
    RB_FAMILY_COUNT
};

struct rb_family_name {
    const char *name;
    enum rb_family family;
    bool prefix; // matches every name with this prefix
};

enum { RB_FAMILY_NAMES_MAX = 256 };

// Returns all rows; *count receives their number, at most RB_FAMILY_NAMES_MAX.
const struct rb_family_name *rb_family_table(unsigned *count);

// Returns the index of a function in the table, or -1.
int rb_family_find(const char *name);

#endif
