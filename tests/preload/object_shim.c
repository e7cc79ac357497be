// SPDX-License-Identifier: MIT
// A libcurl that hands every call on to the real one, which it finds by dlsym.
#include <dlfcn.h>

static void *behind(const char *name)
{
    return dlsym(dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL), name);
}

#define HAND_ON(result, name, parameters, types, arguments)                                                            \
    result name parameters;                                                                                            \
    result name parameters                                                                                             \
    {                                                                                                                  \
        result(*real) types = (result(*) types) behind(#name);                                                         \
        return real arguments;                                                                                         \
    }

HAND_ON(void *, curl_easy_init, (void), (void), ())
HAND_ON(int, curl_easy_perform, (void *easy), (void *), (easy))
HAND_ON(void, curl_easy_reset, (void *easy), (void *), (easy))
HAND_ON(void *, curl_easy_duphandle, (void *easy), (void *), (easy))
HAND_ON(void, curl_easy_cleanup, (void *easy), (void *), (easy))
HAND_ON(void, curl_free, (void *memory), (void *), (memory))
HAND_ON(int, curl_easy_pause, (void *easy, int mask), (void *, int), (easy, mask))
HAND_ON(int, curl_multi_add_handle, (void *multi, void *easy), (void *, void *), (multi, easy))
HAND_ON(int, curl_multi_remove_handle, (void *multi, void *easy), (void *, void *), (multi, easy))

// Variadic as the real ones are, for the calling conventions that tell.
HAND_ON(int, curl_easy_setopt, (void *easy, int option, void *value), (void *, int, ...), (easy, option, value))
HAND_ON(int, curl_easy_getinfo, (void *easy, int info, void *value), (void *, int, ...), (easy, info, value))
