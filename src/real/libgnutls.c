// SPDX-License-Identifier: MIT
// The functions of libgnutls.
#include "real/libgnutls.h"

// In the order of the members of struct rb_libgnutls.
static const char *const names[] = {
#define LIBGNUTLS(family, result, name, ...) "gnutls_" #name,
#include "hook/hooks.def"
    "gnutls_transport_get_int2",
    "gnutls_session_get_random",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };
_Static_assert(sizeof(struct rb_libgnutls) == sizeof(struct rb_library) + NAMES * sizeof(void *),
               "struct rb_libgnutls has one pointer for each name");

struct rb_library_kind rb_libgnutls_kind = {
    .names = names,
    .count = NAMES,
    .marks = {"gnutls_record_recv", "gnutls_record_send", "gnutls_init"},
};

const struct rb_libgnutls *rb_libgnutls_of(const void *caller)
{
    return (const struct rb_libgnutls *) rb_library_of_caller(&rb_libgnutls_kind, caller);
}
