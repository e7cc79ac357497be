// SPDX-License-Identifier: MIT
// The next definitions of the libc functions that this library hooks.
#ifndef RB_REAL_LIBC_H
#define RB_REAL_LIBC_H

#include "real/time64.h"

#define HOOK_HEADERS
#include "hook/hooks.def"

// rb_libc_NAME, for each function of libc in hook/hooks.def: the function NAME of libc, or of another library preloaded
// after this one. Parameters, result and errno are those of NAME. Where no such function exists, the result is the
// column `absent` of the row: a system call does the same, or the call fails as on a system without support (ENOSYS,
// EAI_SYSTEM, NO_RECOVERY). The address is looked up by the first call, without a lock. Async-signal-safe where NAME
// is.
//
// The functions whose names end in _chk are those of glibc for programs built with _FORTIFY_SOURCE: `size` is that of
// the buffer, and the program ends when the buffer is too small.
#define LIBC(family, result, name, parameters, ...) result rb_libc_##name parameters;
#define LIBC_VARIADIC(family, result, name, declared, parameters, ...) result rb_libc_##name parameters;
#include "hook/hooks.def"

// For a row LIBC_JUMP: rb_libc_NAME returns the address of the function described above; NULL if there is none.
#define LIBC_JUMP(family, result, name, parameters)                                                                    \
    typedef result rb_##name##_fn parameters;                                                                          \
    rb_##name##_fn *rb_libc_##name(void);
#include "hook/hooks.def"

// The loader's own dlclose, dlopen and dlsym. The last two use the return address to find out who called, so a hook
// must jump to them. NULL if no object defines them, as with glibc before 2.34 while libdl.so.2 is not loaded. May be
// called before any other function works.
typedef int rb_dlclose_fn(void *handle);
typedef void *rb_dlopen_fn(const char *file, int flags);
typedef void *rb_dlsym_fn(void *handle, const char *name);
rb_dlclose_fn *rb_libc_dlclose(void);
rb_dlopen_fn *rb_libc_dlopen(void);
rb_dlsym_fn *rb_libc_dlsym(void);
#endif
