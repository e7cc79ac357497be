// SPDX-License-Identifier: MIT
// Joins of threads.
#include "hook/hook.h"
#include "process/starting.h"
#include "real/elf.h"

// libuv looks up names in threads of its own, and joins these threads when node exits. A lookup must not make node wait
// for a host that has not started. libuv also joins other threads, when a worker of node ends. Other programs join
// threads to wait for their work.
static __attribute__((noinline)) void join_for_libuv(const void *caller)
{
    struct rb_object object;
    if (rb_elf_holding(caller, &object) && rb_elf_symbol(&object, "uv_library_shutdown"))
        rb_starting_end();
}

RB_HOOK int pthread_join(pthread_t thread, void **result)
{
    if (rb_starting_holds(thread))
        join_for_libuv(RB_CALLER);
    return rb_libc_pthread_join(thread, result);
}
