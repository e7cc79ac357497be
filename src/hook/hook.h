// SPDX-License-Identifier: MIT
// What every hook begins with.
#ifndef RB_HOOK_HOOK_H
#define RB_HOOK_HOOK_H

#include "process/process.h"
#include "real/guard.h"

// A function of the program's that we stand in front of.
#define RB_HOOK __attribute__((visibility("default")))

// The return address of the hook: which object is calling.
#define RB_CALLER __builtin_return_address(0)

// True when a call must pass through whatever the policy says: switched off, or made from inside a real call.
static inline bool rb_hook_passes(void)
{
    return rb_guard_depth > 0 || !rb_process_active();
}

#endif
