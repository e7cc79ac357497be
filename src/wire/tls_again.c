// SPDX-License-Identifier: MIT
// A second connection and handshake with the same connection object.
#include "wire/tls_again.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/slice.h"
#include "net/socket.h"
#include "real/libc.h"
#include "real/pages.h"
#include "real/pause.h"
#include "real/system.h"
#include "wire/quiet.h"
#include "wire/redial.h"

// The longest time for a connect and a handshake.
enum { AGAIN_MS = 5000 };

// Of SSL_get_error, SSL_set_shutdown and BIO_ctrl.
enum { WANTS_READ = 2, WANTS_WRITE = 3, SENT_AND_RECEIVED = 3, KTLS_SEND = 73, KTLS_RECEIVE = 76 };

// --- conditions

static bool has_functions(const struct rb_libssl *libssl, const struct rb_libcrypto *libcrypto)
{
    return libssl->clear && libssl->set_shutdown && libssl->get_error && libssl->do_handshake &&
           libssl->set_connect_state && libssl->is_server &&
           (libssl->get1_peer_certificate || libssl->get_peer_certificate) && libssl->get_verify_result &&
           libssl->get_certificate && libssl->get0_alpn_selected && libssl->get_rbio && libssl->get_wbio &&
           libssl->get_info_callback && libssl->set_info_callback && libssl->get_context &&
           libssl->context_certificate_callback && libcrypto && libcrypto->clear_error &&
           libcrypto->certificate_bytes && libcrypto->certificate_free && libcrypto->bio_control;
}

// Returns a reference, or NULL.
static X509 *peer_certificate(const struct rb_libssl *libssl, const SSL *ssl)
{
    return libssl->get1_peer_certificate ? libssl->get1_peer_certificate(ssl) : libssl->get_peer_certificate(ssl);
}

// Returns the name of the protocol that both ends have chosen; empty: none.
static struct rb_slice protocol_of(const struct rb_libssl *libssl, const SSL *ssl)
{
    const unsigned char *name = NULL;
    unsigned length = 0;
    libssl->get0_alpn_selected(ssl, &name, &length);
    return (struct rb_slice){(const char *) name, name ? length : 0};
}

bool rb_tls_again_is_possible(const struct rb_libssl *libssl, const SSL *ssl)
{
    const struct rb_libcrypto *libcrypto = rb_libcrypto_of(libssl);
    if (!has_functions(libssl, libcrypto))
        return false;
    struct rb_slice protocol = protocol_of(libssl, ssl);
    SSL_CTX *context = libssl->get_context(ssl);
    X509 *shown = peer_certificate(libssl, ssl);
    if (shown)
        libcrypto->certificate_free(shown);
    bool has_certificate = libssl->get_certificate(ssl) || libssl->context_certificate_callback(context);
    bool in_kernel = libcrypto->bio_control(libssl->get_wbio(ssl), KTLS_SEND, 0, NULL) > 0 ||
                     libcrypto->bio_control(libssl->get_rbio(ssl), KTLS_RECEIVE, 0, NULL) > 0;
    return !libssl->is_server(ssl) && !has_certificate && !in_kernel && shown &&
           (protocol.length == 0 || rb_slice_is(protocol, "http/1.1"));
}

// --- the peer

// What the program has accepted.
struct peer {
    X509 *certificate; // a reference
    long verified;
    bool names_protocol;
};

static struct peer peer_of(const struct rb_libssl *libssl, const SSL *ssl)
{
    return (struct peer){
        .certificate = peer_certificate(libssl, ssl),
        .verified = libssl->get_verify_result(ssl),
        .names_protocol = protocol_of(libssl, ssl).length > 0,
    };
}

// Compares two certificates byte by byte.
static bool is_same_certificate(const struct rb_libcrypto *libcrypto, const X509 *one, const X509 *other)
{
    int length = libcrypto->certificate_bytes(one, NULL);
    if (length <= 0 || libcrypto->certificate_bytes(other, NULL) != length)
        return false;
    size_t size = 2 * (size_t) length;
    unsigned char *memory = rb_pages_memory(size), *first = memory, *second = memory ? memory + length : NULL;
    bool same = memory && libcrypto->certificate_bytes(one, &first) == length &&
                libcrypto->certificate_bytes(other, &second) == length &&
                memcmp(memory, memory + length, (size_t) length) == 0;
    if (memory)
        rb_pages_memory_free(memory, size);
    return same;
}

// Returns true if the connection is one to the peer that the program has accepted.
static bool is_same_peer(const struct rb_libssl *libssl, const struct rb_libcrypto *libcrypto, const SSL *ssl,
                         const struct peer *accepted)
{
    struct peer now = peer_of(libssl, ssl);
    bool same = now.certificate && is_same_certificate(libcrypto, accepted->certificate, now.certificate) &&
                now.verified == accepted->verified && now.names_protocol == accepted->names_protocol &&
                rb_tls_again_is_possible(libssl, ssl);
    if (now.certificate)
        libcrypto->certificate_free(now.certificate);
    return same;
}

// --- the handshake

// Waits until the handshake can go on. Returns false if it must not go on.
static bool await_handshake(int fd, int wanted, uint64_t until_ms)
{
    struct pollfd p = {.fd = fd, .events = wanted == WANTS_READ ? POLLIN : POLLOUT};
    if (wanted != WANTS_READ && wanted != WANTS_WRITE)
        return false; // it has failed, or needs something of the program
    for (;;) {
        uint64_t left_ms = rb_arithmetic_sub(until_ms, rb_system_now_ms());
        int ready = rb_libc_poll(&p, 1, (int) left_ms);
        if (ready != 0)
            return ready > 0 || (errno == EINTR && rb_pause_all_restart() && left_ms > 0);
        if (rb_system_now_ms() >= until_ms)
            return false;
    }
}

// Stands for the program's info callbacks during the handshake.
static void tell_nobody(const SSL *ssl, int what, int value)
{
    (void) ssl, (void) what, (void) value;
}

static bool shake_hands(const struct rb_libssl *libssl, SSL *ssl, int fd, uint64_t until_ms)
{
    struct rb_quiet quiet;
    int result, wanted;
    rb_libssl_info *told = libssl->get_info_callback(ssl);
    libssl->set_info_callback(ssl, tell_nobody);
    do {
        rb_quiet_begin(&quiet, fd, true);
        result = libssl->do_handshake(ssl);
        rb_quiet_end(&quiet);
        wanted = result == 1 ? 0 : libssl->get_error(ssl, result);
    } while (result != 1 && await_handshake(fd, wanted, until_ms));
    libssl->set_info_callback(ssl, told);
    return result == 1;
}

bool rb_tls_again_open(const struct rb_libssl *libssl, SSL *ssl, struct rb_link *link, uint64_t until_ms)
{
    const struct rb_libcrypto *libcrypto = rb_libcrypto_of(libssl);
    uint64_t limit_ms = rb_arithmetic_min(rb_system_now_ms() + AGAIN_MS, until_ms);
    if (!rb_tls_again_is_possible(libssl, ssl))
        return false;
    struct peer accepted = peer_of(libssl, ssl);
    bool opened = accepted.certificate && rb_redial_link(link, limit_ms) == 0;
    if (opened) {
        libssl->set_shutdown(ssl, SENT_AND_RECEIVED); // otherwise SSL_clear drops the session
        opened = libssl->clear(ssl);
    }
    if (opened) {
        libssl->set_connect_state(ssl);
        opened = shake_hands(libssl, ssl, link->fd, limit_ms) && is_same_peer(libssl, libcrypto, ssl, &accepted);
    }
    if (accepted.certificate)
        libcrypto->certificate_free(accepted.certificate);
    if (!opened) {
        rb_socket_disconnect(link->fd); // the peer can be another one
        libssl->set_shutdown(ssl, SENT_AND_RECEIVED);
    }
    libcrypto->clear_error();
    return opened;
}
