// SPDX-License-Identifier: MIT
// The value that the stack protector puts behind the local variables of a function and checks at its end.
//
// The library itself is built without the stack protector, but distributions build static libraries such as libinih
// with it. On arm and arm64 such code reads the variable __stack_chk_guard, which glibc defines in its dynamic linker
// (ld-linux-aarch64.so.1). Then librebound.so would need the dynamic linker of glibc, which a system with musl lacks.
// So the library defines the variable for itself. On x86 nothing reads it.
#include <stdint.h>

// Ends strings and lines, so that a string that is too long cannot contain the value: zero, line feed, carriage return.
extern const uintptr_t __stack_chk_guard;
const uintptr_t __stack_chk_guard = (uintptr_t) UINT64_C(0xff0d0a00ff0d0a00);
