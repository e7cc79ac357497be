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
CURL_EXTERN CURLMcode curl_multi_notify_enable(CURLM *multi, unsigned int kind);
CURL_EXTERN CURLMcode curl_multi_notify_disable(CURLM *multi, unsigned int kind);

// The functions of one loaded libcurl. Never freed; a function that this version lacks is NULL.
struct rb_libcurl {
    struct rb_libcurl *next; // the one found before this
    uintptr_t start, end;    // addresses that the object spans
    CURL *(*easy_init)(void);
    CURLcode (*easy_perform)(CURL *);
    CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
    CURLcode (*easy_pause)(CURL *, int);
    void (*easy_reset)(CURL *);
    void (*easy_cleanup)(CURL *);
    CURL *(*easy_duphandle)(CURL *);
    CURLHcode (*easy_header)(CURL *, const char *, size_t, unsigned int, int, struct curl_header **); // from 7.83
    struct curl_header *(*easy_nextheader)(CURL *, unsigned int, int, struct curl_header *);          // from 7.83
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *);
    CURLMcode (*multi_add_handle)(CURLM *, CURL *);
    CURLMcode (*multi_remove_handle)(CURLM *, CURL *);
    CURLMcode (*multi_perform)(CURLM *, int *);
    CURLMcode (*multi_socket_action)(CURLM *, curl_socket_t, int, int *);
    CURLMcode (*multi_socket)(CURLM *, curl_socket_t, int *);
    CURLMcode (*multi_socket_all)(CURLM *, int *);
    CURLMcode (*multi_wait)(CURLM *, struct curl_waitfd *, unsigned int, int, int *);
    CURLMcode (*multi_poll)(CURLM *, struct curl_waitfd *, unsigned int, int, int *); // from 7.66
    CURLMcode (*multi_wakeup)(CURLM *);                                               // from 7.68; only asked for
    CURLMcode (*multi_timeout)(CURLM *, long *);
    CURLMcode (*multi_setopt)(CURLM *, CURLMoption, ...);
    CURLMsg *(*multi_info_read)(CURLM *, int *);
    CURLMcode (*multi_notify_enable)(CURLM *, unsigned int);         // from 8.17
    CURLMcode (*multi_notify_disable)(CURLM *, unsigned int);        // from 8.17
    CURLUcode (*url_get)(CURLU *, CURLUPart, char **, unsigned int); // NULL before 7.62
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
