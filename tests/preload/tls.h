// SPDX-License-Identifier: MIT
// Connections of OpenSSL on loopback, with a key that both ends know, so without a certificate. The functions are
// looked up in the libssl of the system.
#ifndef RB_PRELOAD_TLS_H
#define RB_PRELOAD_TLS_H

#include <dlfcn.h>

#include "network.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef unsigned tls_client_key(SSL *, const char *, char *, unsigned, unsigned char *, unsigned);
typedef unsigned tls_server_key(SSL *, const char *, unsigned char *, unsigned);

enum { TLS_1_2 = 0x303, TLS_1_3 = 0x304, TLS_WANT_READ = 2, TLS_WANT_WRITE = 3, TLS_ZERO_RETURN = 6 };

#define TLS_FUNCTIONS(X)                                                                                               \
    X(const void *, TLS_client_method, (void) )                                                                        \
    X(const void *, TLS_server_method, (void) )                                                                        \
    X(SSL_CTX *, SSL_CTX_new, (const void *) )                                                                         \
    X(void, SSL_CTX_free, (SSL_CTX *) )                                                                                \
    X(long, SSL_CTX_ctrl, (SSL_CTX *, int, long, void *) )                                                             \
    X(int, SSL_CTX_set_cipher_list, (SSL_CTX *, const char *) )                                                        \
    X(void, SSL_CTX_set_psk_client_callback, (SSL_CTX *, tls_client_key *) )                                           \
    X(void, SSL_CTX_set_psk_server_callback, (SSL_CTX *, tls_server_key *) )                                           \
    X(SSL *, SSL_new, (SSL_CTX *) )                                                                                    \
    X(void, SSL_free, (SSL *) )                                                                                        \
    X(int, SSL_clear, (SSL *) )                                                                                        \
    X(int, SSL_set_fd, (SSL *, int) )                                                                                  \
    X(int, SSL_connect, (SSL *) )                                                                                      \
    X(int, SSL_accept, (SSL *) )                                                                                       \
    X(int, SSL_shutdown, (SSL *) )                                                                                     \
    X(int, SSL_get_error, (const SSL *, int) )                                                                         \
    X(int, SSL_read, (SSL *, void *, int) )                                                                            \
    X(int, SSL_read_ex, (SSL *, void *, size_t, size_t *) )                                                            \
    X(int, SSL_peek, (SSL *, void *, int) )                                                                            \
    X(int, SSL_peek_ex, (SSL *, void *, size_t, size_t *) )                                                            \
    X(int, SSL_pending, (const SSL *) )                                                                                \
    X(int, SSL_has_pending, (const SSL *) )                                                                            \
    X(int, SSL_write, (SSL *, const void *, int) )                                                                     \
    X(int, SSL_write_ex, (SSL *, const void *, size_t, size_t *) )

static struct {
#define X(result, name, parameters) result(*name) parameters; // NOLINT(bugprone-macro-parentheses)
    TLS_FUNCTIONS(X)
#undef X
} tls;

static inline void *tls_library(void)
{
    void *object = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!object)
        test_skip(dlerror());
    return object;
}

// Looks up the functions in a libssl.
static inline void tls_look_up(void *object)
{
#define X(result, name, parameters)                                                                                    \
    *(void **) &tls.name = dlsym(object, #name);                                                                       \
    CHECK(tls.name != NULL);
    TLS_FUNCTIONS(X)
#undef X
}

static inline unsigned tls_know_key(SSL *ssl, const char *hint, char *name, unsigned name_size, unsigned char *key,
                                    unsigned size)
{
    (void) ssl, (void) hint;
    snprintf(name, name_size, "test");
    memset(key, 'k', size < 16 ? size : 16);
    return 16;
}

static inline unsigned tls_accept_key(SSL *ssl, const char *name, unsigned char *key, unsigned size)
{
    (void) ssl, (void) name;
    memset(key, 'k', size < 16 ? size : 16);
    return 16;
}

// Makes a connection object for a connected socket, for the versions of TLS from `least` to `most`.
static inline SSL *tls_new_between(int fd, int least, int most, bool server)
{
    enum { SET_MIN = 123, SET_MAX = 124 }; // SSL_CTRL_SET_MIN_PROTO_VERSION and the following
    SSL_CTX *context = tls.SSL_CTX_new(server ? tls.TLS_server_method() : tls.TLS_client_method());
    CHECK(context != NULL);
    CHECK(tls.SSL_CTX_ctrl(context, SET_MIN, least, NULL) && tls.SSL_CTX_ctrl(context, SET_MAX, most, NULL));
    CHECK_INT(tls.SSL_CTX_set_cipher_list(context, "PSK"), 1);
    tls.SSL_CTX_set_psk_client_callback(context, tls_know_key);
    tls.SSL_CTX_set_psk_server_callback(context, tls_accept_key);
    SSL *ssl = tls.SSL_new(context);
    CHECK(ssl && tls.SSL_set_fd(ssl, fd) == 1);
    tls.SSL_CTX_free(context); // the connection has a reference
    return ssl;
}

// The same for one version.
static inline SSL *tls_new(int fd, int version, bool server)
{
    return tls_new_between(fd, version, version, server);
}

#endif
