// SPDX-License-Identifier: MIT
// The busiest hosts of each policy, and the sum of its other hosts. This limits the number of metrics with a label for
// the host.
#ifndef RB_CLI_STATE_BUSIEST_H
#define RB_CLI_STATE_BUSIEST_H

#include "cli/state/snapshot.h"

enum { RB_BUSIEST_MAX = 100 }; // hosts of one policy that are listed by name

// The name of the sum of the other hosts. A host with this name belongs to it.
#define RB_BUSIEST_REST "other"

enum rb_busiest_number { RB_BUSIEST_CALLS, RB_BUSIEST_ATTEMPTS, RB_BUSIEST_FAILURES, RB_BUSIEST_REFUSED };

struct rb_busiest {
    const char *policy, *host; // point into the snapshot; host is RB_BUSIEST_REST or not empty
    uint64_t value;
};

// Lists one number of the hosts: for each policy the RB_BUSIEST_MAX hosts with the largest numbers, then the rest.
//
// The rest is the sum of the hosts with smaller numbers, of hosts that lost their cell, and of calls without a cell.
// Each number only grows, so the sum of all but the largest ones only grows too, even if the set of hosts changes.
// Therefore the rest is a valid Prometheus counter. It jumps when a listed host loses its cell.
//
// Returns a list that the caller frees, or NULL without memory. No two entries have the same policy and host.
//   count: receives the length of the list
struct rb_busiest *rb_busiest_list(const struct rb_snapshot *snapshot, enum rb_busiest_number number, unsigned *count);

#endif
