// SPDX-License-Identifier: MIT
// The functions whose use says something about what a program does: those that the library stands in front of, and
// those that lead past it.
#ifndef RB_CLI_FAMILY_H
#define RB_CLI_FAMILY_H

#include <stdbool.h>

enum rb_family {
// Functions that the library intercepts, or may intercept. Which of them a library at hand intercepts is told by the
// functions that it exports.
#define FAMILY(family, text) RB_FAMILY_##family,
#include "hook/hooks.def"
    // Past it.
    RB_FAMILY_RESOLVER,  // looks names up by other means
    RB_FAMILY_URING,     // asks the kernel through a ring
    RB_FAMILY_RAW,       // makes system calls by number
    RB_FAMILY_NAMESPACE, // loads or looks up where no preloaded library is
    RB_FAMILY_UV,        // libuv, which has a ring on demand
    RB_FAMILY_START,     // starts other programs
    RB_FAMILY_COUNT
};

struct rb_family_name {
    const char *name;
    enum rb_family family;
    bool prefix; // every name that begins so
};

enum { RB_FAMILY_NAMES_MAX = 192 };

// All names; *count receives how many, at most RB_FAMILY_NAMES_MAX.
const struct rb_family_name *rb_family_table(unsigned *count);

// The index of a function in the table, or -1.
int rb_family_find(const char *name);

#endif
