// SPDX-License-Identifier: MIT
// The table of functions: those of hook/hooks.def, and those that avoid the library.
#include "cli/doctor/family.h"

#include <string.h>

static const struct rb_family_name names[] = {
#define ROW(name, family) {name, RB_FAMILY_##family, false},
#define LIBC(family, result, name, ...) ROW(#name, family)
#define LIBC_VARIADIC LIBC
#define LIBC_REPLACED LIBC
#define LIBC_JUMP LIBC
#define LOADER(family, name) ROW(#name, family)
#define LIBCURL_HANDLE(family, result, name, ...) ROW("curl_" #name, family)
#define LIBCURL_MAKER(family, result, name) ROW("curl_" #name, family)
#define LIBSSL(family, result, name, ...) ROW("SSL_" #name, family)
#define LIBGNUTLS(family, result, name, ...) ROW("gnutls_" #name, family)
#define NOT_HOOKED(family, name) ROW(#name, family)
#include "hook/hooks.def"

    {"__res_nquery", RB_FAMILY_RESOLVER, false},
    {"__res_nsearch", RB_FAMILY_RESOLVER, false},
    {"__res_query", RB_FAMILY_RESOLVER, false},
    {"__res_search", RB_FAMILY_RESOLVER, false},
    {"ares_getaddrinfo", RB_FAMILY_RESOLVER, false},
    {"ares_gethostbyname", RB_FAMILY_RESOLVER, false},
    {"ares_query", RB_FAMILY_RESOLVER, false},
    {"ares_search", RB_FAMILY_RESOLVER, false},
    {"ares_send", RB_FAMILY_RESOLVER, false},
    {"getaddrinfo_a", RB_FAMILY_RESOLVER, false},
    {"res_nquery", RB_FAMILY_RESOLVER, false},
    {"res_nsearch", RB_FAMILY_RESOLVER, false},
    {"res_query", RB_FAMILY_RESOLVER, false},
    {"res_search", RB_FAMILY_RESOLVER, false},
    {"io_uring_", RB_FAMILY_URING, true},
    {"dlmopen", RB_FAMILY_NAMESPACE, false},
    {"dlvsym", RB_FAMILY_NAMESPACE, false},
    {"uv_loop_init", RB_FAMILY_UV, false},
    {"seccomp_load", RB_FAMILY_SECCOMP, false},
    {"SSL_ImportFD", RB_FAMILY_NSS, false},
    {"gnutls_transport_set_push_function", RB_FAMILY_OWN_FLOW, false},
    {"gnutls_transport_set_vec_push_function", RB_FAMILY_OWN_FLOW, false},
    {"BIO_new_socket", RB_FAMILY_SSL_FD, false},
    {"SSL_set_bio", RB_FAMILY_SSL_BIO, false},
    {"nghttp2_session_client_new", RB_FAMILY_HTTP2, true},
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };
_Static_assert((int) NAMES <= (int) RB_FAMILY_NAMES_MAX, "the table fits where its indices are kept");

const struct rb_family_name *rb_family_table(unsigned *count)
{
    *count = NAMES;
    return names;
}

int rb_family_find(const char *name)
{
    for (int i = 0; i < (int) NAMES; i++) {
        size_t length = strlen(names[i].name) + !names[i].prefix;
        if (names[i].name[0] == name[0] && strncmp(names[i].name, name, length) == 0)
            return i;
    }
    return -1;
}
