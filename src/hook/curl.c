// SPDX-License-Identifier: MIT
// libcurl's easy interface: the handles are tracked, the transfers performed under a policy.
//
// libcurl calls its own public functions through the PLT, so each of these is also called from inside of libcurl.
#include <stdarg.h>

#include "hook/curl.h"
#include "hook/hook.h"
#include "http/perform.h"

// A call on a handle: its record, NULL when we do not track it or libcurl makes the call itself, and the library behind
// it.
struct callee {
    struct rb_handle *handle;
    const struct rb_libcurl *curl;
};

static struct callee callee_of(CURL *easy, const void *caller)
{
    struct rb_handle *known = rb_handle_find(easy);
    if (!known)
        return (struct callee){NULL, rb_libcurl_of_caller(caller)};
    return (struct callee){rb_libcurl_spans(known->curl, caller) ? NULL : known, known->curl};
}

// Tracked also where the library does not act: a policy may be mended later, and a record finds the library quickly.
CURL *rb_hook_easy_init(const struct rb_libcurl *curl)
{
    CURL *easy = curl && curl->easy_init ? curl->easy_init() : NULL;
    if (easy)
        rb_handle_register(easy, curl);
    return easy;
}

RB_HOOK CURL *curl_easy_init(void)
{
    const struct rb_libcurl *curl = rb_libcurl_of_caller(RB_CALLER);
    if (curl && curl->easy_init && rb_libcurl_spans(curl, RB_CALLER))
        return curl->easy_init();
    return rb_hook_easy_init(curl);
}

RB_HOOK void curl_easy_cleanup(CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    if (callee.handle && callee.handle->performing) // the program jumped out of a callback: libcurl may still call back
        rb_handle_return_callbacks(callee.handle, easy);
    rb_handle_forget(easy);
    if (callee.curl && callee.curl->easy_cleanup)
        callee.curl->easy_cleanup(easy);
}

RB_HOOK void curl_easy_reset(CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    struct rb_handle *handle = callee.handle;
    const struct rb_libcurl *curl = callee.curl;
    if (curl && curl->easy_reset)
        curl->easy_reset(easy);
    if (handle)
        rb_handle_reset(handle);
}

RB_HOOK CURL *curl_easy_duphandle(CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    struct rb_handle *handle = callee.handle;
    const struct rb_libcurl *curl = callee.curl;
    CURL *copy = curl && curl->easy_duphandle ? curl->easy_duphandle(easy) : NULL;
    if (copy && handle)
        rb_handle_duplicate(handle, copy);
    return copy;
}

// Forwards with the type that libcurl's va_arg will read (curl.h: ranges of CURLoption).
static CURLcode forward(const struct rb_libcurl *curl, CURL *easy, CURLoption option, union rb_option value)
{
    if (option < CURLOPTTYPE_OBJECTPOINT)
        return curl->easy_setopt(easy, option, value.number);
    if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        return curl->easy_setopt(easy, option, value.offset);
    if (option >= CURLOPTTYPE_FUNCTIONPOINT && option < CURLOPTTYPE_OFF_T)
        return curl->easy_setopt(easy, option, value.function);
    return curl->easy_setopt(easy, option, value.pointer);
}

static union rb_option read_option(CURLoption option, va_list *arguments)
{
    union rb_option value = {0};
    if (option < CURLOPTTYPE_OBJECTPOINT)
        value.number = va_arg(*arguments, long);
    else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        value.offset = va_arg(*arguments, curl_off_t);
    else if (option >= CURLOPTTYPE_FUNCTIONPOINT && option < CURLOPTTYPE_OFF_T)
        value.function = va_arg(*arguments, void (*)(void));
    else
        value.pointer = va_arg(*arguments, void *);
    return value;
}

RB_HOOK CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list arguments;
    va_start(arguments, option);
    union rb_option value = read_option(option, &arguments);
    va_end(arguments);
    struct callee callee = callee_of(easy, RB_CALLER);
    struct rb_handle *handle = callee.handle;
    const struct rb_libcurl *curl = callee.curl;
    if (!curl || !curl->easy_setopt)
        return CURLE_FAILED_INIT;
    bool ours = handle && handle->performing && rb_handle_replaces(option);
    CURLcode code = ours ? CURLE_OK : forward(curl, easy, option, value);
    if (handle && code == CURLE_OK)
        rb_handle_note(handle, option, value);
    return code;
}

RB_HOOK CURLcode curl_easy_perform(CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    const struct rb_policy *policy = !callee.handle || rb_hook_passes() ? NULL : rb_process_policy();
    if (policy)
        return rb_http_perform(callee.handle, easy, policy);
    return callee.curl && callee.curl->easy_perform ? callee.curl->easy_perform(easy) : CURLE_FAILED_INIT;
}

RB_HOOK CURLcode curl_easy_pause(CURL *easy, int mask)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    struct rb_handle *handle = callee.handle;
    const struct rb_libcurl *curl = callee.curl;
    if (handle && rb_http_pause(handle, mask))
        return CURLE_OK;
    return curl && curl->easy_pause ? curl->easy_pause(easy, mask) : CURLE_FAILED_INIT;
}

RB_HOOK CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    struct rb_handle *handle = callee.handle;
    const struct rb_libcurl *curl = callee.curl;
    const struct rb_policy *policy = !handle || rb_hook_passes() ? NULL : rb_process_policy();
    if (policy)
        rb_http_note_multi(handle, policy);
    return curl && curl->multi_add_handle ? curl->multi_add_handle(multi, easy) : CURLM_INTERNAL_ERROR;
}
