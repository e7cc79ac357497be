// SPDX-License-Identifier: MIT
// The functions whose use says something about what a program does: those that the library stands in front of, and
// those that lead past it.
#ifndef RB_CLI_FAMILY_H
#define RB_CLI_FAMILY_H

#include <stdbool.h>

enum rb_family {
    // In front of which the library stands, or may stand: which of them it does, the library itself says (its exported
    // functions).
    RB_FAMILY_CURL,
    RB_FAMILY_CONNECT,
    RB_FAMILY_WAIT,   // tells when a non-blocking connect has ended
    RB_FAMILY_SOCKET, // tells how, or changes the descriptor
    RB_FAMILY_DNS,
    RB_FAMILY_LOADER,    // finds functions and libraries while the program runs
    RB_FAMILY_NETWORK,   // moves a thread to another network
    RB_FAMILY_SIGNAL,    // sets actions of signals, of which SIGBUS may be ours
    RB_FAMILY_PRIVILEGE, // changes the user or the root directory, before which the policy is read
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
