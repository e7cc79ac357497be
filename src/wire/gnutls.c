// SPDX-License-Identifier: MIT
// Connections of GnuTLS: observed.
#include "wire/gnutls.h"

#include <errno.h>

#include "wire/bio.h"
#include "wire/exchange.h"

// Claims the link of a connection. Returns NULL if the library does not follow it.
static struct rb_link *claim_gnutls(const struct rb_libgnutls *libgnutls, rb_gnutls_session *session)
{
    struct rb_gnutls_bytes client = {NULL, 0}, server = {NULL, 0};
    if (!libgnutls->session_get_random)
        return NULL;
    libgnutls->session_get_random(session, &client, &server);
    struct rb_link *link = client.length == RB_BIO_RANDOM ? rb_bio_claim_random((const char *) client.at) : NULL;
    if (link)
        link->way = RB_WAY_GNUTLS;
    return link;
}

void rb_gnutls_begins(const struct rb_libgnutls *libgnutls, rb_gnutls_session *session)
{
    int receives = -1, sends = -1;
    if (libgnutls->transport_get_int2)
        libgnutls->transport_get_int2(session, &receives, &sends);
    rb_link_note_secured(sends); // does nothing for a number that is no descriptor with a link
}

void rb_gnutls_got(const struct rb_libgnutls *libgnutls, rb_gnutls_session *session, const void *bytes, ssize_t got)
{
    int saved = errno;
    struct rb_link *link = got >= 0 ? claim_gnutls(libgnutls, session) : NULL;
    if (link && rb_exchange_read(link, bytes, (size_t) got))
        rb_link_release(link);
    else if (link)
        rb_link_drop(link);
    errno = saved;
}

void rb_gnutls_put(const struct rb_libgnutls *libgnutls, rb_gnutls_session *session, const void *bytes, ssize_t put)
{
    int saved = errno;
    struct rb_link *link = put > 0 ? claim_gnutls(libgnutls, session) : NULL;
    bool followed = link && bytes && rb_exchange_wrote(link, bytes, (size_t) put);
    if (followed && link->exchange) { // never held
        link->exchange->passes = true;
        link->exchange->stack = RB_STACK_TLS;
    }
    if (followed)
        rb_link_release(link);
    else if (link)
        rb_link_drop(link);
    errno = saved;
}
