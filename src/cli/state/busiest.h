// SPDX-License-Identifier: MIT
// The busiest hosts of each policy, and the rest of its hosts as one: metrics with a label for the host stay bounded.
#ifndef RB_CLI_BUSIEST_H
#define RB_CLI_BUSIEST_H

#include "cli/state/snapshot.h"

enum { RB_BUSIEST_MAX = 100 }; // hosts of one policy that are named

// The name of the rest. A host of this name is part of the rest.
#define RB_BUSIEST_REST "other"

enum rb_busiest_number { RB_BUSIEST_CALLS, RB_BUSIEST_ATTEMPTS, RB_BUSIEST_FAILURES, RB_BUSIEST_REFUSED };

struct rb_busiest {
    const char *policy, *host; // borrowed from the snapshot; host is RB_BUSIEST_REST or never empty
    uint64_t value;
};

// Lists one number of the hosts: for each policy the RB_BUSIEST_MAX hosts where that number is largest, then the rest.
//
// The rest holds the hosts with smaller numbers, the hosts that lost their cell, and calls that found no cell. Each of
// the numbers only grows. So the sum of all but the largest ones only grows too, whichever hosts these are: the rest is
// a counter for Prometheus, although its hosts change. It jumps up by the number of a named host that loses its cell.
//
//   count: receives the length of the list
// Returns a list that the caller frees, or NULL without memory. No two entries have the same policy and host.
struct rb_busiest *rb_busiest_list(const struct rb_snapshot *snapshot, enum rb_busiest_number number, unsigned *count);

#endif
