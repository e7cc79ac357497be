// SPDX-License-Identifier: MIT
// Shared by all hooks: their declarations and the pass-through test.
#ifndef RB_HOOK_HOOK_H
#define RB_HOOK_HOOK_H

#include "process/process.h"
#include "real/guard.h"
#include "real/libc.h"

// Marks a hook: a function that this library exports in place of one of libc, libcurl or OpenSSL.
#define RB_HOOK __attribute__((visibility("default")))

// Declares every hook of libc. Most of them have a declaration in a system header, and the compiler compares each row
// with it. No header declares bsd_signal and glibc's functions whose names end in _chk.
#define LIBC(family, result, name, parameters, ...) result name parameters;
#define LIBC_VARIADIC(family, result, name, declared, ...) result name declared;
#define LIBC_REPLACED(family, result, name, declared) result name declared;
#define LIBC_JUMP(family, result, name, parameters) result name parameters;
#include "hook/hooks.def"

// Make the compiler end a hook in a jump to the real function, even at -O0: by an attribute of the call if the compiler
// has it, else by an attribute of the hook. A function with locals whose address is taken is not inlined into the hook,
// because such locals prevent the jump.
#if __has_attribute(musttail)
#define ENDS_IN_JUMP
#define JUMP __attribute__((musttail))
#else
#define ENDS_IN_JUMP __attribute__((optimize("O2", "optimize-sibling-calls")))
#define JUMP
#endif

// The return address of the hook. It shows which object makes the call.
#define RB_CALLER __builtin_return_address(0)

// Returns true if a call must pass through under any policy: the library does not act in this process, or the call
// comes from inside a real function.
static inline bool rb_hook_passes(void)
{
    return rb_guard_depth > 0 || !rb_process_active();
}

#endif
