// SPDX-License-Identifier: MIT
// The functions of libcurl.
#include "real/libcurl.h"

// In the order of the members of struct rb_libcurl.
static const char *const names[] = {
#define LIBCURL_HANDLE(family, result, name, parameters) "curl_" #name,
#define LIBCURL_MAKER(family, result, name) "curl_" #name,
#include "hook/hooks.def"
    "curl_multi_wakeup",
    "curl_url_get",
    "curl_free",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };
_Static_assert(sizeof(struct rb_libcurl) == sizeof(struct rb_library) + NAMES * sizeof(void *),
               "struct rb_libcurl has one pointer for each name");

struct rb_library_kind rb_libcurl_kind = {
    .names = names,
    .count = NAMES,
    .marks = {"curl_easy_perform", "curl_easy_init", "curl_multi_add_handle"},
};

const struct rb_libcurl *rb_libcurl_of_caller(const void *caller)
{
    return (const struct rb_libcurl *) rb_library_of_caller(&rb_libcurl_kind, caller);
}

bool rb_libcurl_contains(const void *address)
{
    return rb_libcurl_around(address) != NULL;
}
