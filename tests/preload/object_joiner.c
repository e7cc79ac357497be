// SPDX-License-Identifier: MIT
// Joins a thread as libuv does at the end of its thread pool: from an object with a function of this name.
#include <pthread.h>

int uv_library_shutdown(pthread_t thread, void **result);

int uv_library_shutdown(pthread_t thread, void **result)
{
    return -pthread_join(thread, result); // negative, as in libuv; so the call is not a jump
}
