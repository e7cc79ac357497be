// SPDX-License-Identifier: MIT
// libcurl's easy interface: these hooks track the handles and perform transfers under a policy.
//
// libcurl calls its own public functions through the PLT, so libcurl itself also calls these hooks.
#include "hook/curl.h"
#include "curl/figures.h"
#include "curl/ids.h"
#include "curl/multi/multi.h"
#include "curl/override.h"
#include "curl/perform.h"
#include "hook/hook.h"
#include "hook/option.h"

// The handle and the library of one call.
struct callee {
    struct rb_handle *handle; // NULL: the handle is not tracked, or libcurl itself makes the call
    const struct rb_libcurl *curl;
};

static struct callee callee_of(CURL *easy, const void *caller)
{
    struct rb_handle *known = rb_handle_find(easy);
    if (!known)
        return (struct callee){NULL, rb_libcurl_of_caller(caller)};
    return (struct callee){rb_libcurl_spans(known->curl, caller) ? NULL : known, known->curl};
}

// Tracks the handle even if the library does not act: the policy file may become valid later, and the record finds the
// handle's libcurl quickly. In a sandbox the library will never act, and the record might need a system call for
// memory.
CURL *rb_hook_easy_init(const struct rb_libcurl *curl)
{
    CURL *easy = curl && curl->easy_init ? curl->easy_init() : NULL;
    if (easy && rb_sandbox_is_filtered())
        rb_handle_forget(easy);
    else if (easy)
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

// libcurl may call the program's callbacks during the cleanup, so our values are replaced by the program's first.
// libcurl itself removes the handle from its multi handle.
RB_HOOK void curl_easy_cleanup(CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    if (callee.handle) {
        rb_multi_forget(callee.handle);
        rb_override_restore(callee.handle, easy);
    }
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

// libcurl copies our values of overridden options to the duplicate, so they are replaced there by the program's values.
// libcurl also duplicates handles itself, for streams that a server pushes. Those duplicates are not tracked.
RB_HOOK CURL *curl_easy_duphandle(CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    const struct rb_libcurl *curl = callee.curl;
    const struct rb_handle *original = rb_handle_find(easy);
    CURL *copy = curl && curl->easy_duphandle ? curl->easy_duphandle(easy) : NULL;
    if (copy && original)
        rb_override_restore(original, copy);
    if (copy && callee.handle && !rb_sandbox_is_filtered())
        rb_handle_duplicate(callee.handle, copy);
    return copy;
}

RB_HOOK CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    va_list arguments;
    va_start(arguments, option);
    union rb_option value = rb_hook_option_read((int) option, &arguments);
    va_end(arguments);
    struct callee callee = callee_of(easy, RB_CALLER);
    struct rb_handle *handle = callee.handle;
    const struct rb_libcurl *curl = callee.curl;
    if (!curl || !curl->easy_setopt)
        return CURLE_FAILED_INIT;
    bool ours = handle && rb_override_hides(handle, option);
    CURLcode code = ours ? CURLE_OK : RB_OPTION_FORWARD(curl->easy_setopt, easy, option, value);
    bool unused = handle && !handle->transfer && rb_sandbox_is_filtered(); // no transfer will read the record
    if (unused)
        handle->unknown = true;
    else if (handle && code == CURLE_OK)
        rb_option_note(handle, option, value);
    return code;
}

RB_HOOK CURLcode curl_easy_perform(CURL *easy)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    if (callee.handle && !callee.handle->member)
        return rb_http_perform(callee.handle, rb_hook_passes() ? NULL : rb_process_policy());
    if (callee.handle && rb_multi_holds(callee.handle))
        return CURLE_FAILED_INIT; // libcurl's result for a handle that is in a multi handle
    return callee.curl && callee.curl->easy_perform ? callee.curl->easy_perform(easy) : CURLE_FAILED_INIT;
}

RB_HOOK CURLcode curl_easy_pause(CURL *easy, int mask)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    const struct rb_libcurl *curl = callee.curl;
    if (callee.handle && rb_multi_pause(callee.handle, mask))
        return CURLE_OK;
    return curl && curl->easy_pause ? curl->easy_pause(easy, mask) : CURLE_FAILED_INIT;
}

// Each CURLINFO takes exactly one pointer.
RB_HOOK CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list arguments;
    va_start(arguments, info);
    void *out = va_arg(arguments, void *);
    va_end(arguments);
    struct callee callee = callee_of(easy, RB_CALLER);
    if (callee.handle && (rb_ids_answer(callee.handle, info, out) || rb_figures_answer(callee.handle, info, out)))
        return CURLE_OK;
    return callee.curl && callee.curl->easy_getinfo ? callee.curl->easy_getinfo(easy, info, out) : CURLE_FAILED_INIT;
}

static const struct rb_figures *saved_figures(const struct callee *callee)
{
    const struct rb_figures *figures = callee->handle ? callee->handle->figures : NULL;
    return figures && figures->saved ? figures : NULL;
}

RB_HOOK CURLHcode curl_easy_header(CURL *easy, const char *name, size_t index, unsigned int origin, int request,
                                   struct curl_header **out)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    const struct rb_figures *saved = saved_figures(&callee);
    if (saved)
        return rb_figures_header(saved, name, index, origin, request, out);
    return callee.curl && callee.curl->easy_header ? callee.curl->easy_header(easy, name, index, origin, request, out)
                                                   : CURLHE_NOT_BUILT_IN;
}

RB_HOOK struct curl_header *curl_easy_nextheader(CURL *easy, unsigned int origin, int request,
                                                 struct curl_header *previous)
{
    struct callee callee = callee_of(easy, RB_CALLER);
    const struct rb_figures *saved = saved_figures(&callee);
    if (saved)
        return rb_figures_next_header(saved, origin, request, previous);
    return callee.curl && callee.curl->easy_nextheader ? callee.curl->easy_nextheader(easy, origin, request, previous)
                                                       : NULL;
}
