// SPDX-License-Identifier: MIT
// The library's constructor and destructor.
#include "hook/hook.h"
#include "net/connect.h"
#include "net/lookup/names.h"
#include "net/park.h"
#include "real/checker.h"
#include "real/elf.h"
#include "real/fork.h"
#include "wire/link.h"

// A child may look up names for its parent, which then connects. Parent and child share the table of names only if the
// table exists before the fork.
static void before_fork(void)
{
    if (!rb_process_is_off())
        rb_names_start();
}

// Tells tools that threads share the library's variables.
static void share_variables(void)
{
    struct rb_object object;
    if (rb_checker_looks_for_races() && rb_elf_holding((const void *) &share_variables, &object))
        rb_checker_share((const void *) object.start, object.end - object.start);
}

__attribute__((constructor)) static void begin(void)
{
    rb_checker_start();
    share_variables();
    rb_process_load();
    rb_fork_notify(before_fork, NULL, NULL);
    rb_park_start();
    rb_net_notify_opened(rb_link_open);
    rb_connection_notify(rb_link_made);
}

__attribute__((destructor)) static void end(void)
{
    rb_link_end_all();
    rb_process_end();
}
