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

typedef struct ssl_st SSL;                                        // a connection
typedef struct ssl_ctx_st SSL_CTX;                                // the settings of connections
typedef struct x509_st X509;                                      // a certificate
typedef void rb_libssl_info(const SSL *ssl, int what, int value); // told of the steps of a connection
typedef struct bio_st BIO;                                        // what a connection reads from or writes to

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
    // The same, for a second handshake.
    int (*do_handshake)(SSL *ssl);
    void (*set_connect_state)(SSL *ssl);
    int (*is_server)(const SSL *ssl);
    X509 *(*get1_peer_certificate)(const SSL *ssl); // from 3.0; a reference, or NULL
    X509 *(*get_peer_certificate)(const SSL *ssl);  // the same before 3.0
    long (*get_verify_result)(const SSL *ssl);
    X509 *(*get_certificate)(const SSL *ssl); // of the program; not a reference
    void (*get0_alpn_selected)(const SSL *ssl, const unsigned char **name, unsigned *length);
    BIO *(*get_rbio)(const SSL *ssl);
    BIO *(*get_wbio)(const SSL *ssl);
    rb_libssl_info *(*get_info_callback)(const SSL *ssl);
    void (*set_info_callback)(SSL *ssl, rb_libssl_info *callback);
    SSL_CTX *(*get_context)(const SSL *ssl);
    int (*(*context_certificate_callback)(SSL_CTX *context))(SSL *ssl, X509 **certificate, void **key);
};

// The functions of the libcrypto that belongs to a libssl.
struct rb_libcrypto {
    struct rb_library library;
    void (*clear_error)(void);                                              // empties the error queue of the thread
    int (*certificate_bytes)(const X509 *certificate, unsigned char **out); // i2d_X509
    void (*certificate_free)(X509 *certificate);
    long (*bio_control)(BIO *bio, int command, long number, void *pointer);
    int (*method_type)(const BIO *bio);
    const char *(*method_name)(const BIO *bio);
    int (*bio_read)(BIO *bio, void *buffer, int length);
    size_t (*pending)(BIO *bio);          // bytes that can be read
    uint64_t (*number_read)(BIO *bio);    // bytes that were read so far; 64 bits from 1.1.0
    uint64_t (*number_written)(BIO *bio); // likewise
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
