// SPDX-License-Identifier: MIT
// libcurl's multi interface: these hooks track the multi handles and repeat failed transfers under a policy.
//
// curl_easy_perform calls several of these functions from inside libcurl, for an internal multi handle. Those calls
// pass through.
#include "curl/multi/multi.h"
#include "curl/multi/multi_callback.h"
#include "hook/curl.h"
#include "hook/hook.h"
#include "hook/option.h"

// The multi handle and the library of one call.
struct callee {
    struct rb_multi *multi; // NULL: the handle is not tracked, or libcurl itself makes the call
    const struct rb_libcurl *curl;
};

static __attribute__((noinline)) struct callee callee_of_program(CURLM *handle, const void *caller)
{
    struct rb_multi *multi = rb_multi_find(handle);
    return (struct callee){multi, multi ? rb_multi_owner(multi) : rb_libcurl_of_caller(caller)};
}

// Inlined for speed: one curl_easy_perform makes about six such calls from inside libcurl.
static inline __attribute__((always_inline)) struct callee callee_of(CURLM *handle, const void *caller)
{
    const struct rb_libcurl *inside = rb_libcurl_around(caller);
    return inside ? (struct callee){NULL, inside} : callee_of_program(handle, caller);
}

CURLM *rb_hook_multi_init(const struct rb_libcurl *curl)
{
    CURLM *multi = curl && curl->multi_init ? curl->multi_init() : NULL;
    if (multi && !rb_sandbox_is_filtered())
        rb_multi_register(multi, curl);
    return multi;
}

RB_HOOK CURLM *curl_multi_init(void)
{
    const struct rb_libcurl *curl = rb_libcurl_of_caller(RB_CALLER);
    if (curl && curl->multi_init && rb_libcurl_spans(curl, RB_CALLER))
        return curl->multi_init();
    return rb_hook_multi_init(curl);
}

RB_HOOK CURLMcode curl_multi_cleanup(CURLM *multi)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_cleanup(callee.multi);
    return callee.curl && callee.curl->multi_cleanup ? callee.curl->multi_cleanup(multi) : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_add(callee.multi, rb_handle_find(easy), easy);
    return callee.curl && callee.curl->multi_add_handle ? callee.curl->multi_add_handle(multi, easy)
                                                        : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_remove(callee.multi, rb_handle_find(easy), easy);
    return callee.curl && callee.curl->multi_remove_handle ? callee.curl->multi_remove_handle(multi, easy)
                                                           : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_perform(CURLM *multi, int *running)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_perform(callee.multi, running);
    return callee.curl && callee.curl->multi_perform ? callee.curl->multi_perform(multi, running)
                                                     : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t socket, int events, int *running)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_socket_action(callee.multi, socket, events, running);
    return callee.curl && callee.curl->multi_socket_action
               ? callee.curl->multi_socket_action(multi, socket, events, running)
               : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_socket(CURLM *multi, curl_socket_t socket, int *running)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_socket_action(callee.multi, socket, 0, running);
    return callee.curl && callee.curl->multi_socket ? callee.curl->multi_socket(multi, socket, running)
                                                    : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_socket_all(CURLM *multi, int *running)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_socket_all(callee.multi, running);
    return callee.curl && callee.curl->multi_socket_all ? callee.curl->multi_socket_all(multi, running)
                                                        : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_wait(CURLM *multi, struct curl_waitfd extra[], unsigned int count, int timeout_ms,
                                  int *ready)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_wait(callee.multi, extra, count, timeout_ms, ready);
    return callee.curl && callee.curl->multi_wait ? callee.curl->multi_wait(multi, extra, count, timeout_ms, ready)
                                                  : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_poll(CURLM *multi, struct curl_waitfd extra[], unsigned int count, int timeout_ms,
                                  int *ready)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi && callee.curl->multi_poll)
        return rb_multi_poll(callee.multi, extra, count, timeout_ms, ready);
    return callee.curl && callee.curl->multi_poll ? callee.curl->multi_poll(multi, extra, count, timeout_ms, ready)
                                                  : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMcode curl_multi_timeout(CURLM *multi, long *timeout_ms)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_timeout(callee.multi, timeout_ms);
    return callee.curl && callee.curl->multi_timeout ? callee.curl->multi_timeout(multi, timeout_ms)
                                                     : CURLM_INTERNAL_ERROR;
}

RB_HOOK CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi)
        return rb_multi_info_read(callee.multi, left);
    return callee.curl && callee.curl->multi_info_read ? callee.curl->multi_info_read(multi, left) : NULL;
}

RB_HOOK CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    va_list arguments;
    va_start(arguments, option);
    union rb_option value = rb_hook_option_read((int) option, &arguments);
    va_end(arguments);
    struct callee callee = callee_of(multi, RB_CALLER);
    if (callee.multi && rb_multi_callback_replaces(option))
        return rb_multi_callback_set(callee.multi, option, value);
    if (!callee.curl || !callee.curl->multi_setopt)
        return CURLM_INTERNAL_ERROR;
    return RB_OPTION_FORWARD(callee.curl->multi_setopt, multi, option, value);
}

RB_HOOK CURLMcode curl_multi_notify_enable(CURLM *multi, unsigned int kind)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (!callee.curl || !callee.curl->multi_notify_enable)
        return CURLM_UNKNOWN_OPTION;
    return callee.multi ? rb_multi_callback_notify(callee.multi, kind, true)
                        : callee.curl->multi_notify_enable(multi, kind);
}

RB_HOOK CURLMcode curl_multi_notify_disable(CURLM *multi, unsigned int kind)
{
    struct callee callee = callee_of(multi, RB_CALLER);
    if (!callee.curl || !callee.curl->multi_notify_disable)
        return CURLM_UNKNOWN_OPTION;
    return callee.multi ? rb_multi_callback_notify(callee.multi, kind, false)
                        : callee.curl->multi_notify_disable(multi, kind);
}
