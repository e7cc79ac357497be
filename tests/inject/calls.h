// SPDX-License-Identifier: MIT
// Names of system calls.
#ifndef INJECT_CALLS_H
#define INJECT_CALLS_H

// The name of a system call, or its number in decimal if the table lacks it. The text of a number stays valid until the
// next call.
const char *calls_name(long number);

// The system call with this name or decimal number; -1: unknown.
long calls_find(const char *name);

#endif
