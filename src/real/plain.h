// SPDX-License-Identifier: MIT
// Included by the compiler's command line (Makefile) before every file of the library and of the tests. No file
// includes this header.
//
// The flags of a distribution, and some compilers, define the macros below. Each of them makes the headers of libc
// rename functions: _FORTIFY_SOURCE to functions that only glibc has, the others to the functions with 64-bit offsets
// and times. The library must run on every libc. It defines and calls the functions by the names in hook/hooks.def, and
// has its own functions for 64-bit offsets and times.
#ifndef RB_REAL_PLAIN_H
#define RB_REAL_PLAIN_H

#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#undef _TIME_BITS

#endif
