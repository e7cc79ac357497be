// SPDX-License-Identifier: MIT
// Registration of a fork handler with either C library.
#include <stddef.h>

#include "real/elf.h"
#include "real/fork.h"

// glibc's own name for it; its pthread_atfork is a static function that every user brings along.
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object)
    __attribute__((weak));

void rb_fork_notify(void (*before)(void), void (*child)(void))
{
    if (__register_atfork) {
        __register_atfork(before, NULL, child, NULL);
        return;
    }
    int (*atfork)(void (*)(void), void (*)(void), void (*)(void)) = rb_elf_next("pthread_atfork");
    if (atfork)
        atfork(before, NULL, child);
}
