// SPDX-License-Identifier: MIT
// Finds the libgnutls that a call of GnuTLS's interface is meant for (see real/library.h). The types are opaque and are
// declared here, so the build needs no header of GnuTLS.
#ifndef RB_REAL_LIBGNUTLS_H
#define RB_REAL_LIBGNUTLS_H

#include <sys/types.h>

#include "real/library.h"

typedef struct gnutls_session_int rb_gnutls_session; // a connection

// gnutls_datum_t
struct rb_gnutls_bytes {
    unsigned char *at;
    unsigned length;
};

// The functions of one loaded libgnutls. Never freed; a function that this version lacks is NULL.
struct rb_libgnutls {
    struct rb_library library;
// NOLINTBEGIN(bugprone-macro-parentheses): they are types and parameter lists
#define LIBGNUTLS(family, result, name, parameters, arguments, absent) result(*name) parameters;
// NOLINTEND(bugprone-macro-parentheses)
#include "hook/hooks.def"
    // Not intercepted.
    void (*transport_get_int2)(rb_gnutls_session *session, int *receives, int *sends); // from 3.1.9
    void (*session_get_random)(rb_gnutls_session *session, struct rb_gnutls_bytes *client,
                               struct rb_gnutls_bytes *server); // from 3.0
};

extern struct rb_library_kind rb_libgnutls_kind;

// Returns the libgnutls for a call from `caller` (a return address). NULL if none is loaded. Takes the loader's lock as
// rb_library_of_caller does.
const struct rb_libgnutls *rb_libgnutls_of(const void *caller);

#endif
