// SPDX-License-Identifier: MIT
// Finds the libcurl that owns a handle (see real/library.h).
#ifndef RB_REAL_LIBCURL_H
#define RB_REAL_LIBCURL_H

#define CURL_DISABLE_TYPECHECK   // we define curl_easy_setopt and others as functions
#define CURL_DISABLE_DEPRECATION // programs use the old options too
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
#undef curl_multi_socket

#include "real/library.h"

// Constants and functions of libcurl 8.17 that older headers lack.
enum {
    RB_NOTIFY_INFO_READ = 0,
    RB_NOTIFY_EASY_DONE = 1,
    RB_NOTIFYFUNCTION = CURLOPTTYPE_FUNCTIONPOINT + 18, // CURLMOPT_*
    RB_NOTIFYDATA = CURLOPTTYPE_OBJECTPOINT + 19
};
typedef void (*rb_notify_callback)(CURLM *multi, unsigned int kind, CURL *easy, void *data);

// Older headers lack some of these functions. The others are declared again: the compiler compares each row with
// curl.h.
#define LIBCURL_HANDLE(family, result, name, parameters) result curl_##name parameters;
#define LIBCURL_MAKER(family, result, name) result curl_##name(void);
#include "hook/hooks.def"

// The functions of one loaded libcurl. Never freed; a function that this version lacks is NULL.
struct rb_libcurl {
    struct rb_library library;
// NOLINTBEGIN(bugprone-macro-parentheses): it is the name of a member
#define LIBCURL_HANDLE(family, result, name, parameters) __typeof__(&curl_##name) name;
#define LIBCURL_MAKER(family, result, name) __typeof__(&curl_##name) name;
// NOLINTEND(bugprone-macro-parentheses)
#include "hook/hooks.def"
    // Not intercepted.
    CURLMcode (*multi_wakeup)(CURLM *);                              // from 7.68; only tested for presence
    CURLUcode (*url_get)(CURLU *, CURLUPart, char **, unsigned int); // from 7.62
    void (*free)(void *);
};

extern struct rb_library_kind rb_libcurl_kind;

// Returns the libcurl for a call from `caller` (a return address); NULL if none is loaded. May take the loader's lock.
const struct rb_libcurl *rb_libcurl_of_caller(const void *caller);

// Returns true if `address` lies inside this libcurl, that is, if libcurl itself makes the call. Valid while the
// libcurl is loaded, which one of its live handles guarantees.
static inline bool rb_libcurl_spans(const struct rb_libcurl *curl, const void *address)
{
    return rb_library_spans(&curl->library, address);
}

// Returns the libcurl found so far that contains `address`, or NULL. Costs a few loads; takes no lock.
static inline const struct rb_libcurl *rb_libcurl_around(const void *address)
{
    return (const struct rb_libcurl *) rb_library_around(&rb_libcurl_kind, address);
}

// Returns true if `address` lies inside a libcurl found so far. Costs a few loads; takes no lock. After a dlclose
// another object may lie there, so use this only for deciding whether a call passes through, not to find the owner of a
// handle.
bool rb_libcurl_contains(const void *address);

#endif
