// SPDX-License-Identifier: MIT
// The library's constructor and destructor.
#include "hook/hook.h"
#include "net/lookup/names.h"
#include "net/park.h"
#include "real/fork.h"

// A child may look up names for its parent, which then connects. Parent and child share the table of names only if the
// table exists before the fork.
static void before_fork(void)
{
    if (!rb_process_is_off())
        rb_names_start();
}

__attribute__((constructor)) static void begin(void)
{
    rb_process_load();
    rb_fork_notify(before_fork, NULL, NULL);
    rb_park_start();
}

__attribute__((destructor)) static void end(void)
{
    rb_process_end();
}
