// SPDX-License-Identifier: MIT
// The libcurl that owns a handle: one process may hold several, and none is linked by us.
//
// RTLD_NEXT would hand a handle of one flavour to another. Instead: the libcurl that the calling object needs (directly
// or through what it needs), else the only loaded object that exports libcurl's functions, else the next one in load
// order.
#ifndef RB_REAL_LIBCURL_H
#define RB_REAL_LIBCURL_H

#define CURL_DISABLE_TYPECHECK   // curl_easy_setopt and others as functions: we define them
#define CURL_DISABLE_DEPRECATION // programs use the old options too
#include <curl/curl.h>
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
#undef curl_multi_socket

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Of libcurl 8.17; older headers lack them.
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
    struct rb_libcurl *next; // the one found before this
    uintptr_t start, end;    // addresses that the object spans
// NOLINTBEGIN(bugprone-macro-parentheses): it is the name of a member
#define LIBCURL_HANDLE(family, result, name, parameters) __typeof__(&curl_##name) name;
#define LIBCURL_MAKER(family, result, name) __typeof__(&curl_##name) name;
// NOLINTEND(bugprone-macro-parentheses)
#include "hook/hooks.def"
    // Not intercepted.
    CURLMcode (*multi_wakeup)(CURLM *);                              // from 7.68; only asked for
    CURLUcode (*url_get)(CURLU *, CURLUPart, char **, unsigned int); // from 7.62
    void (*free)(void *);
    _Atomic bool gone; // it was unloaded: another one lies there now
};

// The libcurl that a call from `caller` (a return address) means, or NULL when none is loaded. Takes the loader's lock.
const struct rb_libcurl *rb_libcurl_of_caller(const void *caller);

// The libcurl whose object holds `address`, such as a function that dlsym found; NULL when it is no libcurl. Takes the
// loader's lock.
const struct rb_libcurl *rb_libcurl_at(const void *address);

// True when `address` lies inside this libcurl: a call that it makes itself. Meaningful while it is loaded, as it is
// while one of its handles is alive.
static inline bool rb_libcurl_spans(const struct rb_libcurl *library, const void *address)
{
    return (uintptr_t) address >= library->start && (uintptr_t) address < library->end;
}

// The one found last; the others follow. Only for the function below.
extern _Atomic(struct rb_libcurl *) rb_libcurl_last;

// The libcurl among those found so far inside which `address` lies, or NULL. A few loads, no lock.
static inline const struct rb_libcurl *rb_libcurl_around(const void *address)
{
    const struct rb_libcurl *library = atomic_load_explicit(&rb_libcurl_last, memory_order_acquire);
    while (library &&
           (!rb_libcurl_spans(library, address) || atomic_load_explicit(&library->gone, memory_order_relaxed)))
        library = library->next;
    return library;
}

// True when `address` lies inside any libcurl found so far. A few loads, no lock. Another object may lie by now where a
// libcurl was: for calls that may pass through, not for deciding whose a handle is.
bool rb_libcurl_contains(const void *address);

#endif
