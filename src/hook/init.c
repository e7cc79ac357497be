// SPDX-License-Identifier: MIT
// The library's beginning and end in a process.
#include "hook/hook.h"
#include "net/lookup/names.h"
#include "real/fork.h"

// A child may look names up for its parent, which connects: they share the table.
static void before_fork(void)
{
    if (!rb_process_is_off())
        rb_lookup_names_start();
}

__attribute__((constructor)) static void begin(void)
{
    rb_process_load();
    rb_fork_notify(before_fork, NULL);
}

__attribute__((destructor)) static void end(void)
{
    rb_process_end();
}
