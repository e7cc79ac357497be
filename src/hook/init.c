// SPDX-License-Identifier: MIT
// The library's beginning and end in a process.
#include "hook/hook.h"

__attribute__((constructor)) static void begin(void)
{
    rb_process_active();
}

__attribute__((destructor)) static void end(void)
{
    rb_process_end();
}
