// SPDX-License-Identifier: MIT
// libcurl's share interface: these hooks only track which objects share connections.
#include "curl/share.h"
#include "hook/curl.h"
#include "hook/hook.h"

CURLSH *rb_hook_share_init(const struct rb_libcurl *curl)
{
    CURLSH *object = curl && curl->share_init ? curl->share_init() : NULL;
    if (object)
        rb_share_register(object, curl);
    return object;
}

RB_HOOK CURLSH *curl_share_init(void)
{
    return rb_hook_share_init(rb_libcurl_of_caller(RB_CALLER));
}

// Another thread may get the same address from curl_share_init as soon as libcurl has freed the object. So the record
// is taken out before. libcurl refuses to free an object that a handle still uses.
RB_HOOK CURLSHcode curl_share_cleanup(CURLSH *object)
{
    struct rb_share *share = object ? rb_share_take(object) : NULL;
    const struct rb_libcurl *curl = share ? share->curl : rb_libcurl_of_caller(RB_CALLER);
    CURLSHcode code = curl && curl->share_cleanup ? curl->share_cleanup(object) : CURLSHE_INVALID;
    if (share && code != CURLSHE_OK)
        rb_share_put_back(object, share);
    else
        rb_share_free(share);
    return code;
}

// Every option takes a number or a pointer. Both are passed in the same way.
RB_HOOK CURLSHcode curl_share_setopt(CURLSH *object, CURLSHoption option, ...)
{
    va_list arguments;
    va_start(arguments, option);
    void *value = va_arg(arguments, void *);
    va_end(arguments);
    struct rb_share *share = object ? rb_share_find(object) : NULL;
    const struct rb_libcurl *curl = share ? share->curl : rb_libcurl_of_caller(RB_CALLER);
    CURLSHcode code = curl && curl->share_setopt ? curl->share_setopt(object, option, value) : CURLSHE_INVALID;
    bool connections = (int) (intptr_t) value == CURL_LOCK_DATA_CONNECT;
    if (share && code == CURLSHE_OK && connections && (option == CURLSHOPT_SHARE || option == CURLSHOPT_UNSHARE))
        atomic_store_explicit(&share->connections, option == CURLSHOPT_SHARE, memory_order_relaxed);
    return code;
}
