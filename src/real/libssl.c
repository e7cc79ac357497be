// SPDX-License-Identifier: MIT
// The functions of libssl.
#include "real/libssl.h"

// In the order of the members of struct rb_libssl.
static const char *const names[] = {
#define LIBSSL(family, result, name, ...) "SSL_" #name,
#include "hook/hooks.def"
    "SSL_get_rfd",
    "SSL_get_wfd",
    "SSL_get_error",
    "SSL_get_client_random",
    "SSL_get_shutdown",
    "SSL_set_shutdown",
    "SSL_do_handshake",
    "SSL_set_connect_state",
    "SSL_is_server",
    "SSL_get1_peer_certificate",
    "SSL_get_peer_certificate",
    "SSL_get_verify_result",
    "SSL_get_certificate",
    "SSL_get0_alpn_selected",
    "SSL_get_rbio",
    "SSL_get_wbio",
    "SSL_get_info_callback",
    "SSL_set_info_callback",
    "SSL_get_SSL_CTX",
    "SSL_CTX_get_client_cert_cb",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };
_Static_assert(sizeof(struct rb_libssl) == sizeof(struct rb_library) + NAMES * sizeof(void *),
               "struct rb_libssl has one pointer for each name");

struct rb_library_kind rb_libssl_kind = {
    .names = names,
    .count = NAMES,
    .marks = {"SSL_read", "SSL_new", "SSL_CTX_new"},
};

const struct rb_libssl *rb_libssl_of(const SSL *ssl, const void *caller)
{
    const struct rb_library *library = ssl ? rb_library_of_handle(&rb_libssl_kind, ssl) : NULL;
    return (const struct rb_libssl *) (library ? library : rb_library_of_caller(&rb_libssl_kind, caller));
}

// In the order of the members of struct rb_libcrypto.
static const char *const crypto_names[] = {"ERR_clear_error", "i2d_X509",          "X509_free", "BIO_ctrl",
                                           "BIO_method_type", "BIO_method_name",   "BIO_read",  "BIO_ctrl_pending",
                                           "BIO_number_read", "BIO_number_written"};
_Static_assert(sizeof(struct rb_libcrypto) ==
                   sizeof(struct rb_library) + sizeof(crypto_names) / sizeof(crypto_names[0]) * sizeof(void *),
               "struct rb_libcrypto has one pointer for each name");

static struct rb_library_kind libcrypto_kind = {
    .names = crypto_names,
    .count = sizeof(crypto_names) / sizeof(crypto_names[0]),
    .marks = {"ERR_clear_error", "ERR_peek_error", "BIO_new"},
};

const struct rb_libcrypto *rb_libcrypto_of(const struct rb_libssl *libssl)
{
    const void *inside = (const void *) libssl->library.start;
    return (const struct rb_libcrypto *) rb_library_of_caller(&libcrypto_kind, inside);
}
