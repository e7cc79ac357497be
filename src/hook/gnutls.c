// SPDX-License-Identifier: MIT
// GnuTLS's interface for connections. Its requests and responses are only observed.
#include "hook/gnutls.h"

#include <stdbool.h>

#include "hook/hook.h"
#include "real/libcurl.h"
#include "wire/gnutls.h"

enum { INTERNAL_ERROR = -59 }; // GNUTLS_E_INTERNAL_ERROR

// Calls of libcurl pass through, because its transfers are repeated as a whole. So do calls that a libgnutls makes
// itself.
static bool is_observed(const struct rb_libgnutls *libgnutls, const void *caller)
{
    return atomic_load_explicit(&rb_link_count, memory_order_relaxed) > 0 && libgnutls &&
           !rb_library_spans(&libgnutls->library, caller) && !rb_libcurl_contains(caller) && !rb_guard_depth;
}

RB_HOOK int gnutls_handshake(rb_gnutls_session *session)
{
    const struct rb_libgnutls *libgnutls = rb_libgnutls_of(RB_CALLER);
    if (is_observed(libgnutls, RB_CALLER))
        rb_gnutls_begins(libgnutls, session);
    return libgnutls && libgnutls->handshake ? libgnutls->handshake(session) : INTERNAL_ERROR;
}

RB_HOOK ssize_t gnutls_record_recv(rb_gnutls_session *session, void *bytes, size_t length)
{
    const struct rb_libgnutls *libgnutls = rb_libgnutls_of(RB_CALLER);
    bool observed = is_observed(libgnutls, RB_CALLER);
    ssize_t got = libgnutls && libgnutls->record_recv ? libgnutls->record_recv(session, bytes, length) : INTERNAL_ERROR;
    if (observed && length > 0)
        rb_gnutls_got(libgnutls, session, bytes, got);
    return got;
}

RB_HOOK ssize_t gnutls_record_send(rb_gnutls_session *session, const void *bytes, size_t length)
{
    const struct rb_libgnutls *libgnutls = rb_libgnutls_of(RB_CALLER);
    bool observed = is_observed(libgnutls, RB_CALLER);
    ssize_t put = libgnutls && libgnutls->record_send ? libgnutls->record_send(session, bytes, length) : INTERNAL_ERROR;
    if (observed)
        rb_gnutls_put(libgnutls, session, bytes, put);
    return put;
}
