// SPDX-License-Identifier: MIT
// Finds the libssl that a call of OpenSSL's interface is meant for (see real/library.h). The types are opaque and are
// declared here, so the build needs no header of OpenSSL. Other libraries with the same interface (LibreSSL,
// BoringSSL), and programs that export an OpenSSL of their own, count as a libssl too.
//
// The object that makes a call does not show which libssl is meant: the loader may have bound this object to another
// libssl than the one that it needs, and a return address is that of another object if the call is the last one of a
// function. But each connection points to the functions of its protocol, in every version: its first four words
// hold an address inside its libssl.
#ifndef RB_REAL_LIBSSL_H
#define RB_REAL_LIBSSL_H

#include "real/library.h"

typedef struct ssl_st SSL; // a connection

// The functions of one loaded libssl. Never freed; a function that this version lacks is NULL.
struct rb_libssl {
    struct rb_library library;
// NOLINTBEGIN(bugprone-macro-parentheses): they are types and parameter lists
#define LIBSSL(family, result, name, parameters, arguments, absent) result(*name) parameters;
// NOLINTEND(bugprone-macro-parentheses)
#include "hook/hooks.def"
    // Not intercepted.
    int (*get_rfd)(const SSL *ssl); // the descriptor, or -1 if the connection reads from something else
    int (*get_wfd)(const SSL *ssl);
    int (*get_error)(const SSL *ssl, int result);
    size_t (*get_client_random)(const SSL *ssl, void *bytes, size_t size); // from 1.1.0
    int (*get_shutdown)(const SSL *ssl);
    void (*set_shutdown)(SSL *ssl, int mode);
};

// The functions of the libcrypto that belongs to a libssl.
struct rb_libcrypto {
    struct rb_library library;
    void (*clear_error)(void); // empties the error queue of the thread
};

extern struct rb_library_kind rb_libssl_kind;

// Returns the libssl that made a connection. If the connection is NULL or does not show its libssl: the one for a call
// from `caller` (a return address). NULL if none is loaded. Costs a few loads if the libssl was found before and no
// object was unloaded since; else takes the loader's lock.
const struct rb_libssl *rb_libssl_of(const SSL *ssl, const void *caller);

// Returns the libcrypto that this libssl needs, or NULL. Lock-free if it was found before and no object was unloaded
// since.
const struct rb_libcrypto *rb_libcrypto_of(const struct rb_libssl *libssl);

#endif
