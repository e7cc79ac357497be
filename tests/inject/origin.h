// SPDX-License-Identifier: MIT
// Which object of a traced process made a system call.
#ifndef INJECT_ORIGIN_H
#define INJECT_ORIGIN_H

#include <stdint.h>
#include <sys/types.h>

enum origin {
    ORIGIN_PROGRAM, // the program, or a library other than ours
    ORIGIN_LIBRARY, // an instruction inside of ours
    ORIGIN_LIBC,    // libc, which our library called
    ORIGINS
};

extern const char *const origin_names[ORIGINS];

// Sets the process to look at.
//   library: the path of our library, or NULL
void origin_follow(pid_t process, const char *library);

// Where a system call comes from.
//   ip, sp: the instruction pointer and the stack pointer at the system call
enum origin origin_of(pid_t thread, uint64_t ip, uint64_t sp);

#endif
