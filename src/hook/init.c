// SPDX-License-Identifier: MIT
// The library's beginning and end in a process.
#include "hook/hook.h"
#include "net/flight.h"
#include "net/names.h"

__attribute__((constructor)) static void begin(void)
{
    if (!rb_process_active())
        return;
    rb_names_start();
    rb_flight_is_ours(); // before a vfork child can take itself for the owner
}

__attribute__((destructor)) static void end(void)
{
    rb_process_end();
}
