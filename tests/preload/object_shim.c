// SPDX-License-Identifier: MIT
// A libcurl that hands every call on to the real one, which it finds by dlsym. It has what 7.66 had: a curl_multi_poll,
// and no curl_multi_wakeup.
#include <dlfcn.h>

static void *behind(const char *name)
{
    return dlsym(dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL), name);
}

#define HAND_ON(result, name, parameters, arguments)                                                                   \
    result name parameters;                                                                                            \
    result name parameters                                                                                             \
    {                                                                                                                  \
        __typeof__(name) *real = (__typeof__(name) *) behind(#name);                                                   \
        return real arguments;                                                                                         \
    }

HAND_ON(void *, curl_easy_init, (void), ())
HAND_ON(int, curl_easy_perform, (void *easy), (easy))
HAND_ON(void, curl_easy_reset, (void *easy), (easy))
HAND_ON(void *, curl_easy_duphandle, (void *easy), (easy))
HAND_ON(void, curl_easy_cleanup, (void *easy), (easy))
HAND_ON(int, curl_easy_pause, (void *easy, int mask), (easy, mask))
HAND_ON(void, curl_free, (void *memory), (memory))
HAND_ON(void *, curl_multi_init, (void), ())
HAND_ON(int, curl_multi_cleanup, (void *multi), (multi))
HAND_ON(int, curl_multi_timeout, (void *multi, long *ms), (multi, ms))
HAND_ON(void *, curl_multi_info_read, (void *multi, int *left), (multi, left))
HAND_ON(int, curl_multi_add_handle, (void *multi, void *easy), (multi, easy))
HAND_ON(int, curl_multi_remove_handle, (void *multi, void *easy), (multi, easy))

// Variadic in the real one, which tells in some calling conventions. What comes is as wide as a pointer or passed like
// one.
typedef int variadic(void *easy, int what, ...);

int curl_easy_setopt(void *easy, int option, void *value);
int curl_easy_setopt(void *easy, int option, void *value)
{
    return ((variadic *) behind("curl_easy_setopt"))(easy, option, value);
}

int curl_easy_getinfo(void *easy, int info, void *value);
int curl_easy_getinfo(void *easy, int info, void *value)
{
    return ((variadic *) behind("curl_easy_getinfo"))(easy, info, value);
}

static int handles; // that the multi handle runs

int curl_multi_perform(void *multi, int *running);
int curl_multi_perform(void *multi, int *running)
{
    int code = ((int (*)(void *, int *)) behind("curl_multi_perform"))(multi, running);
    handles = *running;
    return code;
}

// Without any there is nothing that it waits for.
int curl_multi_poll(void *multi, void *extra, unsigned count, int ms, int *ready);
int curl_multi_poll(void *multi, void *extra, unsigned count, int ms, int *ready)
{
    typedef int poll_fn(void *multi, void *extra, unsigned count, int ms, int *ready);
    return ((poll_fn *) behind("curl_multi_poll"))(multi, extra, count, handles == 0 && count == 0 ? 0 : ms, ready);
}

int curl_multi_setopt(void *multi, int option, void *value);
int curl_multi_setopt(void *multi, int option, void *value)
{
    return ((variadic *) behind("curl_multi_setopt"))(multi, option, value);
}
