// SPDX-License-Identifier: MIT
// The library's beginning and end in a process.
#include "hook/hook.h"
#include "net/names.h"
#include "real/fork.h"

__attribute__((constructor)) static void begin(void)
{
    rb_fork_start();
    if (!rb_process_active())
        return;
    rb_names_start();
}

__attribute__((destructor)) static void end(void)
{
    rb_process_end();
}
