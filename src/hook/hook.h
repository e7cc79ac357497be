// SPDX-License-Identifier: MIT
// What every hook begins with.
#ifndef RB_HOOK_HOOK_H
#define RB_HOOK_HOOK_H

#include "process/process.h"
#include "real/guard.h"
#include "real/libc.h"

// A function of the program's that we stand in front of.
#define RB_HOOK __attribute__((visibility("default")))

// No header declares glibc's functions whose names end in _chk, nor bsd_signal. The others are declared again: the
// compiler compares each row with the header of its function.
#define LIBC(family, result, name, parameters, ...) result name parameters;
#define LIBC_VARIADIC(family, result, name, declared, ...) result name declared;
#include "hook/hooks.def"

// The return address of the hook: which object is calling.
#define RB_CALLER __builtin_return_address(0)

// True when a call must pass through whatever the policy says: switched off, or made from inside a real call.
static inline bool rb_hook_passes(void)
{
    return rb_guard_depth > 0 || !rb_process_active();
}

#endif
